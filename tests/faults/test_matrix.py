"""Every fault to every part, in the middle of every phase: the run ends by itself, with the ids, actions and rewards of
an undisturbed run of the same seed, and leaves nothing behind.

`FAULTS` is how many cells of the table are drawn by `FAULTS_SEED` (14, seed 0); `FAULTS=all` tries each, and
`FAULTS=kill-worker,drop` the rows whose names begin so. The seed is also that of the runs.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from a3t_contracts.clients import OrchestratorClient
from a3t_contracts.schemas import RunCreate
from a3t_contracts.settings import DEVELOPMENT_TOKEN
from a3t_orchestrator.recipe import load_recipe
from tests.support.fault_stack import FaultStack, running_stack
from tests.support.holding import ROOMS
from tests.support.mini_loop import write_recipe
from tests.support.postgres import find_binaries

from .cells import Cell, Row, drawn_rows
from .holds import Standing
from .outcome import assert_nothing_left, assert_whole, played
from .page import note
from .strikes import end_faults, prepare, strike

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SEED = int(os.environ.get("FAULTS_SEED", "0"))
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
    mounted = False
    if os.geteuid() == 0:
        command = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)]
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    yield
    if mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def begin(stack: FaultStack, model: Path, name: str) -> None:
    """Ask the stack's orchestrator for a run."""
    path = stack.home / "recipe.yaml"
    recipe = write_recipe(path, model, seed=SEED, limits=LIMITS, round0={"demonstrations": 3}, **ROOMS)
    wanted = RunCreate(recipe=load_recipe(recipe).model_dump(mode="json"), name=name)

    async def ask() -> None:
        async with OrchestratorClient(stack.url("orchestrator"), DEVELOPMENT_TOKEN) as client:
            await client.begin(wanted)

    until = time.monotonic() + 60
    while True:
        try:
            return asyncio.run(ask())
        except Exception:
            if time.monotonic() > until:
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


@pytest.mark.parametrize("row", drawn_rows(), ids=str)
def test_a_fault_changes_nothing_of_what_a_run_gives(
    row: Row, stack: FaultStack, tiny_model: Path, undisturbed: dict[tuple[Any, ...], tuple[Any, ...]]
) -> None:
    if row.fault == "full disk" and not os.path.ismount(stack.home / "registry"):
        pytest.skip("this user may not mount a file system for the registry")
    standing = Standing(stack, f"{row}-{SEED}")
    struck: list[Cell] = []
    try:
        prepare(row.fault, standing)
        standing.ask(row.phases[0])
        begin(stack, tiny_model, standing.run)
        for cell, following in zip(row.cells, [*row.phases[1:], None], strict=True):
            standing.wait(cell.phase)
            struck.append(cell)
            strike(cell, standing, lambda following=following: standing.ask(following))  # type: ignore[misc]
        assert standing.ended(240) == "finished", standing.why()
        assert played(stack, standing.run) == undisturbed
        assert_whole(stack, standing.run)
        end_faults(standing)
        assert_nothing_left(stack)
    except BaseException:
        note(struck or row.cells, "failed", SEED)
        raise
    finally:
        end_faults(standing)
    note(struck, "identical", SEED)
