"""Sessions: counting, repetition, order, end."""

from __future__ import annotations

import asyncio
import json

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from a3t_contracts.errors import ConflictError, GoneError, InvalidInputError, NotFoundError, Problem, UpstreamError
from a3t_contracts.logging import configure_logging
from a3t_contracts.schemas import Origin, SampleRequest, SessionStep, StepResult
from a3t_contracts.tracing import use
from tests.env.service.conftest import Clock, ManagerFactory, walk
from tests.support.corridor import CorridorEnvironment

pytestmark = pytest.mark.parametrize("engine", ["native", "official"])
WIN = ["go right", "go right", "take flag"]


async def test_an_episode_runs_to_success(make_manager: ManagerFactory, engine: str) -> None:
    manager = make_manager()
    opened = await manager.create(walk(engine=engine, include_actions=True))
    results = [await manager.step(opened.id, action, index) for index, action in enumerate(WIN)]
    assert opened.actions == ["go right"]
    assert [r.index for r in results] == [0, 1, 2]
    assert [r.actions for r in results] == [["go left", "go right"], ["go left", "take flag"], ["go left", "take flag"]]
    assert results[-1].done
    assert results[-1].success
    info = await manager.info(opened.id)
    assert (info.steps, info.reward, info.done, info.success, info.engine) == (3, 1.0, True, True, engine)
    assert info.observation == "You won!"


async def test_the_step_cap_ends_the_episode_without_success(make_manager: ManagerFactory, engine: str) -> None:
    manager = make_manager()
    opened = await manager.create(walk(engine=engine, max_steps=2))
    first = await manager.step(opened.id, "fly away")
    last = await manager.step(opened.id, "go right")
    assert (first.valid, first.done, first.observation) == (False, False, "Nothing happens.")
    assert (last.done, last.success, last.info) == (True, False, {"truncated": True})


async def test_success_on_the_last_allowed_step_counts(make_manager: ManagerFactory, engine: str) -> None:
    manager = make_manager()
    opened = await manager.create(walk(engine=engine, max_steps=3))
    last = [await manager.step(opened.id, action) for action in WIN][-1]
    assert (last.done, last.success, last.info) == (True, True, {})


async def test_a_step_sent_again_is_made_once(make_manager: ManagerFactory, engine: str) -> None:
    manager = make_manager()
    opened = await manager.create(walk(engine=engine))
    first = await manager.step(opened.id, "go right", 0)
    again = await manager.step(opened.id, "go right", 0)
    assert again == first
    with_actions = await manager.step(opened.id, "go right", 0, include_actions=True)
    assert with_actions.actions == ["go left", "go right"]
    assert (await manager.info(opened.id)).steps == 1


async def test_the_last_step_can_be_sent_again_after_the_end(make_manager: ManagerFactory, engine: str) -> None:
    manager = make_manager()
    opened = await manager.create(walk(engine=engine))
    won = [await manager.step(opened.id, action, index) for index, action in enumerate(WIN)][-1]
    assert await manager.step(opened.id, "take flag", 2) == won
    for index in (None, 3):
        with pytest.raises(ConflictError, match="is over after 3 steps"):
            await manager.step(opened.id, "go left", index)


@pytest.mark.parametrize(
    ("action", "index", "message"),
    [
        ("go left", 1, "Step 1 .* was carried out with another action"),
        ("go right", 0, "Step 0 .* is out of order"),
        ("go right", 3, "Step 3 .* is out of order"),
    ],
)
async def test_other_indices_are_conflicts(
    make_manager: ManagerFactory, engine: str, action: str, index: int, message: str
) -> None:
    manager = make_manager()
    opened = await manager.create(walk(engine=engine))
    await manager.step(opened.id, "go right", 0)
    await manager.step(opened.id, "go right", 1)
    with pytest.raises(ConflictError, match=message) as caught:
        await manager.step(opened.id, action, index)
    assert caught.value.extra == {"next_index": 2}
    assert (await manager.info(opened.id)).steps == 2


