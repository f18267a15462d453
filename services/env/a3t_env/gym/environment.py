"""An environment of A³T as a Gymnasium environment, whose actions and observations are texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import gymnasium

from a3t_contracts.errors import InvalidInputError, NotFoundError
from a3t_contracts.schemas import SessionCreate, SessionInfo, StepResult, Task
from a3t_contracts.schemas.base import MAX_SEED

from ..plugins.results import MAX_ACTION, MAX_OBSERVATION
from .sessions import Loop, opened
from .text import AnyText

__all__ = ["TextEnvironment"]

_OPTIONS = ("task_id", "split")


class TextEnvironment(gymnasium.Env[str, str]):
    """Plays episodes of an environment, one after the other.

    `reset(seed=, options={"task_id": …, "split": …})` begins an episode of that task, or of a task that the seed draws
    from the split. The dict that `reset` and `step` return has `task_id`, `split`, `type`, `success`, `valid` (whether
    the action was understood), and the admissible `actions` if they were asked for and the environment lists them.
    `truncated` is true if the step cap ended the episode.
    """

    metadata = {"render_modes": ["ansi"], "render_fps": 1}  # noqa: RUF012 - as Gymnasium declares it

    def __init__(
        self,
        environment: str,
        *,
        url: str | None = None,
        token: str | None = None,
        split: str | None = None,
        engine: str | None = None,
        max_steps: int | None = None,
        include_actions: bool = False,
        options: Mapping[str, str] | None = None,
        render_mode: str | None = None,
    ) -> None:
        """
        Args:
            environment: name of the environment.
            url: an env service that plays it; None plays it in this process, with the settings `A3T_…`.
            token: the service's bearer token; None takes `A3T_TOKEN`.
            split: the split that tasks are drawn from; None takes the first that has tasks.
            engine: the engine; None takes the environment's default.
            max_steps: the step cap; None takes the environment's default.
            include_actions: whether to list the admissible actions.
            options: options of the environment.
            render_mode: "ansi": `render` returns the last observation.

        Raises NotFoundError if there is no such environment or split, or its data is missing.
        """
        self.observation_space, self.action_space = AnyText(MAX_OBSERVATION), AnyText(MAX_ACTION)
        self.render_mode = render_mode
        self._asked: dict[str, Any] = {
            "environment": environment,
            "engine": engine,
            "max_steps": max_steps,
            "include_actions": include_actions,
            "options": dict(options or {}),
        }
        self._session: SessionInfo | None = None
        self._steps, self._seen = 0, ""
        self._listed: dict[str, Sequence[Task]] = {}
        self._loop: Loop | None = Loop()
        try:
            self._play, self._info = opened(self._loop, environment, url, token)
            self._split = self._known(split) if split else next(s for s, n in self._info.splits.items() if n)
        except BaseException:
            self.close()
            raise

    def reset(self, *, seed: int | None = None, options: Mapping[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        """Begin an episode. Raises NotFoundError for an unknown task, InvalidInputError for an unknown option."""
        super().reset(seed=seed)
        wanted = dict(options or {})
        if unknown := [name for name in wanted if name not in _OPTIONS]:
            raise InvalidInputError(f"reset has no option {unknown[0]!r}.", hint=f"Options: {', '.join(_OPTIONS)}.")
        drawn = int(self.np_random.integers(2**31))
        task_id = wanted.get("task_id") or self._drawn_task(wanted.get("split") or self._split)
        request = SessionCreate(
            task_id=task_id, seed=seed if seed is not None and seed <= MAX_SEED else drawn, **self._asked
        )
        self._leave()
        self._session = self._running.run(self._play.sessions.create(request))
        self._steps, self._seen = 0, self._session.observation
        return self._seen, self._told(self._session, success=self._session.success, valid=True)

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Carry out one action. Raises ResetNeeded before the first `reset`, ConflictError after the end of the
        episode.
        """
        if self._session is None:
            raise gymnasium.error.ResetNeeded("Call reset before step.")
        result = self._running.run(self._play.sessions.step(self._session.id, action, self._steps))
        self._steps, self._seen = self._steps + 1, result.observation
        truncated = bool(result.info.get("truncated"))
        told = self._told(result, success=result.success, valid=result.valid)
        return self._seen, result.reward, result.done and not truncated, truncated, told

    def render(self) -> str | None:
        """The last observation in the mode "ansi"."""
        return self._seen if self.render_mode == "ansi" else None

    def close(self) -> None:
        """Close the episode, and the service or connection that plays it. Closing again is not an error."""
        loop, self._loop = self._loop, None
        if loop is None:
            return
        try:
            if hasattr(self, "_play"):
                loop.run(self._play.aclose())
        finally:
            loop.close()

    @property
    def _running(self) -> Loop:
        if self._loop is None:
            raise gymnasium.error.ClosedEnvironmentError("The environment is closed.")
        return self._loop

    def _leave(self) -> None:
        """Close the session of the previous episode."""
        session, self._session = self._session, None
        if session is not None:
            with suppress(NotFoundError):  # a service that was restarted does not know it
                self._running.run(self._play.sessions.close(session.id))

    def _known(self, split: str) -> str:
        if not self._info.splits.get(split):
            hint = f"Splits: {', '.join(f'{name} ({n})' for name, n in self._info.splits.items())}."
            raise NotFoundError(f"{self._info.name} has no tasks in a split {split[:80]!r}.", hint=hint)
        return split

    def _drawn_task(self, split: str) -> str:
        if split not in self._listed:
            self._listed[split] = self._running.run(self._play.tasks(self._known(split)))
        tasks = self._listed[split]
        return tasks[int(self.np_random.integers(len(tasks)))].id

    def _told(self, state: SessionInfo | StepResult, *, success: bool, valid: bool) -> dict[str, Any]:
        """The dict beside an observation."""
        task = self._session.task if self._session is not None else None
        told: dict[str, Any] = {"success": success, "valid": valid}
        told |= {"task_id": task.id, "split": task.split, "type": task.type} if task is not None else {}
        return told | ({"actions": list(state.actions)} if state.actions is not None else {})
