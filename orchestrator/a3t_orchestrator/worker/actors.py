"""Actors choose the actions of an episode: the policy, the policy with sampled actions, or the expert."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Protocol

from a3t_contracts.react import History
from a3t_contracts.schemas import (
    ActResult,
    ActTurn,
    Proposer,
    ReasonBy,
    ReasonQuery,
    SampleRequest,
    Sampling,
    Source,
    Step,
    TrajectoryKind,
    Trigger,
)
from a3t_contracts.tracing import origin_here

from ..gateway import Gateway
from .plan import EpisodePlan, seed_of

__all__ = ["Actor", "Choice", "actor_for"]

_DRAWS = 4
"""Largest number of actions that the policy is asked to propose at one step."""


@dataclass(slots=True)
class Choice:
    """A thought and an action with their origin."""

    action: str
    source: Source
    thought: str | None = None
    reason_by: ReasonBy = ReasonBy.none
    trigger: Trigger | None = None
    proposed_by: Proposer | None = None
    policy_version: str | None = None
    policy_action: str | None = None
    reason_annotator: str | None = None
    purpose: bool | None = None
    completion: str | None = None
    completion_ids: list[int] | None = None
    logprobs: list[float] | None = None
    prompt_tokens: int | None = None
    made_up_observation: bool = False
    seconds: dict[str, float] = field(default_factory=dict)

    def step(self, index: int, observation: str, valid: bool) -> Step:
        """Return the step of the trajectory that records the choice."""
        return Step(
            index=index,
            observation=observation,
            thought=self.thought,
            action=self.action,
            source=self.source,
            reason_by=self.reason_by,
            valid=valid,
            trigger=self.trigger,
            proposed_by=self.proposed_by,
            policy_version=self.policy_version,
            policy_action=self.policy_action,
            reason_annotator=self.reason_annotator,
            purpose=self.purpose,
            completion=self.completion,
            completion_ids=self.completion_ids,
            logprobs=self.logprobs,
            prompt_tokens=self.prompt_tokens,
            made_up_observation=self.made_up_observation,
            seconds=self.seconds,
        )


def _again(step: Step) -> Choice:
    """Return a choice that repeats a step of the agent's own trial."""
    return Choice(
        step.action,
        step.source,
        thought=step.thought,
        reason_by=step.reason_by,
        policy_version=step.policy_version,
        policy_action=step.policy_action,
        completion=step.completion,
        completion_ids=step.completion_ids,
        logprobs=step.logprobs,
        prompt_tokens=step.prompt_tokens,
        made_up_observation=step.made_up_observation,
    )


class Actor(Protocol):
    """Chooses the next action of a history."""

    invalid_streak: int

    async def choose(self, history: History) -> Choice:
        """Return the next thought and action."""

    def observe(self, choice: Choice, valid: bool) -> None:
        """Receive whether the environment accepted the action of the choice."""


def actor_for(plan: EpisodePlan, gateway: Gateway, session_id: str) -> Actor:
    """Return the actor for a plan: the expert, the policy, or the policy with exploration."""
    if plan.kind is TrajectoryKind.demonstration:
        return _Expert(gateway, session_id)
    if plan.exploration is not None:
        return _Explorer(plan, gateway, session_id)
    return _Policy(plan, gateway)


class _Expert:
    """Plays with the environment's scripted expert. Its reasons are written after the episode."""

    def __init__(self, gateway: Gateway, session_id: str) -> None:
        self.invalid_streak = 0
        self._gateway = gateway
        self._session = session_id

    async def choose(self, history: History) -> Choice:
        before = time.perf_counter()
        action = await self._gateway.expert(self._session)
        return Choice(action, Source.expert, seconds={"expert": round(time.perf_counter() - before, 4)})

    def observe(self, choice: Choice, valid: bool) -> None:
        self.invalid_streak = 0 if valid else self.invalid_streak + 1


class _Policy:
    """Plays with the policy service. All steps use one version: that of the plan, else the version that generated the
    first step."""

    def __init__(self, plan: EpisodePlan, gateway: Gateway) -> None:
        self.invalid_streak = 0
        self.version = plan.policy_version
        self.plan = plan
        self.gateway = gateway

    async def choose(self, history: History) -> Choice:
        result, seconds = await self._ask(history)
        return Choice(
            result.action,
            Source.policy,
            thought=result.thought,
            reason_by=ReasonBy.policy if result.thought else ReasonBy.none,
            policy_version=result.model,
            policy_action=result.action,
            completion=result.completion,
            completion_ids=result.completion_ids,
            logprobs=result.logprobs,
            prompt_tokens=result.prompt_tokens,
            made_up_observation=result.made_up_observation,
            seconds={"policy": seconds},
        )

    def observe(self, choice: Choice, valid: bool) -> None:
        self.invalid_streak = 0 if valid else self.invalid_streak + 1

    async def _ask(
        self, history: History, temperature: float | None = None, draw: str | None = None
    ) -> tuple[ActResult, float]:
        """Ask the policy for its turn, with the plan's sampling, or with another temperature and another random draw.
        Returns the turn and the seconds that it took."""
        plan, before = self.plan, time.perf_counter()
        sampling = Sampling(
            temperature=plan.temperature if temperature is None else temperature,
            top_p=plan.top_p if temperature is None else 1.0,
            max_tokens=plan.max_tokens,
            seed=seed_of(plan.seed, draw or str(len(history.turns))),
        )
        turn = ActTurn(history=history, model=self.version, sampling=sampling, origin=origin_here())
        result = await self.gateway.act(turn)
        self.version = result.model
        return result, round(time.perf_counter() - before, 4)


