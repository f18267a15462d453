"""Writes the corpus: plays exercises in the env service, and lets the ActRe service write the reasons."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from a3t_contracts.clients import ActReClient, EnvClient
from a3t_contracts.errors import InvalidInputError, NotFoundError, Problem, error_from_problem
from a3t_contracts.react import History, Turn
from a3t_contracts.schemas import (
    Environment,
    ReasonBy,
    ReasonQuery,
    ReasonsRequest,
    SessionCreate,
    SessionStep,
    Source,
    Step,
    StopReason,
    Trajectory,
    TrajectoryKind,
    trajectory_id,
)

from .exercises import Exercise
from .household import HouseholdPractice
from .practice import Practice
from .reasons.annotator import ANNOTATOR
from .scripts import Act, Script, Seen

__all__ = ["CORPUS_RUN", "corpus_line", "write_corpus"]

CORPUS_RUN = "pretraining"
_WAVE = 128
_QUERIES = 256


@dataclass(slots=True)
class _Play:
    """An exercise that is being played in a session."""

    task_id: str
    exercise: Exercise
    session: str
    multiline: bool
    first: str
    script: Script
    next: Act | None
    done: list[tuple[Act, Seen]] = field(default_factory=list)
    as_meant: bool = False

    def advance(self, seen: Seen) -> None:
        if self.next is not None:
            self.done.append((self.next, seen))
        try:
            self.next = self.script.send(seen)
        except StopIteration as stop:
            self.next, self.as_meant = None, bool(stop.value)


async def write_corpus(
    env: EnvClient,
    actre: ActReClient,
    split: str,
    count: int,
    seed: int,
    progress: Callable[[str, int, int], None],
    practice: Practice | None = None,
) -> AsyncIterator[Trajectory]:
    """Play `count` exercises on the tasks of a split, in a fixed order, and yield their trajectories.

    Without a `practice`, they are the exercises of the household. Raises NotFoundError if the split has no tasks, and
    the errors of the services.
    """
    practice = practice or HouseholdPractice()
    tasks = [task.id for task in await env.all_tasks(practice.environment, split)][: practice.most_tasks]
    if not tasks:
        raise NotFoundError(
            f"The env service has no {practice.environment} tasks in {split!r}.",
            hint=f"Run `a3t data generate {practice.environment}`.",
        )
    await _scout_all(env, tasks, practice, progress)
    rng = random.Random(f"corpus {seed}")
    written = 0
    while written < count:
        for trajectory in await _wave(env, actre, split, practice, _draw_wave(tasks, practice, rng), written):
            if written < count:
                yield trajectory
                written += 1
        progress("exercises", written, count)


def corpus_line(trajectory: Trajectory) -> bytes:
    """The line of corpus.jsonl for an exercise. The records of the bases that ship hash the file, so a field that says
    only how a text is shown is left out."""
    return (trajectory.model_dump_json(exclude_defaults=True, exclude={"multiline"}) + "\n").encode()


def _draw_wave(tasks: Sequence[str], practice: Practice, rng: random.Random) -> list[tuple[str, Exercise]]:
    wave: list[tuple[str, Exercise]] = []
    for _ in range(_WAVE * 20):
        task_id = rng.choice(tasks)
        exercise = practice.draw(task_id, rng)
        if exercise is not None:
            wave.append((task_id, exercise))
        if len(wave) == _WAVE:
            return wave
    raise InvalidInputError("The tasks have too few objects for exercises.", hint="Generate more tasks.")


async def _scout_all(
    env: EnvClient, tasks: Sequence[str], practice: Practice, progress: Callable[[str, int, int], None]
) -> None:
    for start in range(0, len(tasks), _WAVE):
        part = tasks[start : start + _WAVE]
        await _play(env, practice, list(zip(part, practice.scouts(part), strict=True)))
        practice.scouted()
        progress("scouting", min(start + _WAVE, len(tasks)), len(tasks))


async def _wave(
    env: EnvClient,
    actre: ActReClient,
    split: str,
    practice: Practice,
    wave: list[tuple[str, Exercise]],
    first_sample: int,
) -> list[Trajectory]:
    plays = [play for play in await _play(env, practice, wave) if play.as_meant]
    queries = [query for play in plays for query in _queries(play, practice.environment)]
    reasons = iter(await _reasons(actre, queries))
    return [_trajectory(play, practice.environment, split, first_sample + i, reasons) for i, play in enumerate(plays)]


async def _play(env: EnvClient, practice: Practice, wave: Iterable[tuple[str, Exercise]]) -> list[_Play]:
    """Play exercises at the same time, with one batch of steps per round."""
    plays = [await _start(env, practice, task_id, exercise) for task_id, exercise in wave]
    while live := [play for play in plays if play.next is not None]:
        steps = [SessionStep(session_id=p.session, action=p.next.action, index=len(p.done)) for p in live if p.next]
        reply = await env.step_many(steps, include_actions=True)
        for play, result in zip(live, reply.results, strict=True):
            if isinstance(result, Problem):
                raise error_from_problem(result)
            observation = practice.later(result.observation, play.exercise.task)
            play.advance(Seen(observation, result.valid, tuple(result.actions or ())))
            if result.done and play.next is not None:  # the exercise happened to solve the game's task
                play.next, play.as_meant = None, False
    for play in plays:
        await env.close(play.session)
    return plays


async def _start(env: EnvClient, practice: Practice, task_id: str, exercise: Exercise) -> _Play:
    """Open a session, and replace the game's task line in its first observation by the exercise's."""
    request = SessionCreate(environment=practice.environment, task_id=task_id, max_steps=200, include_actions=True)
    info = await env.create(request)
    first = practice.first(info.observation, exercise.task)
    script = exercise.script(Seen(first, True, tuple(info.actions or ())))
    return _Play(task_id, exercise, info.id, info.multiline, first, script, next(script))


def _queries(play: _Play, environment: Environment) -> list[ReasonQuery]:
    """One query for each step that is not a slip."""
    queries: list[ReasonQuery] = []
    turns: list[Turn] = []
    for act, seen in play.done:
        if act.slip is None:
            history = History(
                environment=environment, observation=play.first, multiline=play.multiline, turns=list(turns)
            )
            queries.append(ReasonQuery(history=history, action=act.action))
        turns.append(Turn(thought=act.slip, action=act.action, observation=seen.observation))
    return queries


async def _reasons(actre: ActReClient, queries: list[ReasonQuery]) -> list[str]:
    reasons: list[str] = []
    for start in range(0, len(queries), _QUERIES):
        request = ReasonsRequest(queries=queries[start : start + _QUERIES], annotator=ANNOTATOR)
        for result in (await actre.reasons(request)).results:
            if isinstance(result, Problem):
                raise error_from_problem(result)
            reasons.append(result.reason)
    return reasons


def _trajectory(play: _Play, environment: Environment, split: str, sample: int, reasons: Iterable[str]) -> Trajectory:
    thoughts = iter(reasons)
    steps, observation = [], play.first
    chosen = Source.sampled if play.exercise.kind == "wander" else Source.expert
    for index, (act, seen) in enumerate(play.done):
        slip = act.slip is not None
        steps.append(
            Step(
                index=index,
                observation=observation,
                thought=act.slip if slip else next(thoughts),
                action=act.action,
                source=Source.sampled if slip else chosen,
                reason_by=ReasonBy.none if slip else ReasonBy.actre,
                valid=seen.valid and not slip,
            )
        )
        observation = seen.observation
    return Trajectory(
        id=trajectory_id(CORPUS_RUN, 0, play.task_id, play.exercise.kind, sample),
        run=CORPUS_RUN,
        round=0,
        environment=environment,
        split=split,
        task_id=play.task_id,
        task_type=play.exercise.kind,
        kind=TrajectoryKind.demonstration,
        sample=sample,
        multiline=play.multiline,
        steps=steps,
        final_observation=observation,
        success=True,
        reward=0.0,
        stop_reason=StopReason.done,
        created_at=datetime(1970, 1, 1, tzinfo=UTC),
        metadata={"exercise": play.exercise.task},
    )
