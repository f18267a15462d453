"""What is exported and imported again is the same; files of others are read, or refused by line and reason."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from a3t_contracts.errors import ConflictError, InvalidInputError
from a3t_contracts.react import completion_text
from a3t_contracts.schemas import ReasonBy, Source, Step, StopReason, Trajectory, TrajectoryKind
from a3t_orchestrator.interchange import intake, sources
from a3t_orchestrator.interchange.columns import flattened
from a3t_orchestrator.interchange.draft import Defaults
from a3t_orchestrator.interchange.export import ExportOrder, write_export
from a3t_orchestrator.interchange.format import RowOptions
from a3t_orchestrator.interchange.formats import all_formats
from a3t_orchestrator.interchange.intake import ImportOrder, episode_of, import_file
from a3t_orchestrator.interchange.names import read_names
from a3t_orchestrator.interchange.sinks import json_text
from a3t_orchestrator.interchange.sources import Found
from a3t_orchestrator.interchange.unfold import unfolded
from a3t_orchestrator.phases import Phase
from a3t_orchestrator.store import EpisodeFilter, Store, get_run, get_trajectory, list_trajectories
from tests.support.episodes import RUN, episode, store_with_run
from tests.support.postgres import PostgresServer

DEFAULTS = Defaults(run="theirs", environment="lighthouse")
READ = [name for name, form in all_formats().items() if form.read]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
FLOAT = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def steps(draw: st.DrawFn, index: int) -> Step:
    thought, action = draw(st.none() | TEXT), draw(TEXT)
    generated = draw(st.none() | TEXT.map(lambda text: f"{text}\n") | st.just(completion_text(thought, action)))
    return Step(
        index=index,
        observation=draw(TEXT),
        thought=thought,
        action=action,
        source=draw(st.sampled_from(Source)),
        reason_by=draw(st.sampled_from(ReasonBy)),
        valid=draw(st.booleans()),
        completion=generated,
        completion_ids=draw(st.none() | st.lists(st.integers(0, 99), max_size=3)),
        logprobs=draw(st.none() | st.lists(FLOAT, max_size=3)),
        made_up_observation=draw(st.booleans()),
        prompt_tokens=draw(st.none() | st.integers(0, 99)),
        seconds=draw(st.dictionaries(st.sampled_from(["env", "policy"]), st.just(0.5))),
    )


@st.composite
def trajectories(draw: st.DrawFn) -> Trajectory:
    count = draw(st.integers(1, 3))
    return Trajectory(
        id="0123456789abcdef01234567",
        run=RUN,
        round=draw(st.integers(0, 9)),
        environment="lighthouse",
        engine=draw(st.none() | st.just("native")),
        split="train",
        task_id=draw(st.text(min_size=1, max_size=9, alphabet="abc/é")),
        kind=draw(st.sampled_from(TrajectoryKind)),
        sample=draw(st.integers(0, 9)),
        preamble=draw(TEXT),
        multiline=draw(st.booleans()),
        steps=[draw(steps(i)) for i in range(count)],
        final_observation=draw(TEXT),
        reward=draw(FLOAT),
        success=draw(st.booleans()),
        stop_reason=draw(st.sampled_from(StopReason)),
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        metadata=draw(st.dictionaries(TEXT, st.none() | st.booleans() | TEXT, max_size=2)),
    )


@pytest.mark.parametrize("name", READ)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(trajectory=trajectories(), flags=st.booleans())
def test_export_import_export_is_the_identity(name: str, trajectory: Trajectory, flags: bool) -> None:
    form, options = all_formats()[name], RowOptions(loss_flags=flags)
    assert form.row is not None
    row = json.loads(json_text(form.row(trajectory, 0, options)))
    again, recognised = episode_of(row, DEFAULTS)
    assert recognised == name
    assert form.row(again, 0, options) == row
    from_table = flattened(row, dict(form.columns_with(options)))
    assert form.row(episode_of(from_table, DEFAULTS)[0], 0, options) == row


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Store]:
    store = Store(f"sqlite:///{tmp_path / 'empty.db'}")
    store.upgrade()
    yield store
    store.close()


def test_a_nul_character_is_kept_wherever_an_episode_has_text(tmp_path: Path, postgres: PostgresServer) -> None:
    texts = {"observation": "a\0b", "thought": "\0", "action": "go\0", "completion": "\0\0"}
    odd = {"final_observation": "the \0 end \U0010fffe0", "preamble": "\0 in front", "metadata": {"said": "\0"}}
    line = episode(0, Phase.rollout).model_dump(mode="json", exclude_none=True) | odd
    line["steps"] = [line["steps"][0] | texts]
    (tmp_path / "odd.jsonl").write_text(json.dumps(line), encoding="utf-8")
    for url in (f"sqlite:///{tmp_path / 'nul.db'}", postgres.fresh_database()):
        store = Store(url)
        store.upgrade()
        import_file(store, tmp_path / "odd.jsonl", ImportOrder("theirs"))
        with store.session() as session:
            [number] = [row.id for row in list_trajectories(session, EpisodeFilter(run="theirs"))]
            kept = get_trajectory(session, number).model_dump()
        store.close()
        assert {name: kept[name] for name in odd} == odd
        assert {name: kept["steps"][0][name] for name in texts} == texts


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("file", ["x.jsonl", "folder"])
def test_a_file_that_is_imported_is_exported_as_it_was(tmp_path: Path, empty: Store, name: str, file: str) -> None:
    full = store_with_run(f"sqlite:///{tmp_path / 'full.db'}")
    order = ExportOrder(run=RUN, format=name)
    write_export(full, order, tmp_path / file)
    write_export(full, order, tmp_path / "once.jsonl")
    import_file(empty, tmp_path / file, ImportOrder(RUN))
    write_export(empty, order, tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "once.jsonl").read_bytes()


def test_postgresql_gives_and_takes_the_same_rows(tmp_path: Path, postgres: PostgresServer) -> None:
    stores = [store_with_run(postgres.fresh_database()), Store(postgres.fresh_database())]
    stores[1].upgrade()
    for name in ("a3t", "kto", "dpo"):
        order = ExportOrder(run=RUN, format=name, trained_in=1 if name == "kto" else None)
        write_export(stores[0], order, tmp_path / f"{name}.jsonl")
    import_file(stores[1], tmp_path / "a3t.jsonl", ImportOrder(RUN))
    write_export(stores[1], ExportOrder(run=RUN), tmp_path / "again.jsonl")
    lines = {file.stem: list(map(json.loads, file.read_bytes().splitlines())) for file in tmp_path.glob("*.jsonl")}
    assert lines["again"] == lines["a3t"]
    assert (len(lines["a3t"]), len(lines["kto"]), len(lines["dpo"])) == (20, 2, 8)
    for store in stores:
        store.close()


AGENT_TRAJ = {
    "item_id": "lighthouse_7",
    "conversations": [
        {"from": "human", "loss": None, "value": "Keep a lighthouse. Answer with Thought and Action."},
        {"from": "gpt", "loss": False, "value": "OK. I'll follow your instructions and try my best."},
        {"from": "human", "loss": None, "value": "You are below.\nYour task is to: light the lamp."},
        {"from": "gpt", "loss": True, "value": "Thought:\nThe lamp is above.\n\nAction:\nclimb stairs"},
        {"from": "human", "loss": None, "value": "You are above."},
        {"from": "gpt", "loss": True, "value": "Thought: Now light it.\nAction: light lamp"},
    ],
}
ETO = {
    "id": "12",
    "game_file": "keep/lamp-3/game.z8",
    "conversations": [
        {"from": "human", "value": "Keep a lighthouse."},
        {"from": "gpt", "value": "OK"},
        {"from": "human", "value": "You are below.\nYour task is to: light the lamp."},
        {"from": "gpt", "value": "Thought: The lamp is above.\nAction: climb stairs"},
        {"from": "human", "value": "Observation: You are above."},
        {"from": "gpt", "value": "Thought: Now light it.\nAction: light lamp"},
    ],
}
CHAT = {
    "messages": [
        {"role": "system", "content": "Keep a lighthouse."},
        {"role": "user", "content": [{"type": "text", "text": "You are below.\nYour task is to: light the lamp."}]},
        {"role": "assistant", "content": "<think>The lamp is above.</think><action>climb stairs</action>"},
        {"role": "tool", "tool_call_id": "x", "content": "You are above."},
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "Now light it.",
            "tool_calls": [{"function": {"name": "do", "arguments": '{"what": "light lamp"}'}}],
        },
    ],
    "reward": 1,
}
ATIF = {
    "schema_version": "ATIF-v1.4",
    "session_id": "s-1",
    "agent": {"name": "terminus", "version": "2", "model_name": "m"},
    "steps": [
        {"step_id": 1, "source": "system", "message": "Keep a lighthouse."},
        {"step_id": 2, "source": "user", "message": "You are below.\nYour task is to: light the lamp."},
        {
            "step_id": 3,
            "source": "agent",
            "message": "",
            "reasoning_content": "The lamp is above.",
            "tool_calls": [{"tool_call_id": "a", "function_name": "do", "arguments": {"what": "climb stairs"}}],
            "observation": {"results": [{"source_call_id": "a", "content": "You are above."}]},
        },
        {
            "step_id": 4,
            "source": "agent",
            "message": "Now light it.",
            "tool_calls": [{"tool_call_id": "b", "function_name": "do", "arguments": {"what": "light lamp"}}],
            "observation": {"results": [{"source_call_id": "b", "content": "The lamp burns."}]},
        },
    ],
}


@pytest.mark.parametrize(
    ("record", "name", "task"),
    [
        (AGENT_TRAJ, "conversations", "lighthouse_7"),
        (ETO, "sharegpt", "keep/lamp-3/game.z8"),
        (CHAT, "messages", ""),
        (ATIF, "atif", "s-1"),
    ],
)
def test_what_others_record_is_read(record: dict[str, Any], name: str, task: str) -> None:
    episode, form = episode_of(record, DEFAULTS)
    assert (form, episode.task_id, episode.success, episode.preamble) == (name, task, True, "Keep a lighthouse.") or (
        name == "conversations" and episode.preamble.startswith("Keep a lighthouse.")
    )
    assert [(s.observation, s.thought, s.action) for s in episode.steps] == [
        ("You are below.\nYour task is to: light the lamp.", "The lamp is above.", "climb stairs"),
        ("You are above.", "Now light it.", "light lamp"),
    ]
    assert {s.source for s in episode.steps} == {Source.imported}
    assert episode.multiline


def test_the_item_id_names_the_task_and_stays_what_agentgym_called_it() -> None:
    export = all_formats()["conversations"].row
    assert export is not None
    theirs = episode_of(AGENT_TRAJ, DEFAULTS)[0]
    assert export(theirs, 5, RowOptions())["item_id"] == "lighthouse_7"
    ours = [theirs.model_copy(update={"task_id": name}) for name in ("a/b", "a/b", "a/c", "island_7")]
    names = [str(export(one, place, RowOptions())["item_id"]) for place, one in enumerate(ours)]
    assert names[0] == names[1]
    assert len(set(names)) == 3
    assert all(name.removeprefix("lighthouse_").isdecimal() for name in names)


def test_a_plain_log_of_actions_lacks_reasons() -> None:
    talk = [("user", "Light the lamp."), ("assistant", "climb stairs"), ("user", "Above."), ("assistant", "light lamp")]
    episode, _ = episode_of({"messages": [{"role": r, "content": c} for r, c in talk]}, DEFAULTS)
    assert [(s.thought, s.action) for s in episode.steps] == [(None, "climb stairs"), (None, "light lamp")]


def test_what_annotate_wrote_is_read(tmp_path: Path) -> None:
    log = {
        "id": "mine",
        "environment": "lighthouse",
        "observation": "Below. Your task is to: light the lamp.",
        "steps": [
            {"action": "climb", "observation": "Above.", "thought": "Up there.", "reason_annotator": "template"},
            {"action": "light lamp"},
        ],
        "user": "bob",
    }
    episode, form = episode_of(log, DEFAULTS)
    assert (form, episode.task_id, episode.final_observation) == ("actions", "mine", "")
    assert [(s.observation, s.thought, s.action, s.reason_by.value) for s in episode.steps] == [
        ("Below. Your task is to: light the lamp.", "Up there.", "climb", "actre"),
        ("Above.", None, "light lamp", "none"),
    ]


PAIRS: list[dict[str, Any]] = [
    {"prompt": CHAT["messages"][:2], "chosen": CHAT["messages"][2:], "rejected": [CHAT["messages"][2]]},
    {"prompt": CHAT["messages"][1]["content"], "chosen": CHAT["messages"][1:], "rejected": []},
    {"chosen": CHAT["messages"], "rejected": CHAT["messages"][:3]},
    {"id": 7, "prompt": ETO["conversations"][:3], "chosen": ETO["conversations"][3:], "rejected": []},
    {"conversations": AGENT_TRAJ["conversations"][:5], "chosen": AGENT_TRAJ["conversations"][5], "rejected": {}},
]
PAIRS[1]["prompt"] = PAIRS[1]["prompt"][0]["text"]


@pytest.mark.parametrize("pair", PAIRS, ids=["TRL", "UltraFeedback", "no prompt", "AgentGym", "LLaMA-Factory"])
def test_the_chosen_episode_of_a_pair_is_read_by_choice(pair: dict[str, Any]) -> None:
    episode, form = episode_of(pair, DEFAULTS, chosen=True)
    assert (form, episode.kind, episode.success) == ("dpo", "demonstration", True)
    assert [(s.thought, s.action) for s in episode.steps] == [
        ("The lamp is above.", "climb stairs"),
        ("Now light it.", "light lamp"),
    ]
    assert episode.steps[0].observation == "You are below.\nYour task is to: light the lamp."
    with pytest.raises(InvalidInputError, match="pairs") as refused:
        episode_of(pair, DEFAULTS)
    assert "--chosen" in str(refused.value.hint)


def test_our_pairs_give_back_the_composed_successes(tmp_path: Path, empty: Store) -> None:
    full = store_with_run(f"sqlite:///{tmp_path / 'full.db'}")
    write_export(full, ExportOrder(run=RUN, format="dpo"), tmp_path / "pairs.parquet")
    done = import_file(empty, tmp_path / "pairs.parquet", ImportOrder("theirs", chosen=True))
    assert (done.episodes, done.successes, done.formats) == (8, 8, {"dpo": 8})
    order = ExportOrder(run=RUN, format="actions", where=EpisodeFilter(kind="composed"))
    write_export(full, order, tmp_path / "a.jsonl")
    write_export(empty, ExportOrder(run="theirs", format="actions"), tmp_path / "b.jsonl")
    played = [[row["steps"] for row in map(json.loads, (tmp_path / n).open())] for n in ("a.jsonl", "b.jsonl")]
    for steps in played[0]:
        steps[-1]["observation"] = ""  # a chat ends with the last action, and a pair says nothing of what followed
    assert sorted(map(str, played[0])) == sorted(map(str, played[1]))


@pytest.mark.parametrize(("label", "success"), [(True, True), (1, True), (0, False), (-1, False), (False, False)])
def test_preferences_of_others_may_be_texts(label: Any, success: bool) -> None:
    row = {"prompt": "Light the lamp.", "completion": "Thought: Up.\nAction: climb stairs", "label": label}
    episode, form = episode_of(row, DEFAULTS)
    assert (form, episode.success, episode.steps[0].action) == ("kto", success, "climb stairs")
    with pytest.raises(InvalidInputError, match="success: true or false"):
        episode_of(row | {"label": "good"}, DEFAULTS)


AGENTGYM_MAP = [
    {"item_id": 7, "task_type": "light-lamp-3", "task_id": "trial_1"},
    {"item_id": 8, "task_type": "light-lamp-3", "task_id": "trial_2"},
]


@pytest.mark.parametrize(
    "table",
    [
        json.dumps(AGENTGYM_MAP, indent=4),
        "\n".join(map(json.dumps, AGENTGYM_MAP)),
        '{"lighthouse_7": "light-lamp-3/trial_1", "x": "y"}',
        '{"name": "lighthouse_7", "task_id": "light-lamp-3/trial_1"}',
    ],
)
def test_a_table_says_which_tasks_the_names_of_others_mean(tmp_path: Path, empty: Store, table: str) -> None:
    (tmp_path / "names.json").write_text(table, encoding="utf-8")
    records = [AGENT_TRAJ, AGENT_TRAJ | {"item_id": "island_7"}, AGENT_TRAJ | {"item_id": "lighthouse_99"}]
    (tmp_path / "theirs.json").write_text(json.dumps(records), encoding="utf-8")
    order = ImportOrder("theirs", environment="lighthouse", names=read_names([tmp_path / "names.json"]))
    assert import_file(empty, tmp_path / "theirs.json", order).named == 1
    with empty.session() as session:
        names = {row.task_id for row in list_trajectories(session, EpisodeFilter())}
    assert names == {"light-lamp-3/trial_1", "island_7", "lighthouse_99"}


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ('{"item_id": 7, "task_id": ["x"]}', "line 1: task_id: the name of a task was expected"),
        ('{"a": "b"}\n{"a": "c"}', "line 2: 'a' means 'c', but 'b' in an earlier entry"),
        ("[1]", "record 1: a JSON object was expected"),
    ],
)
def test_a_table_that_says_nothing_is_refused_by_line(tmp_path: Path, table: str, reason: str) -> None:
    (tmp_path / "names.jsonl").write_text(table, encoding="utf-8")
    with pytest.raises(InvalidInputError) as refused:
        read_names([tmp_path / "names.jsonl"])
    assert reason in str(refused.value)


BROKEN = {
    '{"observation": "x", "steps": [{"observation": "y"}]}': "steps[0]: no action",
    '{"messages": [{"role": "wizard", "content": "x"}]}': "messages[0]: the unknown role 'wizard'",
    '{"messages": [{"content": "x"}]}': "messages[0]: no role",
    '{"messages": [{"role": "user"}]}': "messages[0]: no content",
    '{"messages": "hello"}': "messages: a list of messages was expected, not text",
    '{"messages": []}': "no message of an agent",
    '{"messages": [{"role": "assistant", "content": "Action: go"}]}': "begins with a message of the agent",
    '{"conversations": [{"from": "human", "value": 5}]}': "text was expected, not a number",
    '{"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}': "a part of the type 'image_url'",
    '{"text": "hello"}': "its format is unknown; its keys are: text",
    "[1, 2": "the rest of the array cannot be read",
    '{"messages": [{"role": "user", "content": "\\ud800"}, {"role": "assistant", "content": "go"}]}': "surrogate pair",
    '{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "go"}], "task_id": "a\\u0000"}': (
        "task_id: it has a NUL character"
    ),
    '{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "go"}], "reward": NaN}': "NaN",
    '{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "go"}], "reward": "x"}': "reward",
    '{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "go"}], "round": -1}': "round",
    '{"schema_version": "ATIF-v1.7", "steps": [{"source": "cook"}]}': "the unknown source 'cook'",
    '{"schema_version": "ATIF-v1.7", "steps": 3}': "steps: a list of objects was expected",
    '{"run": "a", "kind": "policy", "steps": [], "task_id": "t", "stop_reason": "done"}': "id: Field required",
    "nonsense": "not JSON",
    "17": "a JSON object was expected, not int",
    "{" * 100_000: "not JSON",
}


@pytest.mark.parametrize(("line", "reason"), BROKEN.items())
def test_what_cannot_be_read_is_named_by_line_and_reason(tmp_path: Path, empty: Store, line: str, reason: str) -> None:
    file = tmp_path / "theirs.jsonl"
    good = json.dumps(CHAT)
    file.write_text(f"{good}\n\n{line}\n" if line[0] != "[" else line, encoding="utf-8")
    order = ImportOrder("theirs", environment="lighthouse")
    with pytest.raises(InvalidInputError) as refused:
        import_file(empty, file, order)
    assert reason in str(refused.value)
    assert ("line 3: " if line[0] != "[" else "after record") in str(refused.value)
    with empty.session() as session:
        assert list_trajectories(session, EpisodeFilter()) == [], "nothing is half imported"
    if line[0] != "[":
        done = import_file(empty, file, replace(order, skip_broken=True))
        assert (done.episodes, done.broken) == (1, 1)


GOOD = json.dumps(CHAT)


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + f"{GOOD}\n{json.dumps(ETO)}".encode(),
        f"\r\n{GOOD}\r\n\r\n{json.dumps(ETO)}\r\n".encode(),
        f"\n [\n{GOOD},\n{json.dumps(ETO, indent=2)}]".encode(),
        gzip.compress(f"[{GOOD},{json.dumps(ETO)}]".encode()),
        gzip.compress(f"{GOOD}\n".encode()) + gzip.compress(json.dumps(ETO).encode()),
    ],
    ids=["bom", "crlf", "array", "packed array", "packed lines in two members"],
)
def test_files_of_every_form_are_read(tmp_path: Path, empty: Store, content: bytes) -> None:
    (tmp_path / "theirs").write_bytes(content)
    done = import_file(empty, tmp_path / "theirs", ImportOrder("theirs", environment="lighthouse"))
    assert (done.episodes, done.successes, done.formats) == (2, 2, {"messages": 1, "sharegpt": 1})
    with empty.session() as session:
        assert get_run(session, "theirs").details["imported"]["episodes"] == 2


def test_one_object_over_many_lines_is_one_record(tmp_path: Path, empty: Store) -> None:
    (tmp_path / "theirs.json").write_text(json.dumps(ATIF, indent=2), encoding="utf-8")
    assert import_file(empty, tmp_path / "theirs.json", ImportOrder("theirs", environment="x")).episodes == 1


def test_ids_that_repeat_keep_their_episodes_apart(tmp_path: Path, empty: Store) -> None:
    other = ETO | {"conversations": [*ETO["conversations"], {"from": "human", "value": "Observation: Burns."}]}
    lines = [json.dumps(one) for one in (ETO, other, ETO)]
    (tmp_path / "theirs.jsonl").write_text("\n".join(lines), encoding="utf-8")
    done = import_file(empty, tmp_path / "theirs.jsonl", ImportOrder("theirs", environment="x"))
    assert (done.episodes, done.repeated) == (2, 1)
    with pytest.raises(ConflictError):
        import_file(empty, tmp_path / "theirs.jsonl", ImportOrder("theirs", environment="x"))


def test_a_huge_line_is_refused_without_being_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "LONGEST", 2**20)
    (tmp_path / "x.jsonl").write_bytes(b'{"a": "' + b"x" * 3 * 2**20 + b'"}\n{"b": 1}\n')
    found = list(sources.read_records(tmp_path / "x.jsonl"))
    assert [(one.where, one.value, one.problem) for one in found] == [
        ("line 1", None, "longer than 1 MiB"),
        ("line 2", {"b": 1}, None),
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | FLOAT | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = [
    "trajectory",
    "data",
    "actions",
    "observations",
    "text",
    "request",
    "input",
    "output",
    "messages",
    "conversations",
    "prompt",
    "completion",
    "steps",
    "schema_version",
    "run",
    "kind",
    "task_id",
    "id",
]
PARTS = st.dictionaries(
    st.sampled_from(
        [
            "role",
            "from",
            "content",
            "value",
            "source",
            "message",
            "tool_calls",
            "observation",
            "loss",
            "action",
            "parts",
        ]
    ),
    JSON | st.sampled_from(["user", "assistant", "gpt", "human", "agent", "Action: go"]),
    max_size=4,
)


@settings(max_examples=150, deadline=None)
@given(row=st.dictionaries(st.sampled_from(KEYS), JSON | st.lists(PARTS | JSON, max_size=4), max_size=6))
@example(row={"schema_version": "ATIF", "steps": [{"source": "agent", "message": "go", "observation": {"results": 3}}]})
def test_no_record_breaks_the_reader(row: dict[str, Any]) -> None:
    for found in unfolded(Found("line 1", row)):
        assert (found.value is None) != (found.problem is None)
        with suppress(InvalidInputError):
            assert found.value is None or episode_of(found.value, DEFAULTS)[0].steps


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary(max_size=60) | st.text(max_size=60).map(str.encode) | JSON.map(lambda v: json.dumps(v).encode())
)
@example(content=b"\x1f\x8b\x00")
@example(content=b"PAR1")
@example(content=b"\xff\xfe{\x00")
def test_no_file_breaks_the_reader(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    for found in sources.read_records(tmp_path / "x"):
        assert (found.value is None) != (found.problem is None)


def test_the_phases_of_imported_episodes_are_those_of_their_kinds() -> None:
    assert set(intake._PHASES) | {TrajectoryKind.policy} == set(TrajectoryKind)
