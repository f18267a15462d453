"""Episodes against the real env and ActRe services; the policy's turns are written by the tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import make_url, select
from structlog.testing import capture_logs

from a3t_actre.app import create_app as create_actre
from a3t_actre.settings import ActReSettings
from a3t_contracts.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    OverloadedError,
    Problem,
    UnavailableError,
    UnplayableError,
    UpstreamError,
)
from a3t_contracts.react import History
from a3t_contracts.schemas import (
    ActTurn,
    Proposer,
    RunCreate,
    Source,
    StopReason,
    TrajectoryKind,
    Trigger,
    trajectory_id,
)
from a3t_env.app import create_app as create_env
from a3t_env.environments import Environments
from a3t_env.settings import EnvSettings
from a3t_orchestrator.driver.requested import begin_requested
from a3t_orchestrator.driver.start import begin_run
from a3t_orchestrator.gateway import Gateway, ServiceAddresses
from a3t_orchestrator.gateway.coalesce import Coalescer
from a3t_orchestrator.recipe import Limits, Recipe, parse_recipe
from a3t_orchestrator.settings import OrchestratorSettings
from a3t_orchestrator.store import (
    EpisodeFilter,
    PhaseKey,
    Plan,
    Store,
    TrajectoryRow,
    WorkItem,
    count_trajectories,
    create_run,
    dispatchable,
    environment_of,
    events,
    get_run,
    list_failures,
    phase_counts,
    plan_work,
    request_pause,
    touch_run,
)
from a3t_orchestrator.worker import annotated_steps, chunk, play, play_with_restarts, run_chunk, tasks
from a3t_orchestrator.worker.plan import EpisodePlan, Exploration, plan_episode
from tests.support.corridor import CorridorEnvironment
from tests.support.live_server import live_server
from tests.support.postgres import PostgresServer
from tests.support.scripted_policy import ScriptedPolicy
from tests.support.tcp_gate import TcpGate

TOKEN = "episodes-of-the-tests"


@dataclass
class World:
    """The services and what stands behind them."""

    addresses: ServiceAddresses
    policy: ScriptedPolicy
    corridor: CorridorEnvironment


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("home")
    common = {"home": home, "token": TOKEN}
    corridor, policy = CorridorEnvironment(), ScriptedPolicy(lambda _: "")
    env = create_env(EnvSettings.model_validate(common), Environments({"alfworld": lambda: corridor}))
    actre = create_actre(ActReSettings.model_validate(common | {"actre_cache_mb": 0}))
    with live_server(env) as e, live_server(actre) as a, live_server(policy.app(TOKEN)) as p:
        yield World(ServiceAddresses(env=e, policy=p, actre=a, token=TOKEN), policy, corridor)


@pytest.fixture
def world(servers: World) -> World:
    servers.policy.choose, servers.policy.loaded, servers.policy.answers_as = walk_right, {"base"}, None
    servers.policy.watch = lambda _: None
    servers.corridor.samples = True
    servers.policy.faults.clear()
    servers.policy.batches.clear()
    return servers


@pytest.fixture
async def gateway(world: World) -> AsyncIterator[Gateway]:
    async with Gateway(world.addresses, Limits(outage_seconds=5, episode_retries=2)) as opened:
        yield opened


def walk_right(history: History) -> str:
    """The way to the flag in corridors of any length."""
    rooms = int(history.observation.split(" of ")[1].split(".")[0])
    rights = sum(turn.action == "go right" and "room" in turn.observation for turn in history.turns)
    lefts = sum(turn.action == "go left" and "room" in turn.observation for turn in history.turns)
    return "take flag" if rights - lefts == rooms - 1 else "go right"


def plan_of(kind: TrajectoryKind = TrajectoryKind.policy, **changes: object) -> EpisodePlan:
    plan = EpisodePlan(
        id=trajectory_id("r", 1, "corridor-4", kind, 0),
        run="r",
        round=1,
        environment="alfworld",
        engine=None,
        split="train",
        task_id="corridor-4",
        task_type="long",
        kind=kind,
        sample=0,
        policy_version="base",
        seed=7,
        temperature=0.0,
        top_p=1.0,
        max_tokens=32,
        max_steps=12,
        max_invalid=None,
    )
    return replace(plan, **changes)  # type: ignore[arg-type]


def exploring(p: float, streak: int | None = 3, **changes: object) -> EpisodePlan:
    rules = Exploration(p=p, invalid_streak=streak, reasons=True, avoid_policy_action=True)
    return plan_of(TrajectoryKind.composed, exploration=rules, **changes)


async def test_the_policys_own_trial(gateway: Gateway, world: World) -> None:
    episode = await play(plan_of(), gateway)
    assert [s.action for s in episode.steps] == ["go right"] * 3 + ["take flag"]
    assert (episode.success, episode.reward, episode.stop_reason) == (True, 1.0, StopReason.success)
    assert {s.source for s in episode.steps} == {Source.policy}
    assert {s.policy_version for s in episode.steps} == {"base"}
    assert all(s.completion and s.completion_ids == list(s.completion.encode()) for s in episode.steps)
    assert episode.steps[1].observation == "You are in room 1."
    assert episode.final_observation == "You won!"
    assert not world.corridor.running, "the session was given back"


async def test_every_step_can_be_sampled_with_a_reason(gateway: Gateway) -> None:
    episode = await play(exploring(p=1.0), gateway)
    assert {(s.source, s.trigger, s.reason_by) for s in episode.steps} == {("sampled", "coin", "actre")}
    assert {s.proposed_by for s in episode.steps} == {Proposer.environment}
    assert all(s.thought and s.reason_annotator == "template" and s.completion is None for s in episode.steps)
    assert all(s.purpose is not None for s in episode.steps)
    inside = [s for s in episode.steps if s.observation.startswith("You are in room") and " 0" not in s.observation]
    assert all(s.action != s.policy_action for s in inside), "never what the policy would have done"
    assert await play(exploring(p=1.0), gateway) != await play(exploring(p=1.0, seed=8), gateway)


async def test_coins_are_the_seeds(gateway: Gateway) -> None:
    def coins(steps: list[object]) -> list[bool]:
        return [s.source == "sampled" for s in steps]  # type: ignore[attr-defined]

    first = await play(exploring(p=0.5), gateway)
    again = await play(exploring(p=0.5), gateway)
    assert [s.action for s in first.steps] == [s.action for s in again.steps]
    assert coins(list(first.steps)) == coins(list(again.steps))
    assert coins(list((await play(exploring(p=0.0), gateway)).steps)) == [False] * 4


async def test_three_invalid_actions_in_a_row_bring_a_sampled_one(gateway: Gateway, world: World) -> None:
    world.policy.choose = lambda _: "dance"
    episode = await play(exploring(p=0.0, max_steps=8), gateway)
    assert [s.trigger for s in episode.steps] == [None, None, None, Trigger.invalid] * 2
    assert [s.valid for s in episode.steps] == [False, False, False, True] * 2
    assert episode.stop_reason == StopReason.max_steps
    without = await play(exploring(p=0.0, streak=None, max_steps=8), gateway)
    assert {s.source for s in without.steps} == {"policy"}


def proposing(world: World, *proposals: str, own: str = "go right") -> list[ActTurn]:
    """A corridor that draws no actions, and a policy that writes `own`, and what is proposed at a high temperature;
    the turns that it is asked for."""
    turns: list[ActTurn] = []

    def choose(_: History) -> str:
        high = [turn for turn in turns if turn.sampling.temperature == 1.5]
        return proposals[(len(high) - 1) % len(proposals)] if turns[-1] in high else own

    world.corridor.samples = False
    world.policy.watch, world.policy.choose = turns.append, choose
    return turns


def proposed(**changes: object) -> EpisodePlan:
    rules = Exploration(1.0, None, reasons=True, avoid_policy_action=True, proposer=Proposer.policy)
    return plan_of(TrajectoryKind.composed, exploration=replace(rules, **changes), max_steps=1)  # type: ignore[arg-type]


async def test_where_the_environment_draws_no_actions_the_policy_proposes_them(gateway: Gateway, world: World) -> None:
    turns = proposing(world, "go right", "", "look around")
    (step,) = (await play(proposed(), gateway)).steps
    assert (step.action, step.source, step.proposed_by) == ("look around", Source.sampled, Proposer.policy)
    assert (step.policy_action, step.trigger, step.reason_by) == ("go right", Trigger.coin, "actre")
    assert (step.completion, step.completion_ids) == (None, None), "nobody trains on it as the policy's own tokens"
    assert len({turn.sampling.seed for turn in turns}) == len(turns) == 4, "every draw has its seed"
    with pytest.raises(InvalidInputError, match="draw no actions"):
        await play(proposed(proposer=Proposer.environment), gateway)


async def test_a_policy_of_one_mind_proposes_what_it_would_do(gateway: Gateway, world: World) -> None:
    turns = proposing(world, "go right")
    (step,) = (await play(proposed(), gateway)).steps
    assert (step.action, step.source, step.policy_action) == ("go right", Source.sampled, "go right")
    assert len(turns) == 5


async def test_a_policy_that_proposes_nothing_acts_itself(gateway: Gateway, world: World) -> None:
    proposing(world, "")
    (step,) = (await play(proposed(), gateway)).steps
    assert (step.action, step.source, step.proposed_by) == ("go right", Source.policy, None)
    assert step.completion


async def test_who_proposes_is_said_by_the_recipe_and_the_environment(world: World, store: Store) -> None:
    def recipe(**changes: object) -> Recipe:
        data = {"split": "train", "held_out": []}
        return parse_recipe(
            {"name": "r", "environment": "alfworld", "data": data, "round0": {"mode": "none"}} | changes
        )

    async def begun(**changes: object) -> Proposer | None:
        name = await begin_run(store, settings_of(world), recipe(**changes), name=f"n{len(names)}")
        names.append(name)
        with store.session() as session:
            environment = environment_of(get_run(session, name))
        item = WorkItem(id="x", run=name, round=1, phase="compose", task_id="t", task_type="", split="train", sample=0)
        item.kind, item.policy_version = "composed", "base"
        exploration = plan_episode(recipe(**changes), item, environment).exploration
        return exploration and exploration.proposer

    names: list[str] = []
    assert await begun() is Proposer.environment
    assert await begun(compose={"propose": "policy"}) is Proposer.policy
    world.corridor.samples = False
    assert await begun() is Proposer.policy
    with pytest.raises(
        InvalidInputError, match=r"compose\.propose is environment, but alfworld cannot draw random actions"
    ):
        await begun(compose={"propose": "environment"})
    with pytest.raises(NotFoundError, match=r"has no worked example.*round0\.preamble"):
        await begun(round0={"mode": "few_shot"})
    with pytest.raises(NotFoundError, match=r"no file missing\.txt, which round0\.preamble names"):
        await begun(round0={"mode": "few_shot", "preamble": "missing.txt"})


async def test_reasons_can_be_left_out_and_the_policy_unasked(gateway: Gateway, world: World) -> None:
    rules = Exploration(p=1.0, invalid_streak=None, reasons=False, avoid_policy_action=False)
    episode = await play(replace(exploring(p=1.0), exploration=rules), gateway)
    assert {(s.reason_by, s.thought, s.policy_action) for s in episode.steps} == {("none", None, None)}
    assert world.policy.batches == []


async def test_an_episode_ends_after_too_many_invalid_actions(gateway: Gateway, world: World) -> None:
    world.policy.choose = lambda _: ""
    episode = await play(plan_of(max_invalid=2), gateway)
    assert (len(episode.steps), episode.stop_reason, episode.success) == (2, StopReason.max_invalid, False)


async def test_demonstrations_get_their_reasons_afterwards(gateway: Gateway) -> None:
    episode = await play(plan_of(TrajectoryKind.demonstration, policy_version=None), gateway)
    assert episode.success
    assert {(s.source, s.reason_by, s.thought) for s in episode.steps} == {("expert", "none", None)}
    steps = await annotated_steps(episode, gateway)
    assert {s.reason_by for s in steps} == {"actre"}
    assert all(s.thought and s.action == old.action for s, old in zip(steps, episode.steps, strict=True))
    assert await annotated_steps(episode.model_copy(update={"steps": steps}), gateway) == steps


async def test_another_version_never_plays(gateway: Gateway, world: World) -> None:
    with pytest.raises(NotFoundError, match="no such adapter"):
        await play(plan_of(policy_version="r-r00"), gateway)
    world.policy.answers_as = "r-r01"
    with pytest.raises(UpstreamError, match="asked for version 'base'; 'r-r01' answered"):
        await play(plan_of(), gateway)


async def test_an_episode_without_a_version_stays_with_the_one_that_answers_first(
    gateway: Gateway, world: World
) -> None:
    asked: list[str | None] = []
    world.policy.watch = lambda turn: asked.append(turn.model)
    episode = await play(plan_of(policy_version=None), gateway)
    assert asked == [None, *["base"] * (len(episode.steps) - 1)]
    assert episode.policy_version == "base"


async def test_a_lost_session_starts_the_episode_again(gateway: Gateway, world: World) -> None:
    lost: list[str] = []

    def lose_once(history: History) -> str:
        if len(history.turns) == 2 and not lost:
            lost.append("now")
            return "break"
        return walk_right(history)

    world.policy.choose = lose_once
    original = gateway.step

    async def step(session_id: str, action: str, index: int) -> object:
        if action == "break":
            await gateway.env.close(session_id)
        return await original(session_id, action, index)

    gateway.step = step  # type: ignore[method-assign, assignment]
    episode = await play_with_restarts(plan_of(), gateway)
    assert lost
    assert [s.action for s in episode.steps] == ["go right"] * 3 + ["take flag"]


async def test_a_service_that_is_away_is_waited_for(gateway: Gateway, world: World) -> None:
    world.policy.faults.extend([503, 503, 503, 429])
    assert (await play(plan_of(), gateway)).success


async def test_patience_ends(world: World) -> None:
    away = replace(world.addresses, policy="http://127.0.0.1:1")
    async with Gateway(away, Limits(outage_seconds=0.5)) as gateway:
        with pytest.raises(UnavailableError, match="cannot be reached"):
            await play(plan_of(), gateway)


async def test_an_unknown_task_says_so(gateway: Gateway) -> None:
    with pytest.raises(UnplayableError, match="no task 'corridor-9'"):
        await play(plan_of(task_id="corridor-9"), gateway)


async def test_episodes_at_the_same_time_travel_together(gateway: Gateway, world: World) -> None:
    plans = [plan_of(seed=n) for n in range(24)]
    episodes = await asyncio.gather(*(play(plan, gateway) for plan in plans))
    assert all(e.success for e in episodes)
    assert sum(world.policy.batches) == 24 * 4
    assert max(world.policy.batches) > 4


async def test_a_query_right_after_an_answer_is_sent() -> None:
    """The sender that answered has just ended then: nobody must count on it."""

    async def send(queries: list[int]) -> list[int]:
        return [q * 2 for q in queries]

    double: Coalescer[int, int] = Coalescer(send, in_flight=1)
    async with asyncio.timeout(20):
        assert [await double(n) for n in range(100)] == [n * 2 for n in range(100)]
    assert double.sending == 0


async def test_a_query_never_waits_for_an_answer_that_will_not_come() -> None:
    async def broken(queries: list[int]) -> list[int]:
        if queries == [1]:
            raise ValueError("a bug of ours")
        return []

    double: Coalescer[int, int] = Coalescer(broken, in_flight=1)
    async with asyncio.timeout(20):
        with pytest.raises(ValueError, match="a bug of ours"):
            await double(1)
        with pytest.raises(UpstreamError, match="1 queries were sent, but 0 answers came back"):
            await double(2)


async def test_a_coalescer_hands_each_its_own_answer() -> None:
    async def send(queries: list[int]) -> list[int | Problem]:
        if 99 in queries:
            raise UnavailableError("away")
        return [Problem(title="", status=429, detail="full") if q == 5 else q * 2 for q in queries]

    double: Coalescer[int, int] = Coalescer(send, largest=4)
    results = await asyncio.gather(*(double(n) for n in range(10)), return_exceptions=True)
    assert isinstance(results.pop(5), OverloadedError)
    assert results == [0, 2, 4, 6, 8, 12, 14, 16, 18]
    with pytest.raises(UnavailableError):
        await double(99)
    assert await double(1) == 2


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path / 'a3t.db'}")
    opened.upgrade()
    recipe = parse_recipe({"name": "r", "environment": "alfworld", "limits": {"deliveries": 2, "outage_seconds": 1}})
    with opened.session() as session:
        create_run(session, "r", recipe, "", {})
        tasks = ["corridor-3", "corridor-4", "corridor-77"]
        plan_work(session, KEY, [Plan(t, "", "train", "policy", 0, "base") for t in tasks])
    yield opened
    opened.close()


KEY = PhaseKey("r", 1, "rollout")


def settings_of(world: World, **changes: object) -> OrchestratorSettings:
    a = world.addresses
    values = {"env_url": a.env, "policy_url": a.policy, "actre_url": a.actre, "token": TOKEN, "lease_seconds": 5}
    return OrchestratorSettings.model_validate(values | changes)


async def test_a_chunk_stores_each_episode_once_and_gives_up_on_a_poisoned_one(world: World, store: Store) -> None:
    with store.session() as session:
        ids = dispatchable(session, KEY)
    first = await run_chunk(store, settings_of(world), "r", ids, "a")
    assert (first.done, first.failed, first.skipped) == (2, 1, 0)
    second = await run_chunk(store, settings_of(world), "r", ids, "b")
    assert (second.done, second.failed, second.skipped) == (0, 0, 3)
    with store.session() as session:
        assert phase_counts(session, KEY) == {"done": 2, "lost": 1}
        assert count_trajectories(session, EpisodeFilter(run="r", success=True)) == 2
        lost = session.scalars(select(WorkItem).where(WorkItem.state == "lost")).one()
        assert "corridor-77" in str(lost.error)


@pytest.mark.parametrize("broken", ["game", "upstream", "our own code"])
async def test_what_always_fails_costs_bounded_attempts_and_is_told(
    world: World, store: Store, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    words = "the engine broke"
    if broken == "game":
        world.policy.choose = lambda _: "break"  # the corridor's engine dies of it
    elif broken == "upstream":
        world.policy.faults.extend([502] * 1000)
        words = "scripted"
    else:

        async def play_badly(*_: object) -> None:
            raise KeyError("thought")

        monkeypatch.setattr(chunk, "play_with_restarts", play_badly)
        words = "KeyError: 'thought'"
    with store.session() as session:
        [item] = session.scalars(select(WorkItem.id).where(WorkItem.task_id == "corridor-3"))
    reports = [await run_chunk(store, settings_of(world), "r", [item], f"w{n}") for n in range(3)]
    assert [(r.done, r.failed, r.skipped) for r in reports] == [(0, 1, 0), (0, 1, 0), (0, 0, 1)]
    with store.session() as session:
        [lost] = list_failures(session, "r")
        assert (lost.task_id, lost.attempts) == ("corridor-3", 2)
        assert words in lost.reason


async def test_nothing_of_a_paused_or_removed_run_is_played(world: World, store: Store) -> None:
    with store.session() as session:
        ids = dispatchable(session, KEY)
        touch_run(session, "r", status="running")
        request_pause(session, "r")
    assert (await run_chunk(store, settings_of(world), "r", ids, "a")).skipped == 3
    assert (await run_chunk(store, settings_of(world), "gone", ids, "a")).skipped == 3
    with store.session() as session:
        assert phase_counts(session, KEY) == {"pending": 3}


async def test_what_can_never_be_played_is_given_up_at_once(world: World, store: Store) -> None:
    with store.session() as session:
        items = [item.id for item in session.scalars(select(WorkItem).where(WorkItem.task_id == "corridor-4"))]
    world.corridor.unplayable.add("corridor-4")
    try:
        report = await run_chunk(store, settings_of(world), "r", items, "a")
    finally:
        world.corridor.unplayable.clear()
    assert report.failed == 1
    with store.session() as session:
        lost = session.scalars(select(WorkItem).where(WorkItem.state == "lost")).one()
        assert (lost.task_id, lost.attempts) == ("corridor-4", 1)
        told = [event.message for event in events(session, "r") if event.kind == "dead_letter"]
    assert len(told) == 1
    assert "after 1 delivery: The plan of corridor-4 was changed." in told[0]


async def test_a_task_that_is_no_longer_there_is_given_up_at_once(world: World, store: Store) -> None:
    with store.session() as session:
        items = [item.id for item in session.scalars(select(WorkItem).where(WorkItem.task_id == "corridor-4"))]
    task = world.corridor._tasks.pop("corridor-4")
    try:
        report = await run_chunk(store, settings_of(world), "r", items, "a")
    finally:
        world.corridor._tasks["corridor-4"] = task
    assert report.failed == 1
    with store.session() as session:
        lost = session.scalars(select(WorkItem).where(WorkItem.state == "lost")).one()
    assert (lost.task_id, lost.attempts) == ("corridor-4", 1)


async def test_a_cancelled_chunk_gives_its_items_back(world: World, store: Store) -> None:
    waiting = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stall(_: History) -> str:
        loop.call_soon_threadsafe(waiting.set)
        return "go left"

    world.policy.choose = stall
    mine = trajectory_id("r", 1, "corridor-3", "policy", 0)
    chunk = asyncio.create_task(run_chunk(store, settings_of(world), "r", [mine], "a"))
    await waiting.wait()
    chunk.cancel()
    with pytest.raises(asyncio.CancelledError):
        await chunk
    with store.session() as session:
        item = session.scalars(select(WorkItem).where(WorkItem.id == mine)).one()
        assert (item.state, item.attempts) == ("pending", 0)
        assert session.scalars(select(TrajectoryRow)).all() == []


@pytest.fixture
def gate(postgres: PostgresServer) -> Iterator[TcpGate]:
    opened = TcpGate(postgres.port)
    yield opened
    opened.close()


@pytest.fixture
def distant(postgres: PostgresServer, gate: TcpGate) -> Iterator[Store]:
    """A store behind the gate that waits a second for it, with one episode to run."""
    url = make_url(postgres.fresh_database()).set(port=gate.port)
    opened = Store(url.render_as_string(), patience=1)
    opened.upgrade()
    with opened.session() as session:
        create_run(session, "r", parse_recipe({"name": "r", "environment": "alfworld"}), "", {})
        plan_work(session, KEY, [Plan("corridor-3", "", "train", "policy", 0, "base")])
    yield opened
    gate.open()
    opened.close()


MINE = trajectory_id("r", 1, "corridor-3", "policy", 0)


async def test_an_episode_outlasts_a_database_that_goes_and_comes_back(
    world: World, distant: Store, gate: TcpGate
) -> None:
    def cut(history: History) -> str:
        if not history.turns:
            gate.shut()
        return walk_right(history)

    world.policy.choose, distant.patience = cut, 60
    chunk = asyncio.create_task(run_chunk(distant, settings_of(world), "r", [MINE], "a"))
    assert await asyncio.to_thread(gate.refused.wait, 60)
    gate.open()
    report = await chunk
    assert (report.done, report.failed) == (1, 0)
    with distant.session() as session:
        assert phase_counts(session, KEY) == {"done": 1}
        assert session.scalars(select(WorkItem.attempts)).all() == [1]


async def test_a_database_that_stays_away_costs_one_line_and_nothing_else(
    world: World, distant: Store, gate: TcpGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(history: History) -> str:
        gate.shut()
        return walk_right(history)

    world.policy.choose = cut
    monkeypatch.setattr(tasks, "store_and_settings", lambda: (distant, settings_of(world)))
    with capture_logs() as lines:
        await asyncio.to_thread(tasks.run_episodes, "r", [MINE])
    (told,) = [line for line in lines if line["log_level"] == "error"]
    assert told["event"] == "chunk.failed"
    assert "cannot be used" in told["error"]
    assert "A3T_DATABASE_URL" in told["error"]
    assert "\n" not in told["error"]
    gate.open()
    with distant.session() as session:
        item = session.scalars(select(WorkItem)).one()
        assert (item.state, item.attempts) == ("running", 1), "its lease ends, and the driver sends it again"


async def test_the_same_request_again_is_the_same_run(world: World, store: Store) -> None:
    def request(name: str | None = "n", seed: int = 0) -> RunCreate:
        recipe = {"name": "r", "environment": "alfworld", "base_model": "base", "round0": {"mode": "none"}}
        data = {"split": "train", "held_out": []}
        return RunCreate(recipe=recipe | {"data": data}, name=name, overrides=[f"seed={seed}"])

    async def begun(request: RunCreate, key: str | None = None) -> tuple[str, bool]:
        found = await begin_requested(store, settings_of(world), request, key)
        return found.run.name, found.new

    assert await begun(request()) == ("n", True)
    assert await begun(request()) == ("n", False)
    with pytest.raises(ConflictError, match=r"already a run 'n' with another recipe"):
        await begun(request(seed=1))
    name, new = await begun(request(name=None), key="k")
    assert (await begun(request(name=None), key="k"), new) == ((name, False), True)
    with pytest.raises(InvalidInputError, match="Idempotency-Key was used for another request"):
        await begun(request(name=None, seed=1), key="k")
    at_once = await asyncio.gather(*(begun(request(name="m"), key="l") for _ in range(4)))
    assert [found for found, _ in at_once] == ["m"] * 4
    assert sum(made for _, made in at_once) == 1
    world.policy.loaded = {"another"}
    with pytest.raises(NotFoundError, match="serves the base model another, but the recipe needs base"):
        await begun(request(name="o"))
    with store.session() as session:
        assert get_run(session, "n").status == "queued"
