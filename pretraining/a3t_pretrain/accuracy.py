"""Accuracy of a model on held-out exercises: the share of turns in which it predicts every token."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import torch
from transformers import MistralForCausalLM, PreTrainedTokenizerBase

from a3t_contracts.react import completion_text, render_trajectory
from a3t_contracts.schemas import Source, Trajectory

__all__ = ["turns_right"]


@torch.no_grad()
def turns_right(
    model: MistralForCausalLM,
    tokenizer: PreTrainedTokenizerBase,
    exercises: Sequence[Trajectory],
    verb_of: Callable[[str], str],
) -> dict[str, float]:
    """Return the share of turns (0 to 1) that greedy decoding would write exactly, by verb of the action, given the
    true history.

    Slips, random actions and the next place of a search are left out, because they cannot be predicted.
    """
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for trajectory in exercises:
        ids: list[int] = []
        spans: list[tuple[str, int, int]] = []
        for segment in render_trajectory(trajectory):
            part = tokenizer(segment.text, add_special_tokens=False)["input_ids"]
            if segment.kind == "completion" and _counts(trajectory, segment.turn):
                verb = verb_of(trajectory.steps[segment.turn].action)
                spans.append((verb, len(ids), len(ids) + len(part)))
            ids += part
        best = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0].argmax(-1).tolist()
        for verb, start, end in spans:
            total[verb] += 1
            right[verb] += best[start - 1 : end - 1] == ids[start:end]
    return {verb: right[verb] / total[verb] for verb in sorted(total)}


def _counts(trajectory: Trajectory, turn: int) -> bool:
    step = trajectory.steps[turn]
    foreseeable = step.valid and step.source is Source.expert
    return foreseeable and "Next I check" not in completion_text(step.thought, step.action)
