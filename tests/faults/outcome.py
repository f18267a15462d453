"""What a run left behind: its episodes, to be compared with another run's, and whatever should not be there."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psutil
from sqlalchemy import func, select
from sqlalchemy.orm import joinedload

from a3t_contracts.registry import RegistryReader
from a3t_contracts.schemas import trajectory_id, version_name
from a3t_orchestrator.queue import queue_lengths
from a3t_orchestrator.store import Job, Round, RunLease, TrajectoryRow, TrajectorySteps, WorkItem
from tests.support.fault_stack import FaultStack

from .holds import jobs_of

__all__ = ["assert_nothing_left", "assert_whole", "played"]

_SETTLE_SECONDS = 60.0
_ROUNDS = 2


def played(stack: FaultStack, run: str) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """What was played, and how it went, without what differs between runs of two names."""
    query = select(TrajectoryRow).where(TrajectoryRow.run == run).options(joinedload(TrajectoryRow.texts))
    return stack.look(
        lambda session: {
            (row.round, row.phase, row.task_id, row.kind, row.sample): (
                [(step["observation"], step["action"], step.get("thought")) for step in row.steps],
                row.seed,
                row.reward,
                row.success,
                row.stop_reason,
                (row.policy_version or "").replace(run, "RUN"),
            )
            for row in session.scalars(query)
        }
    )


def assert_whole(stack: FaultStack, run: str) -> None:
    """Each planned episode is there once, under its id; each round has one job and one whole adapter version."""
    items = stack.look(lambda session: list(session.scalars(select(WorkItem).where(WorkItem.run == run))))
    query = select(TrajectoryRow).where(TrajectoryRow.run == run).options(joinedload(TrajectoryRow.texts))
    rows = stack.look(lambda session: list(session.scalars(query)))
    assert Counter(item.state for item in items) == {"done": len(items)}
    wanted = [item.id for item in items if item.phase != "annotate"]  # its episodes are those of another phase
    assert sorted(row.id for row in rows) == sorted(wanted)
    for row in rows:
        assert row.id == trajectory_id(row.run, row.round, row.task_id, row.kind, row.sample)
        assert [step["index"] for step in row.steps] == list(range(row.n_steps))
    versions = [version_name(run, number) for number in range(_ROUNDS + 1)]
    jobs = stack.look(lambda session: list(session.scalars(select(Job).where(Job.run == run).order_by(Job.round))))
    assert [(job.round, job.status) for job in jobs] == [(n, "succeeded") for n in range(_ROUNDS + 1)]
    rounds = stack.look(lambda session: list(session.scalars(select(Round).where(Round.run == run))))
    assert sorted((r.version or "", r.status) for r in rounds) == [(version, "finished") for version in versions]
    registry = RegistryReader(stack.home / "registry")
    assert [v for v in registry.versions() if v.startswith(f"{run}-r")] == versions
    for version in versions:
        registry.fetch(version)


def assert_nothing_left(stack: FaultStack, seconds: float = _SETTLE_SECONDS) -> None:
    """No row, session, sequence, message, process or file without an owner, once what is closing has closed."""
    until = time.monotonic() + seconds
    while left := [words for words in _left(stack) if words]:
        assert time.monotonic() < until, left
        time.sleep(0.5)


def _left(stack: FaultStack) -> Iterator[str]:
    checks: tuple[Callable[[FaultStack], object], ...] = (
        _orphan_rows,
        _held_leases,
        _sessions,
        _sequences,
        _messages,
        _processes,
        _partial_adapters,
    )
    for check in checks:
        try:
            found = check(stack)
        except (httpx.HTTPError, psutil.Error) as error:
            found = repr(error)
        yield f"{check.__name__}: {found}" if found else ""


def _orphan_rows(stack: FaultStack) -> int:
    """Steps without a trajectory, or trajectories without steps."""
    rows = stack.look(lambda session: session.scalar(select(func.count()).select_from(TrajectoryRow)) or 0)
    steps = stack.look(lambda session: session.scalar(select(func.count()).select_from(TrajectorySteps)) or 0)
    return abs(rows - steps)


def _held_leases(stack: FaultStack) -> list[str]:
    return stack.look(lambda session: list(session.scalars(select(RunLease.run).where(RunLease.holder != ""))))


def _sessions(stack: FaultStack) -> float:
    return _metric(stack, "env", "a3t_env_sessions")


def _sequences(stack: FaultStack) -> float:
    return _metric(stack, "policy", "a3t_policy_load")


def _messages(stack: FaultStack) -> dict[str, int]:
    return {name: length for name, length in queue_lengths(stack.settings.redis_url or "").items() if length}


def _processes(stack: FaultStack) -> list[str]:
    """Jobs that still train, and programs of this stack that nobody tends."""
    jobs = [f"job {job.pid}" for job in jobs_of(stack.process("trainer"))]
    tended = {process.pid for process in psutil.Process().children(recursive=True)}
    return jobs + [f"{p.pid} {p.name()}" for p in psutil.process_iter() if p.pid not in tended and _is_of(p, stack)]


def _is_of(process: psutil.Process, stack: FaultStack) -> bool:
    try:
        return process.environ().get("A3T_HOME") == str(stack.home)
    except psutil.Error:
        return False


def _partial_adapters(stack: FaultStack) -> list[str]:
    whole = set(RegistryReader(stack.home / "registry").versions())
    folders = [path.name for path in (stack.home / "registry").iterdir() if path.is_dir()]
    return [name for name in folders if name not in whole and name != "lost+found"]


def _metric(stack: FaultStack, service: str, name: str) -> float:
    lines = httpx.get(f"{stack.url(service)}/metrics", timeout=30).text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.split("{")[0].split(" ")[0] == name)
