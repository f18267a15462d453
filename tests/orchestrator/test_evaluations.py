"""Evaluations beside the rounds: begun when they may be, finished in order, and as fatal as any other phase. The
phases are the tests' own; the loop, its database and its lease are real."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from a3t_contracts.errors import UpstreamError
from a3t_orchestrator.driver import lease, loop, rounds
from a3t_orchestrator.driver.context import RunContext
from a3t_orchestrator.recipe import parse_recipe
from a3t_orchestrator.settings import OrchestratorSettings
from a3t_orchestrator.store import Store, create_run, events, get_run, open_round, request_pause, resume_run

RECIPE = parse_recipe(
    {
        "name": "r",
        "environment": "alfworld",
        "rounds": 2,
        "data": {"split": "train", "held_out": [{"split": "test"}]},
        "round0": {"evaluate_base": True},
        "evaluation": {"training_tasks": False},
    }
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path / 'a3t.db'}")
    opened.upgrade()
    with opened.session() as session:
        create_run(session, "r", RECIPE, "", {})
    yield opened
    opened.close()


class Phases:
    """Stand-ins of the phases; what began and ended, in order. `held` are those that wait until they are let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.told: list[str] = []
        self.asides: dict[str, bool] = {}
        self.held: dict[str, asyncio.Event] = {}
        self.fails: set[str] = set()
        monkeypatch.setattr(rounds, "base_version", self._base)
        monkeypatch.setattr(rounds, "collect_round", self._collect)
        monkeypatch.setattr(rounds, "train", self._train)
        monkeypatch.setattr(rounds, "go_live", self._go_live)
        monkeypatch.setattr(rounds, "evaluate_round", self._evaluate)
        monkeypatch.setattr(rounds, "evaluate_base", self._evaluate_base)

    async def _base(self, context: RunContext) -> str:
        return "base"

    async def _collect(self, context: RunContext, number: int, version: str) -> None:
        await self._work(f"collect {number} with {version}", context)

    async def _train(self, context: RunContext, number: int) -> str:
        await self._work(f"train {number}", context)
        return f"v{number}"

    async def _go_live(self, context: RunContext, number: int, version: str) -> None:
        def note(session: object) -> None:
            open_round(session, "r", number).version = version  # type: ignore[arg-type]

        await context.store.do(note)
        await self._work(f"live {number}", context)

    async def _evaluate(self, context: RunContext, number: int, version: str) -> None:
        await self._work(f"evaluate {version}", context)

    async def _evaluate_base(self, context: RunContext, version: str) -> None:
        await self._work("evaluate base", context)

    async def _work(self, what: str, context: RunContext) -> None:
        self.told.append(what)
        self.asides[what] = context.aside
        if what in self.fails:
            raise UpstreamError(f"{what} failed.")
        if what in self.held:
            await self.held[what].wait()
        await asyncio.sleep(0)
        self.told.append(f"end of {what}")


def context_of(store: Store) -> RunContext:
    return RunContext(store, OrchestratorSettings(home=Path("/nowhere")), "r", RECIPE)


async def test_an_agent_is_evaluated_while_the_next_one_trains(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    phases = Phases(monkeypatch)
    assert (await loop.drive(context_of(store))) == "finished"
    told = phases.told
    for before, after in (
        ("end of collect 0 with base", "evaluate base"),
        ("evaluate base", "end of train 0"),
        ("end of collect 1 with v0", "evaluate v0"),
        ("evaluate v0", "end of train 1"),
        ("end of collect 2 with v1", "evaluate v1"),
        ("end of live 2", "evaluate v2"),
    ):
        assert told.index(before) < told.index(after), (before, after, told)
    asides = {what: aside for what, aside in phases.asides.items() if "evaluate" in what}
    assert asides == {"evaluate base": True, "evaluate v0": True, "evaluate v1": True, "evaluate v2": False}
    assert not any(phases.asides[what] for what in phases.asides if "evaluate" not in what)
    with store.session() as session:
        finished = [event.round for event in events(session, "r", kind="round_finished")]
        assert finished == [0, 1, 2]
        assert {open_round(session, "r", number).status for number in range(3)} == {"finished"}


async def test_rounds_are_finished_in_order_however_long_an_evaluation_takes(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    phases = Phases(monkeypatch)
    phases.held["evaluate v0"] = asyncio.Event()
    driving = asyncio.create_task(loop.drive(context_of(store)))
    async with asyncio.timeout(20):
        while "end of live 2" not in phases.told:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        assert "evaluate v1" not in phases.told
        phases.held["evaluate v0"].set()
        await driving
    with store.session() as session:
        assert [event.round for event in events(session, "r", kind="round_finished")] == [0, 1, 2]


async def test_an_evaluation_that_fails_stops_the_run_which_then_goes_on_there(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    phases = Phases(monkeypatch)
    phases.fails = {"evaluate v0"}
    phases.held["train 1"] = asyncio.Event()
    with pytest.raises(UpstreamError, match="evaluate v0 failed"):
        await loop.drive(context_of(store))
    with store.session() as session:
        assert get_run(session, "r").status == "failed"
        assert open_round(session, "r", 0).status != "finished"
    phases.fails, phases.held, phases.told = set(), {}, []
    assert await loop.drive(context_of(store)) == "finished"
    assert "train 0" not in phases.told
    assert "live 0" not in phases.told, "a later version may be live by now"
    assert "evaluate v0" in phases.told
    with store.session() as session:
        assert [event.round for event in events(session, "r", kind="round_finished")] == [0, 1, 2]


async def test_a_pause_stops_an_evaluation_beside_training(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "LOOK_SECONDS", 0.05)
    phases = Phases(monkeypatch)
    phases.held = {"evaluate v0": asyncio.Event(), "train 1": asyncio.Event()}
    driving = asyncio.create_task(loop.drive(context_of(store)))
    async with asyncio.timeout(60):
        while not {"evaluate v0", "train 1"} <= set(phases.told):
            await asyncio.sleep(0.01)
        await store.do(lambda session: request_pause(session, "r"))
        assert await driving == "paused"
    assert "end of evaluate v0" not in phases.told
    await store.do(lambda session: resume_run(session, "r"))
    phases.held = {}
    assert await loop.drive(context_of(store)) == "finished"
    with store.session() as session:
        assert [event.round for event in events(session, "r", kind="round_finished")] == [0, 1, 2]
