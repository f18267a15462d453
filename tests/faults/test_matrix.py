"""Every fault to every part, in the middle of every phase: the run ends by itself, with the ids, actions and rewards of
an undisturbed run of the same seed, and leaves nothing behind.

`FAULTS` is how many cells of the table are drawn by `FAULTS_SEED` (14, seed 0). `FAULTS=all` tries each, `FAULTS=rest`
those without a good result, and `FAULTS=kill-worker,drop` those whose names begin so. The seed is also that of the
runs.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from a3t_contracts.clients import OrchestratorClient
from a3t_contracts.schemas import RunCreate
from a3t_contracts.settings import DEVELOPMENT_TOKEN
from a3t_orchestrator.recipe import load_recipe
from tests.support.fault_stack import IDLE_SECONDS, FaultStack, running_stack
from tests.support.holding import ROOMS, until
from tests.support.mini_loop import A3T, environment, write_recipe
from tests.support.postgres import find_binaries

from .cells import DRAWN, Cell, Stop, drawn, trips_of
from .holds import Standing
from .outcome import assert_nothing_left, assert_whole, played
from .page import missing, note
from .strikes import end_faults, prepare, strike

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SEED = int(os.environ.get("FAULTS_SEED", "0"))
MAY_MOUNT = os.geteuid() == 0
CHOSEN = [
    cell
    for cell in drawn(os.environ.get("FAULTS", str(DRAWN)), str(SEED), missing())
    if MAY_MOUNT or cell.fault != "full disk"
]
TRIPS = trips_of(CHOSEN)
LIMITS = {"max_steps": 6, "max_tokens": 8, "chunk": 2, "concurrency": 1, "call_seconds": 5}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[FaultStack]:
    if find_binaries() is None:
        pytest.skip("PostgreSQL's initdb and postgres are not installed")
    folder = tmp_path_factory.mktemp("stack")
    with small_disk(folder / "home" / "registry"), running_stack(folder, tiny_model) as running:
        yield running


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A file system of its own, where this user may mount one, so that a test can fill it."""
    folder.mkdir(parents=True)
    if not MAY_MOUNT:
        sys.stderr.write("No disk is filled: only root may mount a file system for the registry.\n")
        yield
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def recipe_of(stack: FaultStack, model: Path) -> Path:
    """Every run of this suite."""
    path = stack.home / "recipe.yaml"
    return write_recipe(path, model, seed=SEED, limits=LIMITS, round0={"demonstrations": 3}, **ROOMS)


def begin(stack: FaultStack, model: Path, name: str) -> None:
    """Ask the stack's orchestrator for a run."""
    recipe = recipe_of(stack, model)
    wanted = RunCreate(recipe=load_recipe(recipe).model_dump(mode="json"), name=name)

    async def ask() -> None:
        async with OrchestratorClient(stack.url("orchestrator"), DEVELOPMENT_TOKEN) as client:
            await client.begin(wanted)

    deadline = time.monotonic() + 60
    while True:
        try:
            return asyncio.run(ask())
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


@pytest.fixture(scope="module")
def undisturbed(stack: FaultStack, tiny_model: Path) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    begin(stack, tiny_model, "calm")
    calm = Standing(stack, "calm")
    assert calm.ended(300) == "finished", calm.why()
    assert_whole(stack, "calm")
    assert_nothing_left(stack)
    result = played(stack, "calm")
    assert {phase for _, phase, *_ in result} == {"demonstrate", "rollout", "compose", "evaluate"}
    return result


@pytest.mark.parametrize("number", range(len(TRIPS)))
def test_a_fault_changes_nothing_of_what_a_run_gives(
    number: int, stack: FaultStack, tiny_model: Path, undisturbed: dict[tuple[Any, ...], tuple[Any, ...]]
) -> None:
    trip = TRIPS[number]
    standing = Standing(stack, f"disturbed-{SEED}-{number}")
    struck: list[Cell] = []
    try:
        prepare(trip, standing)
        standing.ask(trip.stops[0])
        begin(stack, tiny_model, standing.run)
        for stop, following in zip(trip.stops, [*trip.stops[1:], None], strict=True):
            standing.wait(stop)
            struck.append(stop.cell)
            sys.stderr.write(f"{time.strftime('%H:%M:%S')} {stop.cell} in round {stop.round}\n")
            strike(stop, standing, partial(standing.ask, following))
        assert standing.ended(240) == "finished", standing.why()
        assert played(stack, standing.run) == undisturbed
        assert_whole(stack, standing.run)
        end_faults(standing)
        assert_nothing_left(stack)
    except (Exception, pytest.fail.Exception):
        note(struck, "failed", SEED)
        raise
    finally:
        end_faults(standing)
    note(struck, "identical", SEED)


def test_ctrl_c_in_the_middle_of_composing_leaves_no_session_and_no_sequence(
    stack: FaultStack, tiny_model: Path, undisturbed: dict[tuple[Any, ...], tuple[Any, ...]]
) -> None:
    """They end before the env service would close them as idle; and the run goes on when it is asked to."""
    standing = Standing(stack, f"ctrl-c-{SEED}")
    stop = Stop(Cell("ctrl-c", "a3t run", "compose"), 1)
    standing.ask(stop)
    command = [*A3T, "run", str(recipe_of(stack, tiny_model)), "--name", standing.run, "--stop-on-exit"]
    log = stack.home / "ctrl-c.log"
    with log.open("wb") as out:
        running = subprocess.Popen(command, env=environment(stack.home), stdout=out, stderr=out)
    try:
        until(lambda: stack.hold.holds, running, log)
        running.send_signal(signal.SIGINT)
        standing.ask(None)
        assert running.wait(60) == 130
    finally:
        running.kill()
        end_faults(standing)
    assert standing.ended(60) == "paused"
    assert_nothing_left(stack, seconds=IDLE_SECONDS - 5)

    async def resume() -> None:
        async with OrchestratorClient(stack.url("orchestrator"), DEVELOPMENT_TOKEN) as client:
            await client.resume(standing.run)

    asyncio.run(resume())
    assert standing.ended(240) == "finished", standing.why()
    assert played(stack, standing.run) == undisturbed
