"""The calculator behind the environment protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from a3t_contracts.errors import InvalidInputError, NotFoundError
from a3t_contracts.schemas import EnvironmentInfo, Task

from .description import ABOUT, MAX_STEPS, SUCCESS, example
from .episode import CalculatorEpisode
from .problems import SPLITS, TYPES, Problem, make_problems

__all__ = ["ENGINE", "CalculatorEnvironment"]

ENGINE = "python"
_problems = cache(make_problems)


class CalculatorEnvironment:
    """Arithmetic tasks, drawn by a fixed seed. Implements `a3t_env.protocol.Environment`; thread-safe, episodes are
    not.
    """

    inline_engines = frozenset({ENGINE})

    def info(self) -> EnvironmentInfo:
        """Splits, task types, step cap. The environment lists no actions, because any expression is an action."""
        return EnvironmentInfo(
            name="calculator",
            engines=[ENGINE],
            splits=dict(SPLITS),
            task_types=list(TYPES),
            max_steps=MAX_STEPS,
            about=ABOUT,
            example=example(),
            lists_actions=False,
            success=SUCCESS,
        )

    def tasks(self, split: str | None = None, type: str | None = None) -> Sequence[Task]:
        """Tasks in the order in which they were drawn, one of each type in turn. An unknown split or type has
        no tasks.
        """
        return [_task(p) for p in _problems().values() if split in (None, p.split) and type in (None, p.type)]

    def task(self, task_id: str) -> Task:
        """Raises NotFoundError."""
        return _task(_problem(task_id))

    def episode(
        self, task_id: str, engine: str | None = None, seed: int = 0, *, options: Mapping[str, str] | None = None
    ) -> CalculatorEpisode:
        """Return a new episode, not yet started. Nothing in it is random, so the seed has no effect; there are no
        options.

        Raises NotFoundError for an unknown task, InvalidInputError for an unknown engine or any option.
        """
        if engine not in (None, ENGINE):
            raise InvalidInputError(f"calculator has no engine {str(engine)[:40]!r}.", hint=f"Engines: {ENGINE}.")
        for name in options or {}:
            raise InvalidInputError(f"calculator has no option {name[:80]!r}.", hint="It has none.")
        return CalculatorEpisode(_problem(task_id))


def _problem(task_id: str) -> Problem:
    problem = _problems().get(task_id)
    if problem is None:
        raise NotFoundError(
            f"There is no calculator task {task_id[:200]!r}.", hint="Ids begin at train-0000 and at test-0000."
        )
    return problem


def _task(problem: Problem) -> Task:
    return Task(
        id=problem.id, environment="calculator", split=problem.split, type=problem.type, instruction=problem.text
    )