async def test_actions_samples_and_the_expert_change_nothing(make_manager: ManagerFactory, engine: str) -> None:
    manager = make_manager()
    opened = await manager.create(walk(engine=engine))
    await manager.step(opened.id, "go right")
    assert await manager.actions(opened.id) == ["go left", "go right"]
    assert await manager.expert(opened.id) == "go right"
    drawn = {await manager.sample(opened.id, SampleRequest(seed=seed)) for seed in range(20)}
    assert drawn == {"go left", "go right"}
    request = SampleRequest(seed=3, avoid="go left")
    assert await manager.sample(opened.id, request) == "go right" == await manager.sample(opened.id, request)
    assert (await manager.info(opened.id, include_actions=True)).actions == ["go left", "go right"]
    assert (await manager.info(opened.id)).steps == 1


async def test_closed_and_unknown_sessions_differ(
    make_manager: ManagerFactory, corridor: CorridorEnvironment, engine: str
) -> None:
    manager = make_manager()
    opened = await manager.create(walk(engine=engine))
    await manager.close(opened.id)
    await manager.close(opened.id)
    assert len(manager) == 0
    assert not corridor.running
    with pytest.raises(GoneError, match="is closed"):
        await manager.step(opened.id, "go right")
    with pytest.raises(NotFoundError, match="There is no session '0-never'") as caught:
        await manager.step("0-never", "go right")
    assert "restart" in str(caught.value)
    with pytest.raises(NotFoundError):
        await manager.close("0-never")


async def test_only_the_latest_closed_ids_are_remembered(make_manager: ManagerFactory, engine: str) -> None:
    manager = make_manager(remembered_ids=2)
    ids = [(await manager.create(walk(engine=engine))).id for _ in range(3)]
    for session_id in ids:
        await manager.close(session_id)
    with pytest.raises(NotFoundError):
        await manager.actions(ids[0])
    with pytest.raises(GoneError):
        await manager.actions(ids[1])


async def test_an_engine_that_breaks_ends_its_session_alone(
    make_manager: ManagerFactory, corridor: CorridorEnvironment, engine: str
) -> None:
    manager = make_manager()
    broken, other = [await manager.create(walk(engine=engine)) for _ in range(2)]
    with pytest.raises(UpstreamError, match="RuntimeError: the engine broke"):
        await manager.step(broken.id, "break")
    with pytest.raises(GoneError, match="its engine failed"):
        await manager.step(broken.id, "go right")
    assert (await manager.step(other.id, "go right")).valid
    assert len(manager) == 1


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"task_id": "corridor-99"}, NotFoundError),
        ({"environment": "webshop"}, NotFoundError),
        ({"options": {"mode": "loud"}}, InvalidInputError),
    ],
)
async def test_a_session_that_cannot_start_holds_no_place(
    make_manager: ManagerFactory, engine: str, fields: dict[str, object], error: type[Exception]
) -> None:
    manager = make_manager(max_sessions=1)
    with pytest.raises(error):
        await manager.create(walk(**{"engine": engine, **fields}))
    assert (await manager.create(walk(engine=engine))).steps == 0


async def test_an_unknown_engine_names_those_there_are(make_manager: ManagerFactory, engine: str) -> None:
    manager = make_manager()
    with pytest.raises(InvalidInputError, match="no engine 'quantum'") as caught:
        await manager.create(walk(engine="quantum"))
    assert engine in str(caught.value)


async def test_a_batch_answers_in_order_with_problems_in_place(make_manager: ManagerFactory, engine: str) -> None:
    manager = make_manager()
    first, second = [(await manager.create(walk(engine=engine))).id for _ in range(2)]
    steps = [
        SessionStep(session_id=second, action="go right", index=0),
        SessionStep(session_id="0-never", action="look"),
        SessionStep(session_id=first, action="go right"),
        SessionStep(session_id=first, action="go right"),
        SessionStep(session_id=second, action="go right", index=1),
        SessionStep(session_id=second, action="take flag", index=2),
    ]
    results = await manager.step_many(steps, include_actions=True)
    assert [r.status if isinstance(r, Problem) else r.observation for r in results] == [
        "You are in room 1.",
        404,
        "You are in room 1.",
        409,
        "You are in room 2.",
        "You won!",
    ]
    assert isinstance(results[0], StepResult)
    assert results[0].actions == ["go left", "go right"]


