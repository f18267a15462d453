"""Turns trajectories into token sequences, with a weight for each token."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.react import EncodedEpisode, Segment, encode_segments, render_trajectory
from a3t_contracts.schemas import Objective, ObjectiveName
from a3t_contracts.schemas.trajectory import PromptStyle, Trajectory

from .parts import PartSplitter
from .recorded import ExactSequence, exact_sequences
from .turn_weights import turn_weights

__all__ = ["Part", "TokenSequence", "encode_all", "encode_recorded", "encode_trajectory"]


class Part(IntEnum):
    """The part of an episode that a token belongs to."""

    context = 0
    observation = 1
    thought = 2
    action = 3


@dataclass(frozen=True, slots=True)
class TokenSequence:
    """One encoded trajectory τ, or a part of a recorded one. The arrays have the same length. Token 0 is never
    predicted, so its weight is 0.
    """

    id: str
    """Id of the trajectory; sequences of one trajectory share it."""
    task: str
    ids: NDArray[np.int64]
    parts: NDArray[np.int8]
    weights: NDArray[np.float32]
    """w_t ≥ 0 of each token: the weight of its part in the objective."""
    reward: float
    """Factor R(τ) of the sequence, including the objective's `failure_weight`."""
    failure: bool

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def trained(self) -> int:
        """Number of tokens with a weight above 0."""
        return int(np.count_nonzero(self.weights))


def encode_all(
    tokenizer: Any, trajectories: Iterable[tuple[Trajectory, float]], objective: Objective, max_length: int
) -> list[TokenSequence]:
    """Encode (trajectory, R(τ)) pairs with `encode_trajectory` or `encode_recorded`. Sequences whose weights are all
    0 are left out.
    """
    splitter = PartSplitter(tokenizer)
    sequences: list[TokenSequence] = []
    for trajectory, reward in trajectories:
        if trajectory.recorded:
            sequences += encode_recorded(splitter, trajectory, reward, objective, max_length)
        else:
            sequences.append(encode_trajectory(splitter, trajectory, reward, objective, max_length))
    return [sequence for sequence in sequences if sequence.trained]


def encode_trajectory(
    splitter: PartSplitter, trajectory: Trajectory, reward: float, objective: Objective, max_length: int
) -> TokenSequence:
    """Encode one trajectory. Generated ids are used unchanged; text without ids is tokenised.

    Turns that must not be imitated get weight 0, so it is possible that no trained token remains. Raises
    InvalidInputError, with the trajectory's id, for a sequence longer than `max_length` tokens, if all weights of the
    objective are 0, and for generated ids that the base's tokenizer does not decode to the stored text.
    """
    segments = render_trajectory(trajectory, splitter.frame if trajectory.prompt is PromptStyle.chat else None)
    episode = encode_segments(splitter.tokenizer, segments)
    _check_length(trajectory.id, len(episode), max_length)
    parts = _parts(splitter, trajectory.id, segments, episode)
    weights = _weights(parts, objective, failure=not trajectory.success)
    _check_weights(trajectory.id, weights)
    weights *= _turn_factors(turn_weights(trajectory, objective, reward), segments, episode)
    ids = np.asarray(episode.ids, dtype=np.int64)
    return TokenSequence(trajectory.id, _task(trajectory), ids, parts, weights, reward, not trajectory.success)


