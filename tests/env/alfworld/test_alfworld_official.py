"""The official engine in its child processes, and the native engine's parity with it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from a3t_contracts.errors import DeadlineError, GoneError, InvalidInputError, OverloadedError, UpstreamError
from a3t_env.alfworld.data.index import read_index
from a3t_env.alfworld.environment import AlfworldEnvironment
from a3t_env.alfworld.game_file import load_game
from a3t_env.alfworld.native import NativeEngine
from a3t_env.alfworld.official import OfficialEngine, OfficialPool
from a3t_env.alfworld.official.pool import PROGRAM
from a3t_env.alfworld.parity.__main__ import compare_games, draw_games
from a3t_env.alfworld.parity.compare import compare
from a3t_env.alfworld.task_types import TASK_TYPES
from a3t_env.children import ChildProcess

pytestmark = pytest.mark.timeout(900)

_PATIENCE = 600.0


@pytest.fixture
def pool() -> Iterator[OfficialPool]:
    pool = OfficialPool(size=1, load_seconds=_PATIENCE, step_seconds=_PATIENCE)
    yield pool
    pool.close()


@pytest.fixture
def game(alfworld_home: Path) -> Path:
    """The smallest game here."""
    return min(
        (alfworld_home / e.path for e in read_index(alfworld_home).games.values()), key=lambda p: p.stat().st_size
    )


def ended(pid: int, seconds: float) -> bool:
    """Whether a process ends within some time."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], seconds)[0])
    finally:
        os.close(handle)


def test_both_engines_agree_on_all_types_and_both_forms(alfworld_home: Path):
    index = read_index(alfworld_home)
    drawn = []
    for kind, split in zip(TASK_TYPES, ("generated_train", "generated_put") * 3, strict=True):
        games = [e for e in index.of(split) if e.type == kind]
        drawn.append(min(games, key=lambda e: (alfworld_home / e.path).stat().st_size))
    results = list(compare_games(alfworld_home, drawn, steps=16, seed=3, jobs=2))
    assert len(results) == len(TASK_TYPES)
    assert [r.report() for r in results if not r.same] == []
    assert all(len(r.history) == 16 for r in results)


def test_games_are_drawn_from_every_type_split_and_form(alfworld_home: Path):
    index = read_index(alfworld_home)
    drawn = draw_games(index, 12, None, seed=3)
    assert len({(e.type, e.split) for e in drawn}) == 12
    assert draw_games(index, 12, None, seed=3) == drawn
    assert {e.split for e in draw_games(index, 50, "generated_put", seed=0)} == {"generated_put"}


def test_a_game_that_cannot_be_compared_is_a_fault(alfworld_home: Path, tmp_path: Path):
    entry = next(iter(read_index(alfworld_home).games.values()))
    (result,) = compare_games(tmp_path, [entry], steps=1, seed=0, jobs=1)
    assert not result.same
    assert "could not be compared: The game file" in result.report()


def test_a_difference_is_reported_with_its_history(alfworld_home: Path):
    index = read_index(alfworld_home)
    move, put = next(iter(index.of("generated_train"))), next(iter(index.of("generated_put")))
    other = NativeEngine(load_game(alfworld_home / put.path, put.sha256))
    result = compare(move.id, alfworld_home / move.path, other, steps=10, seed=0)
    assert not result.same
    report = result.report()
    assert report.startswith(f"{move.id}: first difference after 0 steps")
    assert "text, native:" in report
    assert "text, official:" in report


def test_the_official_engine_behind_the_environment(alfworld_home: Path, pool: OfficialPool, game: Path):
    environment = AlfworldEnvironment(alfworld_home, pool=pool)
    task = next(e.id for e in read_index(alfworld_home).games.values() if alfworld_home / e.path == game)
    official, native = environment.episode(task, engine="official"), environment.episode(task)
    assert official.start() == native.start()
    assert official.actions() == native.actions()
    action = native.sample(1)
    assert official.sample(1) == action
    assert official.step(action) == native.step(action)
    assert official.expert() == native.expert()
    with pytest.raises(OverloadedError, match="in use"):
        environment.episode(task, engine="official").start()
    official.close()
    with pytest.raises(GoneError):
        official.step("look")
    environment.close()


def test_a_game_that_the_official_engine_cannot_load_is_an_error(pool: OfficialPool, tmp_path: Path):
    path = tmp_path / "game.tw-pddl"
    path.write_text('{"pddl_domain": "(define", "grammar": "", "pddl_problem": ""}')
    with pytest.raises(InvalidInputError, match="failed to load"):
        OfficialEngine(pool, path).start()
    assert pool.take().alive


def test_a_hung_child_is_killed_at_the_deadline(game: Path):
    pool = OfficialPool(size=1, load_seconds=_PATIENCE, step_seconds=0.5)
    engine = OfficialEngine(pool, game)
    engine.start()
    assert engine.played.child is not None
    pid = engine.played.child.pid
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(DeadlineError, match=r"within 0\.5 s"):
        engine.step("look")
    assert ended(pid, 30)
    with pytest.raises(GoneError):
        engine.step("look")
    assert pool.take().pid != pid
    pool.close()


def test_a_dead_child_is_an_error_and_the_next_episode_gets_another(pool: OfficialPool):
    child = pool.take()
    os.kill(child.pid, signal.SIGKILL)
    with pytest.raises(UpstreamError, match="died"):
        child.ask(_PATIENCE, "start")
    pool.give_back(child)
    assert pool.take().pid != child.pid


def test_worn_out_children_are_replaced():
    pool = OfficialPool(size=1, games_per_child=2)
    pids = []
    for _ in range(3):
        child = pool.take()
        pids.append(child.pid)
        pool.give_back(child)
    assert pids[0] == pids[1] != pids[2]
    pool.close()
    assert all(ended(pid, 30) for pid in pids)


def test_children_end_with_a_killed_parent():
    code = (
        "import os, signal; from a3t_env.alfworld.official.pool import OfficialPool; "
        "print(OfficialPool().take().pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    parent = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended(int(parent.stdout), 120)


def test_killing_twice_is_fine():
    child = ChildProcess(PROGRAM)
    child.kill()
    child.kill()
    assert not child.alive
    with pytest.raises(UpstreamError):
        child.ask(1.0, "start")