async def test_a_large_batch_lets_others_on_the_loop(make_manager: ManagerFactory, clock: Clock, engine: str) -> None:
    manager = make_manager()
    ids = [(await manager.create(walk(engine=engine))).id for _ in range(100)]
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            clock.now += 1.0  # the batch believes that each step is slow
            await asyncio.sleep(0)

    neighbour = asyncio.create_task(others())
    await asyncio.sleep(0)
    clock.now += 1.0
    results = await manager.step_many([SessionStep(session_id=i, action="go right") for i in ids])
    neighbour.cancel()
    assert len(results) == 100
    assert turns >= 1


async def test_a_session_is_given_another_episode(
    make_manager: ManagerFactory, corridor: CorridorEnvironment, engine: str
) -> None:
    manager = make_manager(max_sessions=1)
    opened = await manager.create(walk(engine=engine))
    await manager.step(opened.id, "go right", 0)
    again = await manager.restart(opened.id, walk(5, engine=engine))
    assert (again.id, again.steps, again.task.id) == (opened.id, 0, "corridor-5")
    assert (len(manager), len(corridor.running)) == (1, 1)
    with pytest.raises(UpstreamError):
        await manager.step(opened.id, "break", 0)
    assert (await manager.restart(opened.id, walk(engine=engine))).observation == opened.observation
    with pytest.raises(NotFoundError):
        await manager.restart("0-never", walk(engine=engine))
    with pytest.raises(NotFoundError, match="corridor-9"):
        await manager.restart(opened.id, walk(9, engine=engine))
    with pytest.raises(GoneError, match="is being restarted"):
        await manager.info(opened.id)
    await manager.restart(opened.id, walk(engine=engine))


async def test_a_session_is_started_anew_once_at_a_time(
    make_manager: ManagerFactory, corridor: CorridorEnvironment, engine: str
) -> None:
    manager = make_manager()
    opened = await manager.create(walk(engine=engine))
    corridor.gate.open.clear()
    first = asyncio.create_task(manager.restart(opened.id, walk(engine=engine)))
    await asyncio.to_thread(corridor.gate.entered.wait)
    with pytest.raises(ConflictError, match="is being started"):
        await manager.restart(opened.id, walk(4, engine=engine))
    corridor.gate.open.set()
    assert (await first).task.id == "corridor-3"
    assert len(corridor.running) == 1


async def test_what_a_session_logs_names_its_episode(
    make_manager: ManagerFactory, engine: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Steps come in batches of many episodes, so that the request cannot say it."""
    configure_logging("env", "INFO", json=True)
    try:
        manager = make_manager()
        origin = Origin(run="demo", episode="e1")
        broken, other = (
            await manager.create(walk(engine=engine, origin=origin)),
            await manager.create(walk(engine=engine)),
        )
        steps = [SessionStep(session_id=s.id, action="break", index=0) for s in (broken, other)]
        await manager.step_many(steps)
    finally:
        configure_logging("test", "WARNING")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    failed = {line["session"]: line for line in lines if line["event"] == "session.failed"}
    assert (failed[broken.id]["run"], failed[broken.id]["episode"]) == ("demo", "e1")
    assert "episode" not in failed[other.id]


@pytest.mark.parametrize("content", [False, True])
async def test_a_step_is_a_span_below_its_episode(make_manager: ManagerFactory, engine: str, content: bool) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    use(provider.get_tracer("test"), content)
    try:
        parent = f"00-{1:032x}-{2:016x}-01"
        manager = make_manager()
        session = await manager.create(walk(engine=engine, origin=Origin(run="demo", episode="e1", traceparent=parent)))
        made = await manager.step(session.id, "go right", 0)
        await manager.step(session.id, "go right", 0)
        with pytest.raises(UpstreamError):
            await manager.step(session.id, "break", 1)
    finally:
        use(None)
    step, broken = exporter.get_finished_spans()
    assert step.parent is not None
    assert (step.parent.trace_id, step.parent.span_id) == (1, 2)
    told = dict(step.attributes or {})
    assert step.name == f"execute_tool {session.task.environment}"
    assert told["gen_ai.operation.name"] == "execute_tool"
    assert (told["gen_ai.conversation.id"], told["a3t.run"], told["a3t.step"]) == ("e1", "demo", 0)
    assert (told["a3t.valid"], told["a3t.done"]) == (True, False)
    texts = ("go right", made.observation) if content else (None, None)
    assert (told.get("gen_ai.tool.call.arguments"), told.get("gen_ai.tool.call.result")) == texts
    assert dict(broken.attributes or {})["error.type"] == "UpstreamError"