def encode_recorded(
    splitter: PartSplitter, trajectory: Trajectory, reward: float, objective: Objective, max_length: int
) -> list[TokenSequence]:
    """Encode a recorded episode with the ids that were sent and generated. All its sequences have the trajectory's
    reward.

    Raises InvalidInputError, with the trajectory's id, for a sequence longer than `max_length` tokens, if all weights
    of the objective are 0, for several sequences with dpo, and for ids outside the vocabulary.
    """
    exact = exact_sequences(trajectory, len(splitter.tokenizer))
    if objective.name == ObjectiveName.dpo and len(exact) > 1:
        raise InvalidInputError(
            f"The prompts of the recorded trajectory {trajectory.id} do not continue each other, so it has "
            f"{len(exact)} sequences, but dpo needs one.",
            hint="Choose another objective, or let the agent send its history unchanged.",
        )
    factors = turn_weights(trajectory, objective, reward)
    sequences = []
    for one in exact:
        _check_length(trajectory.id, len(one.ids), max_length)
        parts = _exact_parts(splitter, trajectory, one)
        weights = _weights(parts, objective, failure=not trajectory.success)
        _check_weights(trajectory.id, weights)
        for span in one.spans:
            if span.completion:
                weights[span.start : span.end] *= factors[span.step]
        ids = np.asarray(one.ids, dtype=np.int64)
        sequences.append(
            TokenSequence(trajectory.id, _task(trajectory), ids, parts, weights, reward, not trajectory.success)
        )
    return sequences


def _exact_parts(splitter: PartSplitter, trajectory: Trajectory, exact: ExactSequence) -> NDArray[np.int8]:
    """The `Part` of every token. A completion without an action line counts as action."""
    parts = np.full(len(exact.ids), Part.context, dtype=np.int8)
    for span in exact.spans:
        step = trajectory.steps[span.step]
        parts[span.start : span.end] = Part.action if span.completion else Part.observation
        if span.completion and step.thought is not None:
            ids = tuple(exact.ids[span.start : span.end])
            parts[span.start : span.start + splitter.split(step.completion or "", ids)] = Part.thought
    return parts


def _task(trajectory: Trajectory) -> str:
    return f"{trajectory.environment}/{trajectory.task_id}"


def _check_length(trajectory_id: str, length: int, limit: int) -> None:
    if length > limit:
        raise InvalidInputError(
            f"Trajectory {trajectory_id} has {length} tokens; the limit is {limit}.",
            hint="Raise optimisation.max_length, or leave the trajectory out.",
        )


def _check_weights(trajectory_id: str, weights: NDArray[np.float32]) -> None:
    if not weights.any():
        raise InvalidInputError(
            f"Trajectory {trajectory_id} has no token to train on: every weight is 0.",
            hint="Check observation_weight, thought_weight and action_weight, and that it has steps.",
        )


def _parts(
    splitter: PartSplitter, trajectory_id: str, segments: Sequence[Segment], episode: EncodedEpisode
) -> NDArray[np.int8]:
    """The `Part` of every token."""
    parts = np.full(len(episode), Part.context, dtype=np.int8)
    segment_of = np.asarray(episode.segment_of)
    starts = np.searchsorted(segment_of, np.arange(len(segments)), side="left")
    ends = np.searchsorted(segment_of, np.arange(len(segments)), side="right")
    for segment, start, end in zip(segments, starts, ends, strict=True):
        if segment.kind == "observation":
            parts[start:end] = Part.observation
        elif segment.kind == "completion":
            split = splitter.thought_tokens(segment, tuple(episode.ids[start:end]), trajectory_id)
            parts[start : start + split] = Part.thought
            parts[start + split : end] = Part.action
        elif segment.kind == "end":
            parts[start:end] = Part.action
    return parts


def _turn_factors(turns: Sequence[float], segments: Sequence[Segment], episode: EncodedEpisode) -> NDArray[np.float32]:
    """The factor of each token: that of its turn if the agent wrote it, otherwise 1."""
    factors = [turns[s.turn] if s.kind in ("completion", "end") else 1.0 for s in segments]
    return np.array([factors[segment] for segment in episode.segment_of], dtype=np.float32)


def _weights(parts: NDArray[np.int8], objective: Objective, *, failure: bool) -> NDArray[np.float32]:
    by_part = np.zeros(len(Part), dtype=np.float32)
    observed = objective.observation_weight
    by_part[Part.observation] = 0.0 if failure and not objective.failure_observations else observed
    by_part[Part.thought] = objective.thought_weight
    by_part[Part.action] = objective.action_weight
    weights = by_part[parts]
    weights[0] = 0.0
    return weights
