"""An episode that a person plays: its session and history, and the calls of the services."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Self

from a3t_contracts.clients import ActReClient, EnvClient, PolicyClient
from a3t_contracts.errors import InvalidInputError, NotFoundError, Problem, error_from_problem
from a3t_contracts.react import History, Turn
from a3t_contracts.schemas import (
    ActRequest,
    ActResult,
    ActTurn,
    EnvironmentInfo,
    ReasonQuery,
    ReasonsRequest,
    Sampling,
    SessionCreate,
    SessionInfo,
    StepResult,
    Task,
)

from ..prompt_style import prompt_style
from ..worked_example import example_for_reasons

__all__ = ["Game", "Services", "TaskChoice", "choose_task"]


@dataclass(frozen=True, slots=True)
class TaskChoice:
    """The player's choice of a task. A field that is None is chosen by the program."""

    environment: str | None = None
    split: str | None = None
    type: str | None = None
    task_id: str | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Services:
    """Clients of the services that a game may call."""

    env: EnvClient
    policy: PolicyClient
    actre: ActReClient

    async def aclose(self) -> None:
        """Close the connections."""
        for client in (self.env, self.policy, self.actre):
            await client.aclose()


async def choose_task(env: EnvClient, choice: TaskChoice) -> tuple[EnvironmentInfo, Task | None]:
    """Return the environment, and a task that the seed draws among those that fit; None instead of a task if the choice
    names a task id.

    Raises:
        NotFoundError: there is no such environment, or no task that fits.
        InvalidInputError: there is no such split.
    """
    infos = {info.name: info for info in await env.environments()}
    info = infos.get(choice.environment or next(iter(infos), ""))
    if info is None:
        raise NotFoundError(
            f"The env service offers no environment {choice.environment or ''!r}.",
            hint=f"It offers: {', '.join(infos) or 'none'}.",
        )
    if choice.task_id:
        return info, None
    splits = [name for name, tasks in info.splits.items() if tasks]
    if not splits:
        raise NotFoundError(f"{info.name} has no tasks yet.", hint=info.get_data or None)
    split = choice.split or splits[0]
    if split not in splits:
        raise InvalidInputError(f"{info.name} has no split {split!r}.", hint=f"Splits: {', '.join(splits)}.")
    return info, await _draw(env, info, split, choice)


async def _draw(env: EnvClient, info: EnvironmentInfo, split: str, choice: TaskChoice) -> Task:
    total = (await env.tasks(info.name, split, choice.type, limit=1)).total
    if not total:
        raise NotFoundError(
            f"The split {split!r} has no task of type {choice.type!r}.", hint=f"Types: {', '.join(info.task_types)}."
        )
    place = random.Random(choice.seed).randrange(total)
    return (await env.tasks(info.name, split, choice.type, offset=place, limit=1)).tasks[0]


class Game:
    """An open session and its history."""

    def __init__(
        self, services: Services, session: SessionInfo, model: str | None, about: str = "", example: str = ""
    ) -> None:
        self.services = services
        self.session = session
        self.model = model
        self.about, self.example = about, example
        self.history = History(
            environment=session.task.environment, observation=session.observation, multiline=session.multiline
        )
        self.result: StepResult | None = None

    @classmethod
    async def start(
        cls, services: Services, choice: TaskChoice, engine: str | None, max_steps: int | None, model: str | None
    ) -> Self:
        """Open a session on the chosen task."""
        info, task = await choose_task(services.env, choice)
        wanted = SessionCreate(
            environment=info.name,
            task_id=task.id if task else choice.task_id or "",
            engine=engine,
            seed=choice.seed,
            max_steps=max_steps,
        )
        return cls(services, await services.env.create(wanted), model, info.about, example_for_reasons(info))

    @property
    def steps(self) -> int:
        """Number of steps made so far."""
        return len(self.history.turns)

    @property
    def over(self) -> bool:
        """Whether the episode has ended."""
        return self.session.done or (self.result is not None and self.result.done)

    async def step(self, action: str, suggestion: ActResult | None = None) -> StepResult:
        """Carry out an action. If it is the policy's suggestion, the history gets the policy's text unchanged."""
        result = await self.services.env.step(self.session.id, action, index=self.steps)
        own = suggestion is not None and suggestion.action == action
        turn = Turn(
            thought=suggestion.thought if suggestion and own else None,
            action=action,
            observation=result.observation,
            completion=suggestion.completion if suggestion and own else None,
            completion_ids=suggestion.completion_ids if suggestion and own else None,
        )
        self.history.turns.append(turn)
        self.result = result
        return result

    async def actions(self) -> list[str]:
        """List the admissible actions of the present state."""
        return await self.services.env.actions(self.session.id)

    async def expert(self) -> str:
        """Ask the scripted expert for its next action."""
        return await self.services.env.expert(self.session.id)

    async def suggest(self) -> ActResult:
        """Ask the policy for its turn, generated greedily. The policy reads the history in the style that it was
        trained with."""
        self.history.prompt = await prompt_style(self.services.policy, self.model)
        turn = ActTurn(history=self.history, model=self.model, sampling=Sampling(), logprobs=False)
        result = (await self.services.policy.act(ActRequest(turns=[turn]))).results[0]
        if isinstance(result, Problem):
            raise error_from_problem(result)
        return result

    async def why(self, action: str) -> str:
        """Ask ActRe for the reason of an action in the present state."""
        query = ReasonQuery(history=self.history, action=action, about=self.about, example=self.example)
        result = (await self.services.actre.reasons(ReasonsRequest(queries=[query]))).results[0]
        if isinstance(result, Problem):
            raise error_from_problem(result)
        return result.reason

    async def close(self) -> None:
        """Close the session."""
        await self.services.env.close(self.session.id)

    def log_line(self) -> dict[str, object]:
        """Return the episode as the JSON object that `a3t annotate` reads."""
        result = self.result
        return {
            "environment": self.history.environment,
            "task_id": self.session.task.id,
            "observation": self.history.observation,
            "steps": [
                turn.model_dump(include={"thought", "action", "observation"}, exclude_none=True)
                for turn in self.history.turns
            ],
            "reward": result.reward if result else 0.0,
            "success": bool(result and result.success),
        }
