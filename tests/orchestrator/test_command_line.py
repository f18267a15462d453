"""The command line: help without imports, bad input, ports, and the state of a stack."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import psutil
import pytest
from typer.core import TyperGroup
from typer.main import get_command

from a3t_contracts.errors import ConflictError
from a3t_orchestrator.cli.root import build_root
from a3t_orchestrator.embedded.ports import choose_ports
from a3t_orchestrator.embedded.state import ProcessState, StackState, read_state, refuse_second, write_state
from a3t_orchestrator.recipe import load_recipe
from a3t_orchestrator.report.stats import score_of, wilson
from a3t_orchestrator.store import Driver, Store, create_run, get_run, take_lease
from tests.support.mini_loop import a3t

RECIPES = Path(__file__).parents[2] / "configs"


def test_help_lists_the_commands_of_every_package(tmp_path: Path) -> None:
    shown = a3t(tmp_path, "--help")
    assert shown.returncode == 0
    for name in ("up", "down", "status", "run", "demo", "eval", "report", "trajectories", "runs", "db", "data"):
        assert f" {name} " in shown.stdout


def test_every_command_and_option_has_a_help_text_that_fits_any_screen() -> None:
    commands = list(_commands(get_command(build_root())))
    assert len(commands) > 30
    for path, command in commands:
        assert command.help, path
        assert "\n" not in command.help.replace("\n\n", ""), f"{path}: a line break that no screen chose"
        names = {param.name: getattr(param, "help", None) for param in command.params}
        assert all(names.values()), f"{path}: {names}"
        assert "install_completion" not in names, path


def _commands(command: Any, path: str = "a3t") -> Iterator[tuple[str, Any]]:
    yield path, command
    context = click.Context(command)
    for name in command.list_commands(context) if isinstance(command, TyperGroup) else ():
        yield from _commands(command.resolve_command(context, [name])[1], f"{path} {name}")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nonsense"], 2, "No such command"),
        (["run", "missing.yaml"], 3, "no recipe missing.yaml"),
        (["run", str(RECIPES / "demo.yaml"), "--set", "compose.q=1"], 2, "compose.q: unknown key"),
        (["run", str(RECIPES / "demo.yaml"), "--resume"], 3, "no unfinished run of 'demo'"),
        (["run", str(RECIPES / "demo.yaml"), "--resume", "--from", "x"], 2, "--from begins a new one"),
        (["run", str(RECIPES / "demo.yaml"), "--from", "none"], 3, "There is no run 'none'"),
        (["run", str(RECIPES / "demo.yaml"), "--rounds", "-1"], 2, "rounds"),
        (["demo", "--environment", "chess"], 3, "no recipe configs/demo*.yaml for chess, only for alfworld, webshop"),
        (["demo", "--environment", "webshop", "--set", "rounds=-1"], 2, "rounds"),
        (["demo", "--environment", "webshop", "--config", str(RECIPES / "demo.yaml")], 2, "plays in alfworld"),
        (["report", "none"], 3, "There is no run 'none'"),
        (["report"], 3, "There is no run yet"),
        (["trajectories", "show", "abc"], 3, "no trajectory 'abc'"),
        (["eval", "--split", "x"], 3, "There is no run yet"),
        (["worker", "--queues", "odd"], 2, "There are no queues odd"),
    ],
)
def test_bad_input_is_one_message_and_a_code(tmp_path: Path, arguments: list[str], code: int, words: str) -> None:
    refused = a3t(tmp_path, *arguments)
    assert refused.returncode == code, refused.stderr
    assert words in " ".join(refused.stderr.split())
    assert "Traceback" not in refused.stderr


def test_a_run_that_another_process_drives_gets_no_more_rounds(tmp_path: Path) -> None:
    store, recipe = Store(f"sqlite:///{tmp_path / 'a3t.db'}"), load_recipe(RECIPES / "demo.yaml")
    store.upgrade()
    with store.session() as session:
        create_run(session, "mine", recipe, "", {})
        assert take_lease(session, "mine", Driver(), 60) is None
    refused = a3t(tmp_path, "run", str(RECIPES / "demo.yaml"), "--resume", "--name", "mine", "--rounds", "9")
    assert refused.returncode == 1
    assert "The run mine is running" in refused.stderr
    with store.session() as session:
        assert get_run(session, "mine").recipe["rounds"] == recipe.rounds
    store.close()


def test_down_and_status_where_nothing_runs(tmp_path: Path) -> None:
    assert "Nothing runs" in a3t(tmp_path, "down").stdout
    assert a3t(tmp_path, "status", "--json").returncode == 1


def test_a_busy_port_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConflictError, match=f"Port {port}, which env needs, is in use"):
            choose_ports(["env"], first=port)
    ports = choose_ports(["a", "b", "c"])
    assert len(set(ports.values())) == 3


def test_a_stale_state_is_no_running_stack(tmp_path: Path) -> None:
    assert read_state(tmp_path) is None
    mine = ProcessState(pid=os.getpid(), created=psutil.Process().create_time())
    write_state(tmp_path, StackState(supervisor=mine))
    assert read_state(tmp_path) is not None
    refuse_second(tmp_path)
    reused = ProcessState(pid=os.getpid(), created=mine.created - 1000)
    write_state(tmp_path, StackState(supervisor=reused))
    assert read_state(tmp_path) is None, "a later process has the same id"
    other = psutil.Process(1)
    write_state(tmp_path, StackState(supervisor=ProcessState(pid=1, created=other.create_time())))
    with pytest.raises(ConflictError, match=r"already runs in .* \(process 1\)"):
        refuse_second(tmp_path)
    state = tmp_path / "run" / "stack.json"
    assert state.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(0, 0, 0.0, 1.0), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634), (81, 134, 0.5199, 0.6833)],
)
def test_wilson_intervals(successes: int, n: int, low: float, high: float) -> None:
    assert wilson(successes, n) == pytest.approx((low, high), abs=2e-3)
    score = score_of([(True, 1.0)] * successes + [(False, 0.5)] * (n - successes))
    assert (score.n, score.successes) == (n, successes)
