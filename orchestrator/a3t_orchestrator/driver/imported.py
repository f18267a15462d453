"""Takes the demonstrations of round 0 from another run: one that `a3t import` made, or any other run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from sqlalchemy.orm import Session

from a3t_contracts.clients import EnvClient
from a3t_contracts.errors import ConflictError, InvalidInputError
from a3t_contracts.schemas import MOST_TURNS, EnvironmentInfo, Step, Task, Trajectory, TrajectoryKind, trajectory_id

from ..phases import Phase
from ..recipe import Recipe
from ..store import (
    EpisodeFilter,
    PhaseKey,
    add_event,
    add_finished,
    get_run,
    iter_trajectories,
    trajectory_ids,
)

__all__ = ["TaskNames", "known_tasks", "take_imported"]

_CHUNK = 100
_SURE = 1_000
"""Certainty of a match by id or number; larger than the number of parts of any path."""


class TaskNames:
    """Finds the task that a record means: by its id, by the end of a path that belongs to one task only, or by the
    number of the task in another project.

    Args:
        numbers: `EnvironmentInfo.task_numbers`.
    """

    def __init__(self, tasks: Iterable[Task], numbers: Mapping[str, str] | None = None) -> None:
        self._numbers = numbers or {}
        self._tasks = {task.id: task for task in tasks}
        endings: dict[str, set[str]] = {}
        for task in self._tasks:
            for ending in _endings(task):
                endings.setdefault(ending, set()).add(task)
        self._by_ending = {ending: ids.pop() for ending, ids in endings.items() if len(ids) == 1}

    def find(self, name: str, shown: str = "") -> Task | None:
        """Return the task; None where no task or several tasks could be meant. A number counts only if the task's
        instruction is in `shown`, the first observation of the episode, because other data sets may have other tasks
        under the same numbers."""
        return self.match(name, shown)[0]

    def match(self, name: str, shown: str = "") -> tuple[Task | None, int]:
        """Return the task as `find` does, and how certain the match is: the number of equal parts of the path, or a
        larger number for an id or a number."""
        if name in self._tasks:
            return self._tasks[name], _SURE
        for ending in _endings(name):
            if ending in self._by_ending:
                return self._tasks[self._by_ending[ending]], ending.count("/") + 1
        found = self._numbered(name, shown)
        return found, _SURE if found else 0

    def _numbered(self, name: str, shown: str) -> Task | None:
        for start, zero in self._numbers.items():
            number = name.removeprefix(start)
            if number == name or not (number.isascii() and number.isdecimal()):
                continue
            stem = zero.rstrip("0")
            task = self._tasks.get(f"{stem}{int(number):0{len(zero) - len(stem)}d}")
            if task is not None and task.instruction and _folded(task.instruction) in _folded(shown):
                return task
        return None


async def known_tasks(
    env: EnvClient, recipe: Recipe, numbers: Mapping[str, str] | None = None
) -> tuple[TaskNames, TaskNames]:
    """Fetch all tasks of the training split, and all tasks of the held-out splits. `numbers` as in `TaskNames`."""
    training = await env.all_tasks(recipe.environment, recipe.data.split)
    held_out = [task for h in recipe.data.held_out for task in await env.all_tasks(recipe.environment, h.split)]
    return TaskNames(training, numbers), TaskNames(held_out, numbers)


def take_imported(
    session: Session,
    run: str,
    recipe: Recipe,
    environment: EnvironmentInfo,
    training: TaskNames,
    held_out: TaskNames,
) -> int:
    """Copy the successes of the run `round0.source` as the demonstrations of a new run, and return their number.

    Evaluation episodes and episodes of held-out tasks are left out. What belongs to another agent or base model
    (preamble, completions, token ids) is not copied.

    Raises NotFoundError for an unknown run, InvalidInputError for one of another environment, ConflictError where it
    has no success to learn from.
    """
    source = recipe.round0.source or ""
    found = get_run(session, source)
    if found.environment != recipe.environment:
        raise InvalidInputError(
            f"round0.source: the run {source} is of the environment {found.environment}, not {recipe.environment}.",
            hint="Import the file again with --environment, or name another run.",
        )
    ids = trajectory_ids(session, EpisodeFilter(run=source, success=True))
    left_out: Counter[str] = Counter()
    samples: Counter[str] = Counter()
    chunk: list[Trajectory] = []
    key, taken, mapped = PhaseKey(run, 0, Phase.demonstrate), 0, 0
    for episode in iter_trajectories(session, ids):
        shown = episode.steps[0].observation if episode.steps else ""
        task, surely = training.match(episode.task_id, shown)
        held, as_surely = held_out.match(episode.task_id, shown)
        reason = _unusable(episode) or ("at held-out tasks" if held is not None and as_surely >= surely else None)
        if reason:
            left_out[reason] += 1
            continue
        mapped += task is not None
        chunk.append(_demonstration(episode, run, recipe, environment, task, samples))
        taken += 1
        if len(chunk) == _CHUNK:
            add_finished(session, key, chunk, annotated=_explained)
            chunk = []
    add_finished(session, key, chunk, annotated=_explained)
    if not taken:
        told = ", ".join(f"{count} {reason}" for reason, count in left_out.items()) or "it has no success"
        raise ConflictError(f"round0.source: the run {source} has no episode to learn from: {told}.")
    words = f"{taken} demonstrations of {source}, {mapped} of them at tasks of the split {recipe.data.split}"
    add_event(session, run, 0, "imported", words, source=source, taken=taken, mapped=mapped, left_out=dict(left_out))
    return taken


def _unusable(episode: Trajectory) -> str | None:
    if episode.kind is TrajectoryKind.evaluation:
        return "of evaluation"
    if not 0 < len(episode.steps) <= MOST_TURNS:
        return f"with no step or more than {MOST_TURNS}"
    return None


def _demonstration(
    episode: Trajectory,
    run: str,
    recipe: Recipe,
    environment: EnvironmentInfo,
    task: Task | None,
    samples: Counter[str],
) -> Trajectory:
    task_id = task.id if task else episode.task_id
    sample = samples[task_id]
    samples[task_id] += 1
    kind = TrajectoryKind.demonstration
    return episode.model_copy(
        update={
            "id": trajectory_id(run, 0, task_id, kind, sample),
            "run": run,
            "round": 0,
            "split": recipe.data.split,
            "task_id": task_id,
            "task_type": task.type if task else episode.task_type,
            "kind": kind,
            "sample": sample,
            "policy_version": None,
            "preamble": "",
            "multiline": environment.multiline,
            "steps": list(_told_again(episode.steps)),
            "metadata": episode.metadata | {"source": {"run": episode.run, "id": episode.id}},
        }
    )


def _told_again(steps: Sequence[Step]) -> Iterator[Step]:
    """Yield the steps with thought and action only, numbered from 0."""
    nothing = {"completion": None, "completion_ids": None, "logprobs": None, "prompt_tokens": None}
    for index, step in enumerate(steps):
        yield step.model_copy(update={"index": index, "policy_version": None, **nothing})


def _explained(episode: Trajectory) -> bool:
    return all(step.thought is not None for step in episode.steps)


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()


def _endings(name: str) -> Iterator[str]:
    """Yield the ends of a path, the longest first, without a file name at its end (as in "…/trial_1/game.z8")."""
    parts = [part for part in name.replace("\\", "/").split("/") if part]
    if len(parts) > 1 and "." in parts[-1]:
        parts.pop()
    for start in range(len(parts)):
        yield "/".join(parts[start:])
