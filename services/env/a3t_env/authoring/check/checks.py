"""The checks, in the order in which they are made."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

from a3t_contracts.clients import EnvClient
from a3t_contracts.errors import A3TError, ConflictError, GoneError, Problem
from a3t_contracts.schemas import EnvironmentInfo, SessionStep, Task

from .model import CheckFailedError, Verdict
from .play import Subject, difference, shown

__all__ = ["CHECKS", "check_environment"]

Check: TypeAlias = Callable[[Subject], Awaitable[Verdict]]

_AT_ONCE = 64
_TASKS = 8
_SPEED_STEPS = 20
_BAD = ("", "   ", "\n", "no such action", "\x07", "🙂" * 10, '{"action": 1}', "'; DROP TABLE tasks; --", "x" * 4096)
_RANDOM_HINT = (
    "Draw everything random with random.Random(seed) from the seed or the task, never from the module random, the time "
    "or the order of a set; keep the state of an episode in its own object, not in the module or the class."
)


async def check_environment(client: EnvClient, info: EnvironmentInfo) -> AsyncIterator[Verdict]:
    """Yield the verdict of each check as soon as it is known. If the environment fails a basic check, the rest is left
    out.
    """
    subject = Subject(client, info, await _some_tasks(client, info))
    for title, check in CHECKS.items():
        try:
            yield await check(subject)
        except CheckFailedError as failure:
            yield Verdict(title, "failed", failure.text, failure.hint)
        except A3TError as error:
            yield Verdict(title, "failed", error.detail, error.hint or "")
            if title == "start":
                return


async def _some_tasks(client: EnvClient, info: EnvironmentInfo) -> list[Task]:
    """A few tasks of every split in turn."""
    pages = [(await client.tasks(info.name, split, limit=_TASKS)).tasks for split, n in info.splits.items() if n]
    in_turn = itertools.chain.from_iterable(itertools.zip_longest(*pages))
    unique = {task.id: task for task in in_turn if task is not None}
    return list(unique.values())[:_TASKS]


async def _start(subject: Subject) -> Verdict:
    for task in subject.tasks:
        session = await subject.open(task)
        await subject.client.close(session.id)
        if session.done:
            raise CheckFailedError(f"The episode of task {task.id} is over before its first step.")
        if not session.observation.strip():
            raise CheckFailedError(f"Task {task.id} begins without an observation.", "Let reset return one.")
    splits = ", ".join(f"{count} in {split}" for split, count in subject.info.splits.items())
    if not subject.info.about.strip():
        text = f"{len(subject.tasks)} tasks start ({splits}), but the environment has no text `about`."
        return Verdict(
            "start", "noted", text, "Say in `about` what the agent does: an LLM that writes reasons reads it."
        )
    return Verdict("start", "passed", f"All {len(subject.tasks)} tried tasks start ({splits}).")


async def _same(subject: Subject) -> Verdict:
    steps = 0
    for task in subject.tasks[:4]:
        first = await subject.play(task)
        steps += len(first.steps)
        _require_equal(difference(first, await subject.again(task, first)), "Played twice with the same actions")
    text = f"{len(subject.tasks[:4])} tasks, played twice with the same actions, gave the same ({steps} steps each)."
    if subject.source.startswith("guessed"):
        text += " The check does not know its actions, and guessed some."
        return Verdict("same seed", "noted", text, "Set `about` (… for example: ACTION) or `example`, or add `sample`.")
    return Verdict("same seed", "passed", f"{text} Played with {subject.source}.")


async def _repeated(subject: Subject) -> Verdict:
    played = await subject.play(subject.tasks[0])
    session = await subject.open(subject.tasks[0])
    for index, (action, _) in enumerate(played.steps):
        first = await subject.client.step(session.id, action, index)
        again = await subject.client.step(session.id, action, index)
        if first != again:
            raise CheckFailedError(f"Step {index} ({shown(action)}), sent twice, gave two different results.")
    await _require(
        ConflictError, subject.client.step(session.id, "again", len(played.steps) + 5), "A step out of order"
    )
    await subject.client.close(session.id)
    return Verdict(
        "repeated steps", "passed", f"{len(played.steps)} steps, sent twice each, were carried out once each."
    )


async def _at_once(subject: Subject) -> Verdict:
    alone = {task.id: await subject.play(task) for task in subject.tasks}
    tasks = [task for task, _ in zip(itertools.cycle(subject.tasks), range(_AT_ONCE), strict=False)]
    together = await asyncio.gather(*(subject.again(task, alone[task.id]) for task in tasks))
    for played in together:
        _require_equal(difference(alone[played.task], played), f"Alone and among {_AT_ONCE} others")
    return Verdict("64 at once", "passed", f"Each of {_AT_ONCE} episodes at the same time gave what it gives alone.")


async def _closing(subject: Subject) -> Verdict:
    sessions = await asyncio.gather(*(subject.open(subject.tasks[0]) for _ in range(_AT_ONCE)))
    for session in sessions:
        await subject.client.close(session.id)
        await subject.client.close(session.id)
    await _require(GoneError, subject.client.step(sessions[0].id, "look", 0), "A step after closing")
    return Verdict("closing", "passed", f"{_AT_ONCE} unfinished episodes were closed, each twice.")


async def _bad_actions(subject: Subject) -> Verdict:
    accepted = []
    for action in _BAD:
        session = await subject.open(subject.tasks[0])
        try:
            result = await subject.client.step(session.id, action, 0)
        except A3TError as error:
            raise CheckFailedError(
                f"The action {shown(action)} ended the episode: {error.detail}",
                "Do not raise for an unknown action: return an observation that says so, and valid=False.",
            ) from error
        if result.valid:
            accepted.append(action)
        await subject.client.close(session.id)
    if len(accepted) == len(_BAD):
        return Verdict(
            "bad actions",
            "noted",
            f"{len(_BAD)} meaningless actions were answered, but none with valid=False.",
            "Return valid=False for an action that is not understood: runs count such actions and learn to avoid them.",
        )
    text = f"{len(_BAD)} meaningless actions were answered, {len(_BAD) - len(accepted)} of them with valid=False."
    return Verdict("bad actions", "passed", text)


async def _offers(subject: Subject) -> Verdict:
    info = subject.info
    session = await subject.open(subject.tasks[0])
    found = []
    if info.lists_actions:
        found.append(f"lists {len(await subject.client.actions(session.id))} actions in its first state")
    if info.samples:
        found.append("draws actions")
    await subject.client.close(session.id)
    if info.expert:
        found.append(await _expert(subject))
    if found:
        return Verdict("offers", "passed", f"The environment {', '.join(found)}.")
    text = "It neither lists nor draws actions, and has no expert: only the agent can propose actions."
    return Verdict("offers", "noted", text, "Add `actions` or `sample` if you can: the agent then explores sooner.")


async def _expert(subject: Subject) -> str:
    solved = 0
    for task in subject.tasks:
        session, result = await subject.open(task), None
        for index in range(subject.info.max_steps):
            result = await subject.client.step(session.id, await subject.client.expert(session.id), index)
            if result.done:
                break
        solved += bool(result and result.success)
        await subject.client.close(session.id)
    if not solved:
        raise CheckFailedError(
            f"Its expert solves none of {len(subject.tasks)} tasks within {subject.info.max_steps} steps.",
            "Correct `expert`, raise `max_steps`, or return reward 1 (or success) when a task is solved.",
        )
    return f"has an expert that solves {solved} of {len(subject.tasks)} tasks"


async def _speed(subject: Subject) -> Verdict:
    action = (await subject.play(subject.tasks[0])).steps[0][0]
    sessions = [await subject.open(subject.tasks[0]) for _ in range(_AT_ONCE)]
    began, made, open_ids = time.perf_counter(), 0, [session.id for session in sessions]
    for index in range(min(_SPEED_STEPS, subject.info.max_steps)):
        steps = [SessionStep(session_id=i, action=action, index=index) for i in open_ids]
        results = (await subject.client.step_many(steps)).results
        made += len(results)
        pairs = zip(open_ids, results, strict=True)
        open_ids = [i for i, result in pairs if not isinstance(result, Problem) and not result.done]
        if not open_ids:
            break
    rate = made / (time.perf_counter() - began)
    for session in sessions:
        await subject.client.close(session.id)
    text = f"{rate:,.0f} steps per second in {_AT_ONCE} episodes at the same time, through the HTTP API."
    figures = {"steps_per_second": round(rate, 1)}
    if rate < _AT_ONCE / 2:
        hint = "Agents will wait for this environment: raise A3T_ENV_PLUGIN_PROCESSES, or make `step` faster."
        return Verdict("speed", "noted", text, hint, figures)
    return Verdict("speed", "passed", text, figures=figures)


def _require_equal(found: str, what: str) -> None:
    if found:
        raise CheckFailedError(f"{what}, it gave a different result: {found}.", _RANDOM_HINT)


async def _require(expected: type[A3TError], call: Awaitable[object], what: str) -> None:
    try:
        await call
    except expected:
        return
    raise CheckFailedError(f"{what} was not refused.")


CHECKS: dict[str, Check] = {
    "start": _start,
    "same seed": _same,
    "repeated steps": _repeated,
    "64 at once": _at_once,
    "closing": _closing,
    "bad actions": _bad_actions,
    "offers": _offers,
    "speed": _speed,
}
"""Title → check."""
