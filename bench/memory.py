"""Measures the memory of the services of `a3t up`, idle and after light use: `python -m bench.memory --json PATH`.

It starts `a3t up` in a new folder with a few generated ALFWorld games, measures every process when all are ready, plays
64 episodes (16 at a time, 10 steps each) through the services, asks ActRe for 64 reasons, and measures again. PSS
divides a page that several processes share among them; RSS counts it fully in each.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from a3t_contracts.clients import ActReClient, EnvClient, PolicyClient
from a3t_contracts.react import History, Turn
from a3t_contracts.schemas import (
    ActRequest,
    ActResult,
    ActTurn,
    ReasonQuery,
    ReasonsRequest,
    Sampling,
    SessionCreate,
    Task,
)
from a3t_contracts.settings import DEVELOPMENT_TOKEN as TOKEN
from a3t_env.alfworld.generator import TRAIN_SPLIT, add_generated
from a3t_orchestrator.embedded.state import StackState, read_state
from bench.common import BenchReport

EPISODES, AT_ONCE, STEPS, GAMES = 64, 16, 10, 8
LIMITS = {"policy": 700, "all": 2000}
"""Limits in MB for the policy process, and for all processes together."""
_START_SECONDS = 300.0


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the report there")
    arguments = parser.parse_args()
    report = BenchReport("memory of `a3t up`", figures={f"{name}_limit_mb": limit for name, limit in LIMITS.items()})
    with tempfile.TemporaryDirectory(prefix="a3t-memory-") as folder:
        home = Path(folder)
        add_generated(home / "data" / "alfworld", TRAIN_SPLIT, GAMES)
        command = [sys.executable, "-m", "a3t_orchestrator.cli", "up"]
        with (home / "up.log").open("w") as log:
            up = subprocess.Popen(command, env=os.environ | {"A3T_HOME": folder}, stdout=log, stderr=log)
        try:
            state = wait_ready(home, up)
            report.figures |= _measure(state, up.pid, "idle")
            asyncio.run(_use(state))
            report.figures |= _measure(state, up.pid, "after_use")
        finally:
            up.terminate()
            up.wait(60)
    report.show()
    report.write(arguments.json)


def wait_ready(home: Path, up: subprocess.Popen[bytes]) -> StackState:
    """Wait until all services of an `a3t up` are ready, and return its state. Exits if they do not become ready."""
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and up.poll() is None:
        state = read_state(home)
        if state is not None and state.ready:
            return state
        time.sleep(0.5)
    raise SystemExit(f"a3t up did not become ready: {(home / 'up.log').read_text()[-2000:]}")


def _measure(state: StackState, supervisor: int, when: str) -> dict[str, int]:
    """MB by process; a service's own children are counted beside it as `NAME_children`."""
    found = {"a3t_up": [psutil.Process(supervisor)]}
    for name, child in state.children.items():
        process = psutil.Process(child.pid)
        found[name] = [process]
        if below := process.children(recursive=True):
            found[f"{name}_children"] = below
    measured = {name: _sizes(processes) for name, processes in found.items()}
    measured["all"] = {key: sum(figures[key] for figures in measured.values()) for key in ("rss_mb", "pss_mb")}
    return {f"{name}_{when}_{key}": size for name, sizes in measured.items() for key, size in sizes.items()}


def _sizes(processes: list[psutil.Process]) -> dict[str, int]:
    infos = [process.memory_full_info() for process in processes]
    return {f"{kind}_mb": round(sum(getattr(info, kind) for info in infos) / 1e6) for kind in ("rss", "pss")}


async def _use(state: StackState) -> None:
    places = asyncio.Semaphore(AT_ONCE)
    async with (
        EnvClient(state.urls["env"], TOKEN) as env,
        PolicyClient(state.urls["policy"], TOKEN, timeout=300) as policy,
        ActReClient(state.urls["actre"], TOKEN) as actre,
    ):
        tasks = (await env.tasks("alfworld", TRAIN_SPLIT)).tasks

        async def episode(number: int, task: Task) -> ReasonQuery:
            async with places:
                return await _play(number, task, env, policy)

        played = await asyncio.gather(*(episode(n, tasks[n % len(tasks)]) for n in range(EPISODES)))
        await actre.reasons(ReasonsRequest(queries=played))


async def _play(number: int, task: Task, env: EnvClient, policy: PolicyClient) -> ReasonQuery:
    session = await env.create(SessionCreate(environment="alfworld", task_id=task.id))
    history = History(environment="alfworld", observation=session.observation)
    for step in range(STEPS):
        turn = ActTurn(history=history, sampling=Sampling(temperature=1.0, seed=number * STEPS + step, max_tokens=64))
        result = (await policy.act(ActRequest(turns=[turn]))).results[0]
        if not isinstance(result, ActResult):
            raise SystemExit(f"the policy failed: {result.detail}")
        made = await env.step(session.id, result.action[:4096])
        history.turns.append(Turn(thought=result.thought, action=result.action, observation=made.observation))
        if made.done:
            break
    await env.close(session.id)
    return ReasonQuery(history=history, action="look")


if __name__ == "__main__":
    main()