class _Explorer(_Policy):
    """Plays with the policy and replaces some of its actions by sampled ones, with reasons by ActRe (paper §2)."""

    def __init__(self, plan: EpisodePlan, gateway: Gateway, session_id: str) -> None:
        super().__init__(plan, gateway)
        assert plan.exploration is not None  # noqa: S101  actor_for checks it
        self.rules = plan.exploration
        self._session = session_id
        self._coins = plan.rng()
        self._followed = plan.failure.steps[: plan.branch_at + 1] if plan.failure is not None else []
        self._taken: set[tuple[str, str]] = set()

    async def choose(self, history: History) -> Choice:
        seen = history.turns[-1].observation if history.turns else history.observation
        choice = await self._choose(history, seen)
        self._taken.add((seen, choice.action))
        return choice

    async def _choose(self, history: History, seen: str) -> Choice:
        followed = self._followed_step(len(history.turns), seen)
        if followed is not None and followed.index < self.plan.branch_at:
            return _again(followed)
        if followed is not None:
            return await self._explore(history, Trigger.branch, _again(followed))
        trigger = self._trigger()
        if trigger is not None:
            return await self._explore(history, trigger)
        own = await super().choose(history)
        trigger = self._doubt(own, seen)
        return own if trigger is None else await self._explore(history, trigger, own)

    def _followed_step(self, index: int, seen: str) -> Step | None:
        """Return the step of the agent's own trial that this episode repeats now; None after the branch point, or once
        the environment shows something else than in the trial."""
        if index >= len(self._followed):
            return None
        if self._followed[index].observation != seen:
            self._followed = []
            return None
        return self._followed[index]

    def _doubt(self, own: Choice, seen: str) -> Trigger | None:
        """Return why the policy's own turn, once it is known, is replaced; None if it is kept."""
        if self.rules.repeats and (seen, own.action) in self._taken:
            return Trigger.repeat
        limit = self.rules.unsure_below
        if limit is not None and own.logprobs and math.exp(min(own.logprobs)) < limit:
            return Trigger.unsure
        return None

    def observe(self, choice: Choice, valid: bool) -> None:
        """Count invalid actions of the policy in a row. A sampled action resets the count."""
        own = choice.source is Source.policy
        self.invalid_streak = self.invalid_streak + 1 if own and not valid else 0

    def _trigger(self) -> Trigger | None:
        coin = self._coins.random() < self.rules.p
        if self.rules.invalid_streak is not None and self.invalid_streak >= self.rules.invalid_streak:
            return Trigger.invalid
        return Trigger.coin if coin else None

    async def _explore(self, history: History, trigger: Trigger, own: Choice | None = None) -> Choice:
        """Return a sampled action with its reason. `own`: the policy's own choice, if it is known already."""
        if own is None and self.rules.avoid_policy_action:
            own = await super().choose(history)
        seconds = {"policy": own.seconds.get("policy", 0.0)} if own is not None else {}
        before = time.perf_counter()
        action = await self._proposal(history, own.action if own else None)
        if not action:
            return own if own is not None else await super().choose(history)
        seconds["sample"] = round(time.perf_counter() - before, 4)
        choice = Choice(
            action,
            Source.sampled,
            trigger=trigger,
            proposed_by=self.rules.proposer,
            policy_version=own.policy_version if own else self.version,
            policy_action=own.action if own else None,
            prompt_tokens=own.prompt_tokens if own else None,
            seconds=seconds,
        )
        return await self._explain(history, choice) if self.rules.reasons else choice

    async def _proposal(self, history: History, avoid: str | None) -> str:
        """Return a proposed action, other than `avoid` if there is one; empty if the policy wrote no action."""
        if self.rules.proposer is Proposer.policy:
            return await self._drawn(history, avoid)
        seed = seed_of(self.plan.seed, f"sample/{len(history.turns)}")
        return await self.gateway.sample(self._session, SampleRequest(seed=seed, avoid=avoid))

    async def _drawn(self, history: History, avoid: str | None) -> str:
        """Return the policy's first draw that is an action other than `avoid`; else its last draw that is an action."""
        action = ""
        for draw in range(_DRAWS):
            result, _ = await self._ask(history, self.rules.temperature, f"propose/{len(history.turns)}/{draw}")
            action = result.action or action
            if result.action and result.action != avoid:
                break
        return action

    async def _explain(self, history: History, choice: Choice) -> Choice:
        before = time.perf_counter()
        query = ReasonQuery(
            history=history,
            action=choice.action,
            about=self.plan.about,
            example=self.plan.example,
            origin=origin_here(),
        )
        reason = await self.gateway.reason(query)
        choice.seconds["actre"] = round(time.perf_counter() - before, 4)
        choice.thought, choice.purpose, choice.reason_by = reason.reason, reason.purpose, ReasonBy.actre
        choice.reason_annotator = f"{reason.annotator}:{reason.model}" if reason.model else reason.annotator
        return choice
