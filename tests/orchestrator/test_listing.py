"""Lists of trajectories: filters, orders, pages and full-text search; on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, text

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.schemas import ReasonBy, Source, Step, StopReason, Trajectory, TrajectoryKind, Trigger
from a3t_orchestrator.recipe import parse_recipe
from a3t_orchestrator.store import (
    EpisodeFilter,
    Order,
    Run,
    Store,
    annotate_trajectory,
    copy_phase,
    count_trajectories,
    create_run,
    get_trajectory,
    list_trajectories,
    neighbours,
    open_round,
    page_of_trajectories,
    phases_of,
    plan_work,
    save_trajectory,
)
from a3t_orchestrator.store.search import search_terms, term_pattern
from a3t_orchestrator.store.work import PhaseKey, Plan
from tests.support.postgres import PostgresServer

RECIPE = parse_recipe({"name": "x", "environment": "shop"})
START = datetime(2026, 1, 1, tzinfo=UTC)
TEXTS = [
    ("You see a mug 1, and a sinkbasin 1.", "I need the mug.", "take mug 1 from shelf 2"),
    ("You see mugs.", None, "go to shelf 12"),
    ("Price: $29.99. Don’t buy and/or B09XYZ!", "It's a bargain", "click[Buy Now]"),
    ("Ein Fluß, ein Café – 東京 tower", None, "look"),
    ("Nothing_here at http://example.com/mug", None, "wait"),
]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Episodes 0 to 4, one with each of the texts."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('listing') / 'a3t.db'}"
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.fresh_database()
    opened = Store(url)
    opened.upgrade()
    with opened.session() as session:
        create_run(session, "x-1", RECIPE, "abc", {})
        for number in range(len(TEXTS)):
            save_trajectory(session, "", episode(number), phase="compose")
    yield opened
    opened.close()


def episode(number: int, run: str = "x-1") -> Trajectory:
    observation, thought, action = TEXTS[number]
    step = Step(
        index=0,
        observation=observation,
        thought=thought,
        action=action,
        source=Source.sampled if number % 2 else Source.policy,
        trigger=Trigger.coin if number % 2 else None,
        reason_by=ReasonBy.none,
        valid=number != 3,
        made_up_observation=number == 4,
    )
    return Trajectory(
        id=f"{number:024x}",
        run=run,
        round=number // 2,
        environment="shop",
        split="train",
        task_id=f"task{number}",
        task_type="even" if number % 2 == 0 else "odd",
        kind=TrajectoryKind.composed,
        steps=[step] * (1 + number % 3),
        final_observation="The end.",
        reward=number % 2 / 2,
        success=number == 0,
        stop_reason=StopReason.success if number == 0 else StopReason.max_steps,
        created_at=START + timedelta(minutes=number),
        seconds=float(number),
    )


def found(store: Store, **where: object) -> list[int]:
    with store.session() as session:
        chosen = EpisodeFilter(**{"run": "x-1", **where})  # type: ignore[arg-type]
        rows = list_trajectories(session, chosen)
        assert count_trajectories(session, chosen) == len(rows)
        return [int(row.id, 16) for row in rows]


@pytest.mark.parametrize(
    ("where", "numbers"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"round": 1}, [2, 3]),
        ({"task_type": "odd"}, [1, 3]),
        ({"stop_reason": "success"}, [0]),
        ({"success": False}, [1, 2, 3, 4]),
        ({"sampled": True}, [1, 3]),
        ({"sampled": False}, [0, 2, 4]),
        ({"invalid": True}, [3]),
        ({"made_up": True}, [4]),
        ({"sampled": True, "invalid": False}, [1]),
        ({"run": "x\0"}, []),
    ],
)
def test_filters(store: Store, where: dict[str, object], numbers: list[int]) -> None:
    assert found(store, **where) == numbers


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("mug", [0, 4]),
        ("MUG shelf", [0]),
        ("mug*", [0, 1, 4]),
        ('"mug 1"', [0]),
        ('"shelf 1"', []),
        ("shelf -mug", [1]),
        ("-mug", [1, 2, 3]),
        ("29.99", [2]),
        ("buy-now", [2]),
        ("click[Buy Now]", [2]),
        ("or b09xyz don't", [2]),
        ("café 東京", [3]),
        ("FLUSS", []),
        ("nothing", [4]),
        ("example com", [4]),
        ("the end", [0, 1, 2, 3, 4]),
        ("nowhere", []),
    ],
)
def test_words_are_found(store: Store, query: str, numbers: list[int]) -> None:
    assert found(store, search=query) == numbers


@pytest.mark.parametrize(
    "query",
    [
        "", " ", "!!!", "\"", "\"\"", "\"mug", "mug\"'", "'; DROP TABLE trajectories; --", "\\", "\0", "mug\0", "*",
        "-", "--", "a:b",
        "mug & | ! <-> shelf:*", "NEAR(mug, 2)", "text : mug", "mug AND", "OR NOT", "(((", "^mug", "%_%",
        "\ud800", "\u202emug", "\N{COMBINING ACUTE ACCENT}", "𝕞𝕦𝕘", "🍵", "²", "x" * 5000, "é" * 400, "東" * 400,
        "a " * 400, "-a " * 300, '"a b" ' * 100, "1e400 0x1f -5 +3 1.2.3.4", "://", "<script>alert(1)</script>",
    ],
)  # fmt: skip
def test_no_query_is_an_error(store: Store, query: str) -> None:
    found(store, search=query)
    assert found(store) == [0, 1, 2, 3, 4]
    term_pattern(search_terms(query))


def test_the_index_follows_what_is_stored(store: Store) -> None:
    with store.session() as session:
        create_run(session, "x-2", RECIPE, "abc", {})
        key = PhaseKey("x-2", 0, "demonstrate")
        open_round(session, "x-2", 0)
        plan_work(session, key, [Plan("t", "even", "train", "demonstration", 0, None)])
        first = episode(0, "x-2").model_copy(update={"id": "f" * 24, "round": 0, "task_id": "t"})
        save_trajectory(session, "f" * 24, first, phase="demonstrate", annotated=False)
    assert found(store, run="x-2", search="sinkbasin") == [int("f" * 24, 16)]

    steps = [s.model_copy(update={"thought": "Zanzibar"}) for s in first.steps]
    with store.session() as session:
        annotate_trajectory(session, "f" * 24, "f" * 24, steps)
    assert found(store, run="x-2", search="zanzibar sinkbasin -need") == [int("f" * 24, 16)]

    with store.session() as session:
        create_run(session, "x-3", RECIPE, "abc", {})
        for phase in phases_of(session, "x-2"):
            copy_phase(session, phase, "x-3")
    assert len(found(store, run="x-3", search="zanzibar")) == 1

    with store.session() as session:
        session.execute(delete(Run).where(Run.name.in_(["x-2", "x-3"])))
        left = session.execute(text("SELECT count(*) FROM trajectory_search")).scalar()
    assert found(store, run=None, search="zanzibar") == []
    assert left == len(TEXTS)


def test_an_episode_beyond_what_the_index_takes_is_stored(store: Store) -> None:
    words = " ".join(f"w{n:x}ord" for n in range(150_000))
    step = episode(0).steps[0].model_copy(update={"observation": words})
    with store.session() as session:
        create_run(session, "long", RECIPE, "abc", {})
        long = episode(0, "long").model_copy(update={"id": "e" * 24, "steps": [step]})
        assert save_trajectory(session, "", long, phase="compose")
    assert len(found(store, run="long", search="w0ord w1ff0ord")) == 1
    with store.session() as session:
        session.execute(delete(Run).where(Run.name == "long"))


@pytest.mark.parametrize(
    "written",
    ["a mug\0 here", "\0", "\\u0000 and \\\0", "mug \U0010fffe \U0010ffff\0\U0010fffe0", "\x01\x7f\ufffd 東京 \ud7ff"],
)
def test_what_a_model_writes_is_kept_to_the_character(store: Store, written: str) -> None:
    turn = episode(0).steps[0].model_copy(update={"thought": written, "action": written, "completion": written})
    odd = episode(0, "odd").model_copy(
        update={"id": "d" * 24, "steps": [turn], "metadata": {"note": [{"said": written}]}}
    )
    with store.session() as session:
        create_run(session, "odd", RECIPE, "abc", {})
        assert save_trajectory(session, "", odd, phase="compose")
    with store.session() as session:
        read = get_trajectory(session, "d" * 24)
    assert (read.steps, read.metadata) == (odd.steps, odd.metadata)
    assert len(found(store, run="odd", search="sinkbasin")) == 1
    with store.session() as session:
        session.execute(delete(Run).where(Run.name == "odd"))


@pytest.mark.parametrize("order", list(Order))
def test_pages_follow_each_other_in_every_order(store: Store, order: Order) -> None:
    where = EpisodeFilter(run="x-1")
    with store.session() as session:
        whole = [row.id for row in list_trajectories(session, where, order=order)]
        seen, page = [], page_of_trajectories(session, where, order, limit=2)
        assert page.previous is None
        while True:
            seen += [row.id for row in page.rows]
            assert (page.total, page.first) == (5, len(seen) - len(page.rows) + 1)
            if page.next is None:
                break
            page = page_of_trajectories(session, where, order, page.next, limit=2)
        assert seen == whole
        back = page_of_trajectories(session, where, order, page.previous, limit=2)
        assert [row.id for row in back.rows] == whole[2:4]
        assert back.first == 3
        values = [getattr(row, order.column.key) for row in list_trajectories(session, where, order=order)]
        assert values == sorted(values, reverse=order.descending)
        rows = list_trajectories(session, where, order=order)
        assert [r and r.id for r in neighbours(session, rows[0], where, order)] == [None, whole[1]]
        assert [r and r.id for r in neighbours(session, rows[2], where, order)] == [whole[1], whole[3]]


@pytest.mark.parametrize(
    "cursor", ["x", "é", "W10", "bnVsbA", "WyJyZXdhcmQiLDEuMCwxLDAsZmFsc2Vd", "WyJjcmVhdGVkX2F0IiwxZTQwMCwxLDBd", "{}"]
)
def test_a_wrong_cursor_is_refused(store: Store, cursor: str) -> None:
    with store.session() as session, pytest.raises(InvalidInputError, match="not a cursor of a list"):
        page_of_trajectories(session, EpisodeFilter(), Order.oldest, cursor)


def test_what_was_found_is_shown(tmp_path: Path) -> None:
    pattern = term_pattern(search_terms('mug "shelf 2" -lamp buy*'))
    assert pattern is not None
    assert pattern.findall("Mug, mugs; SHELF-2; lamp; buying") == ["Mug", "SHELF-2", "buy"]
    assert term_pattern(search_terms("-lamp")) is None
