"""Makes the plan of an episode from the recipe and the work item: everything that playing it needs."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, field

from a3t_contracts.react import labelled_preamble
from a3t_contracts.schemas import (
    Environment,
    EnvironmentInfo,
    ObjectiveName,
    PromptStyle,
    Proposer,
    Trajectory,
    TrajectoryKind,
)

from ..phases import Phase
from ..recipe import Recipe
from ..store import WorkItem
from ..worked_example import example_for_reasons, worked_example

__all__ = ["EpisodePlan", "Exploration", "plan_episode", "preamble_of", "proposer_of", "seed_of"]


@dataclass(frozen=True, slots=True)
class Exploration:
    """Rules by which a step's action is sampled instead of chosen by the policy (paper §2)."""

    p: float
    invalid_streak: int | None
    reasons: bool
    avoid_policy_action: bool
    proposer: Proposer = Proposer.environment
    temperature: float = 1.5
    """Sampling temperature of the policy's proposals."""
    repeats: bool = False
    unsure_below: float | None = None


@dataclass(frozen=True, slots=True)
class EpisodePlan:
    """One episode to play. The same plan is played with the same random draws."""

    id: str
    run: str
    round: int
    environment: Environment
    engine: str | None
    split: str
    task_id: str
    task_type: str
    kind: TrajectoryKind
    sample: int
    policy_version: str | None
    seed: int
    temperature: float
    top_p: float
    max_tokens: int
    max_steps: int | None
    max_invalid: int | None
    max_stale: int | None = None
    options: dict[str, str] = field(default_factory=dict)
    preamble: str = ""
    about: str = ""
    example: str = ""
    exploration: Exploration | None = None
    prompt: PromptStyle = PromptStyle.plain
    failure: Trajectory | None = None
    """The agent's own failed trial, if the episode begins with its steps; else None."""
    branch_at: int = 0
    """The step of `failure` at which an action is sampled."""

    def rng(self) -> random.Random:
        """Return the random generator for the draws with probability p."""
        return random.Random(self.seed)


def seed_of(run_seed: int, episode_id: str) -> int:
    """Return the seed of an episode, made from the run's seed and the episode's identity."""
    digest = hashlib.sha256(f"{run_seed}\x1f{episode_id}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def plan_episode(recipe: Recipe, item: WorkItem, environment: EnvironmentInfo) -> EpisodePlan:
    """Return the plan of a work item."""
    kind = TrajectoryKind(item.kind)
    composed = kind is TrajectoryKind.composed
    own = kind is TrajectoryKind.policy and item.round > 0
    return EpisodePlan(
        id=item.id,
        run=item.run,
        round=item.round,
        environment=recipe.environment,
        engine=recipe.engine,
        split=item.split,
        task_id=item.task_id,
        task_type=item.task_type,
        kind=kind,
        sample=item.sample,
        policy_version=item.policy_version,
        seed=_seed(recipe, item),
        options=recipe.options,
        temperature=_temperature(recipe, item),
        top_p=recipe.compose.top_p if composed else 1.0,
        max_tokens=recipe.limits.max_tokens,
        max_steps=_max_steps(recipe, composed),
        max_invalid=recipe.limits.max_invalid if own or kind is TrajectoryKind.evaluation else None,
        max_stale=_max_stale(recipe, kind, own),
        preamble=preamble_of(recipe, item, environment),
        about=environment.about,
        example=example_for_reasons(environment),
        exploration=_exploration(recipe, environment) if composed else None,
        prompt=recipe.prompt,
    )


def _seed(recipe: Recipe, item: WorkItem) -> int:
    """Return the seed of a work item. It does not depend on the run's name, so that another run with the same recipe
    and seed makes the same draws."""
    identity = f"{item.round}/{item.phase}/{item.task_id}/{item.kind}/{item.sample}"
    return seed_of(recipe.seed, identity)


def _temperature(recipe: Recipe, item: WorkItem) -> float:
    """Return the policy's temperature: that of `compose` or `evaluation` in their episodes, 0 in the agent's own trial,
    and that of `round0` in the second and later few-shot attempts."""
    if item.kind == TrajectoryKind.composed:
        return recipe.compose.temperature
    if item.kind == TrajectoryKind.evaluation:
        return recipe.evaluation.temperature
    return recipe.round0.temperature if item.sample > 0 else 0.0


def _max_steps(recipe: Recipe, composed: bool) -> int | None:
    own = recipe.compose.max_steps if composed else None
    return own or recipe.limits.max_steps


def _max_stale(recipe: Recipe, kind: TrajectoryKind, own: bool) -> int | None:
    if kind is TrajectoryKind.composed:
        return recipe.compose.max_stale
    return recipe.limits.max_stale if own or kind is TrajectoryKind.evaluation else None


def proposer_of(propose: str, environment: EnvironmentInfo) -> Proposer:
    """Return who proposes sampled actions, from `compose.propose` and from what the environment can do."""
    if propose == "auto":
        return Proposer.environment if environment.samples else Proposer.policy
    return Proposer(propose)


def _exploration(recipe: Recipe, environment: EnvironmentInfo) -> Exploration:
    compose = recipe.compose
    return Exploration(
        compose.p,
        compose.invalid_streak,
        compose.reasons,
        compose.avoid_policy_action,
        proposer_of(compose.propose, environment),
        compose.propose_temperature,
        compose.repeats,
        compose.unsure_below,
    )


def preamble_of(recipe: Recipe, item: WorkItem, environment: EnvironmentInfo) -> str:
    """Return the preamble of a work item.

    It is the worked example for few-shot episodes of round 0 and for evaluating the base model, the label of success
    for an agent that was trained with `label_prefix`, and empty otherwise.
    """
    phase = Phase(item.phase)
    if recipe.round0.mode == "few_shot" and phase.traits.prompted:
        return worked_example(recipe, environment)
    agent = item.round - 1 if phase.before_training else item.round
    return labelled_preamble("", success=True) if _trained_behind_labels(recipe, agent) else ""


def _trained_behind_labels(recipe: Recipe, agent: int) -> bool:
    """Return whether the agent of a round was trained with `label_prefix`. Before the first training the agent is the
    base model."""
    part = recipe.training.round0 if agent == 0 else recipe.training
    return agent >= recipe.first_round and part.objective.name is ObjectiveName.label_prefix
