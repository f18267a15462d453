"""Ten odd files of others, each of another shape: every record is read, or refused by line and reason."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.schemas import Trajectory
from a3t_orchestrator.interchange.intake import Imported, ImportOrder, import_file
from a3t_orchestrator.store import EpisodeFilter, Store, iter_trajectories, trajectory_ids


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path / 'odd.db'}")
    opened.upgrade()
    yield opened
    opened.close()


def chat(*turns: tuple[str, Any], **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content} for role, content in turns], **more}


def taken(store: Store, file: Path, content: bytes, **order: Any) -> tuple[Imported, list[Trajectory]]:
    file.write_bytes(content)
    done = import_file(store, file, ImportOrder("odd", environment="kitchen", **order))
    with store.session() as session:
        return done, list(iter_trajectories(session, trajectory_ids(session, EpisodeFilter(run="odd"))))


def lines(*rows: Any) -> bytes:
    return "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows).encode()


def actions(episode: Trajectory) -> list[str]:
    return [step.action for step in episode.steps]


def test_mixed_roles(store: Store, tmp_path: Path) -> None:
    """Names of two conventions in one chat, upper case, two messages of one side in a row."""
    row = {
        "conversations": [
            {"from": "System", "value": "You cook."},
            {"role": "USER", "content": "A kitchen."},
            {"from": "environment", "value": "Your task is to: boil an egg."},
            {"role": "model", "text": "Thought: Water first.\nAction: fill pot"},
            {"role": "function", "content": "The pot is full."},
            {"from": "bot", "value": "Action: boil egg"},
        ]
    }
    _, (episode,) = taken(store, tmp_path / "x.jsonl", lines(row))
    assert (episode.preamble, actions(episode)) == ("You cook.", ["fill pot", "boil egg"])
    assert episode.steps[0].observation == "A kitchen.\nYour task is to: boil an egg."


def test_tool_calls_of_several_kinds(store: Store, tmp_path: Path) -> None:
    calls = [
        {"id": "1", "function": {"name": "goto", "arguments": '{"place": "stove 1", "fast": true}'}},
        {"name": "look", "arguments": {}},
    ]
    messages = [
        {"role": "user", "content": "A kitchen."},
        {"role": "assistant", "content": "I go.", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "You are there."}]},
        {"role": "assistant", "tool_calls": [{"function": {"name": "act", "arguments": '{"action": "boil egg"}'}}]},
    ]
    _, (episode,) = taken(store, tmp_path / "x.jsonl", lines({"messages": messages}))
    assert actions(episode) == ['goto({"place": "stove 1", "fast": true}); look()', "boil egg"]
    assert [step.thought for step in episode.steps] == ["I go.", None]


def test_a_byte_order_mark_windows_line_ends_and_empty_lines(store: Store, tmp_path: Path) -> None:
    rows = [chat(("user", "A kitchen."), ("assistant", f"open drawer {n}")) for n in range(3)]
    content = b"\xef\xbb\xbf\r\n" + b"\r\n\r\n \r\n".join(json.dumps(row).encode() for row in rows) + b"\r\n\r\n"
    done, episodes = taken(store, tmp_path / "x.jsonl", content)
    assert (done.episodes, [actions(one) for one in episodes]) == (3, [[f"open drawer {n}"] for n in range(3)])


def test_a_packed_array_under_a_wrong_name(store: Store, tmp_path: Path) -> None:
    rows = [chat(("user", "A kitchen."), ("assistant", "open drawer")), {"item_id": "x_1", "conversations": []}]
    packed = gzip.compress(json.dumps(rows, indent=1).encode())
    with pytest.raises(InvalidInputError, match="record 2: it has no message of an agent"):
        taken(store, tmp_path / "x.txt", packed)
    assert taken(store, tmp_path / "x.txt", packed, skip_broken=True)[0].episodes == 1


def test_nested_metadata(store: Store, tmp_path: Path) -> None:
    """What stands beside an episode under names of ours, but of another form, is no reason to guess."""
    row = chat(("user", "A kitchen."), ("assistant", "open drawer"), metadata={"a": {"b": [{"c": None}]}}, id={"x": 1})
    _, (episode,) = taken(store, tmp_path / "x.jsonl", lines(row | {"task": {"goal": ["egg"]}, "score": [0.5]}))
    assert (actions(episode), episode.task_id[:8]) == (["open drawer"], "unnamed-")


def test_wrong_types(store: Store, tmp_path: Path) -> None:
    good = [("user", "A kitchen."), ("assistant", "open drawer")]
    rows = {
        'line 2: reward: a number was expected, not "high"': chat(*good, reward="high"),
        "line 3: success: true or false was expected": chat(*good, success="yes"),
        "line 4: messages[1]: text was expected, not a number": chat(("user", "x"), ("assistant", 5)),
        "line 5: messages: a list of messages was expected, not an object": {"messages": {"role": "user"}},
        "line 6: a JSON object was expected, not list": [],
        "line 7: its format is unknown; its keys are: trajectory, score": {"trajectory": [], "score": 1},
        "line 8: environment:": chat(*good, environment=["kitchen"]),
    }
    content = lines(chat(*good), *rows.values())
    with pytest.raises(InvalidInputError) as refused:
        taken(store, tmp_path / "x.jsonl", content)
    said = str(refused.value).replace("'high'", '"high"')
    assert [reason for reason in rows if reason not in said] == []
    done, _ = taken(store, tmp_path / "x.jsonl", content, skip_broken=True)
    assert (done.episodes, done.broken) == (1, len(rows))


def test_one_very_long_line_among_short_ones(store: Store, tmp_path: Path) -> None:
    """Eight million characters in one observation are an episode like any other."""
    rows = [chat(("user", text), ("assistant", "open drawer")) for text in ("short", "x" * 8_000_000, "also short")]
    done, episodes = taken(store, tmp_path / "x.jsonl", lines(*rows))
    assert (done.episodes, [len(one.steps[0].observation) for one in episodes]) == (3, [5, 8_000_000, 10])


def test_an_array_where_lines_are_expected(store: Store, tmp_path: Path) -> None:
    rows = [chat(("user", "A kitchen."), ("assistant", f"open drawer {n}")) for n in range(2)]
    content = json.dumps(rows).encode()
    assert taken(store, tmp_path / "x.jsonl", content)[0].episodes == 2


def test_arrays_on_lines_of_their_own_and_a_line_that_is_cut(store: Store, tmp_path: Path) -> None:
    row = json.dumps(chat(("user", "A kitchen."), ("assistant", "open drawer")))
    with pytest.raises(InvalidInputError) as refused:
        taken(store, tmp_path / "x.jsonl", lines(row, f"[{row}]", row[:40]))
    assert "line 2: a JSON object was expected, not list" in str(refused.value)
    assert "line 3: not JSON: Expecting" in str(refused.value)


def test_bytes_that_are_no_text_in_the_middle(store: Store, tmp_path: Path) -> None:
    row = lines(chat(("user", "A kitchen."), ("assistant", "open drawer")))
    with pytest.raises(InvalidInputError, match="line 2: not UTF-8 text: invalid continuation byte"):
        taken(store, tmp_path / "x.jsonl", row + b"\n" + row.replace(b"kitchen", b"caf\xe9s") + b"\n" + row)
