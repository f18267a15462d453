"""Files as other projects write them: the same short episode in each of their forms is read as that episode, or the
command says by file and place what cannot be read and what to do, and stores nothing."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import pickle
from pathlib import Path
from typing import Any

import pytest

from a3t_contracts.cli import guarded
from a3t_contracts.schemas import Trajectory
from a3t_orchestrator.cli.root import build_root
from a3t_orchestrator.interchange.intake import ImportOrder, import_file
from a3t_orchestrator.store import EpisodeFilter, Store, iter_trajectories, list_runs, trajectory_ids

TASK = "You are in a kitchen.\nYour task is to: boil an egg."
FULL = "The pot is full."
EPISODE = [(TASK, "Water first.", "fill pot"), (FULL, "Now the egg.", "boil egg")]
TURNS = [f"Thought: {thought}\nAction: {action}" for _, thought, action in EPISODE]
CHAT = [
    {"role": "user", "content": TASK},
    {"role": "assistant", "content": TURNS[0]},
    {"role": "user", "content": FULL},
    {"role": "assistant", "content": TURNS[1]},
]
SHARED = [{"from": "human" if m["role"] == "user" else "gpt", "value": m["content"]} for m in CHAT]
STEPS = [
    {"thought": "Water first.", "action": "fill pot", "observation": FULL},
    {"thought": "Now the egg.", "action": "boil egg", "observation": "The egg is done."},
]
REACT = f"{TURNS[0]}\nObservation: {FULL}\n{TURNS[1]}"


def one(value: Any) -> bytes:
    return json.dumps(value).encode()


def chat(*turns: str, **more: Any) -> bytes:
    """The episode with the agent's turns in other words."""
    return one(
        {"messages": [CHAT[0], {**CHAT[1], "content": turns[0]}, CHAT[2], {**CHAT[3], "content": turns[1]}]} | more
    )


def call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"name": name, "arguments": json.dumps(arguments)}


ANTHROPIC = {
    "system": "You cook.",
    "messages": [
        CHAT[0],
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Water first.", "signature": "x"},
                {"type": "tool_use", "id": "a", "name": "act", "input": {"action": "fill pot"}},
            ],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": FULL}]},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Now the egg."},
                {"type": "tool_use", "id": "b", "name": "act", "input": {"action": "boil egg"}},
            ],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "b", "content": [{"text": "Done."}]}]},
        {"role": "assistant", "content": [{"type": "text", "text": "The egg is boiled."}]},
    ],
}
RESPONSES = {
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": TASK}]},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Water first."}]},
        {"type": "function_call", "call_id": "a"} | call("act", action="fill pot"),
        {"type": "function_call_output", "call_id": "a", "output": FULL},
    ],
    "output": [
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Now the egg."}]},
        {"type": "function_call", "call_id": "b"} | call("act", action="boil egg"),
    ],
}
GEMINI = {
    "contents": [
        {"role": "user", "parts": [{"text": TASK}]},
        {
            "role": "model",
            "parts": [
                {"text": "Water first.", "thought": True},
                {"functionCall": {"name": "act", "args": {"action": "fill pot"}}},
            ],
        },
        {"role": "function", "parts": [{"functionResponse": {"name": "act", "response": {"result": FULL}}}]},
        {
            "role": "model",
            "parts": [{"text": "Now the egg."}, {"functionCall": {"name": "act", "args": {"action": "boil egg"}}}],
        },
    ]
}
LEGACY = [
    CHAT[0],
    {"role": "assistant", "content": "Water first.", "function_call": call("act", action="fill pot")},
    {"role": "function", "name": "act", "content": FULL},
    {"role": "assistant", "content": "Now the egg.", "function_call": call("act", action="boil egg")},
]
HERMES = [
    f'<think>{thought}</think>\n<tool_call>\n{{"name": "act", "arguments": {{"action": "{action}"}}}}\n</tool_call>'
    for _, thought, action in EPISODE
]
LANGCHAIN = [
    {"type": "human", "data": {"content": TASK}},
    {"type": "ai", "data": {"content": TURNS[0]}},
    {"type": "tool", "data": {"content": FULL}},
    {"type": "ai", "data": {"content": TURNS[1]}},
]
READ: dict[str, bytes] = {
    "AgentTraj": one({"item_id": "kitchen_3", "conversations": [m | {"loss": m["from"] == "gpt"} for m in SHARED]}),
    "what AgentGym's evaluation writes": one(
        {"conversations": SHARED, "item_id": "kitchen_3", "reward": 1.0, "success": 1}
    ),
    "ETO": one([{"id": 3, "conversations": SHARED, "game_file": "a/b/game.z8"}]),
    "numbers and truth as text": one({"messages": CHAT, "reward": "1.0", "success": "True", "id": 17}),
    "Anthropic": one(ANTHROPIC),
    "OpenAI's responses": one(RESPONSES),
    "Gemini": one(GEMINI),
    "OpenAI's older function calls": one({"messages": LEGACY}),
    "Hermes": chat(*HERMES),
    "LangChain": one({"messages": LANGCHAIN}),
    "a batch request": one(
        {"custom_id": "a", "method": "POST", "url": "/v1", "body": {"model": "m", "messages": CHAT}}
    ),
    "a logged request and its answer": one(
        {"request": {"messages": CHAT[:3]}, "response": {"choices": [{"message": CHAT[3]}]}}
    ),
    "LLaMA-Factory's calls": one(
        {
            "conversations": [
                SHARED[0],
                {"from": "gpt", "value": "Water first."},
                {"from": "function_call", "value": json.dumps({"name": "act", "arguments": {"action": "fill pot"}})},
                {"from": "observation", "value": FULL},
                {"from": "gpt", "value": TURNS[1]},
            ]
        }
    ),
    "labels in upper case, with spaces": chat(
        "THOUGHT :  Water first.\nACTION :  fill pot", "thought:Now the egg.\naction:boil egg"
    ),
    "labels with numbers": chat(
        "Thought 1: Water first.\nAction 1: fill pot", "Thought 2: Now the egg.\nAction 2: boil egg"
    ),
    "labels in Markdown": chat(
        "**Thought:** Water first.\n**Action:** fill pot", "### Thought\nNow the egg.\n### Action\nboil egg"
    ),
    "both on one line": chat("Thought: Water first. Action: fill pot", "Thought: Now the egg. Action: boil egg"),
    "a fenced action": chat("Thought: Water first.\nAction:\n```\nfill pot\n```", TURNS[1]),
    "tags": chat(*(f"<think>{t}</think><action>{a}</action>" for _, t, a in EPISODE)),
    "actions that think": one(
        [
            CHAT[0],
            {"role": "assistant", "content": "> think: Water first."},
            {"role": "user", "content": "OK."},
            {"role": "assistant", "content": "> fill pot"},
            CHAT[2],
            {"role": "assistant", "content": "think: Now the egg."},
            {"role": "user", "content": "OK."},
            {"role": "assistant", "content": "boil egg"},
        ]
    ),
    "labels of a preference": one({"messages": CHAT, "label": True}),
    "a closing word": one(
        {"messages": [*CHAT, {"role": "user", "content": "Done."}, {"role": "assistant", "content": "Bye."}]}
    ),
    "under `trajectory`": one({"trajectory": CHAT, "reward": 1}),
    "nested": one({"id": 7, "trajectory": {"messages": CHAT}, "info": {"model": "m"}}),
    "AgentBench": one({"index": 0, "status": "completed", "output": {"history": CHAT, "result": {"success": True}}}),
    "rows of a dataset viewer": one(
        {"features": [{"name": "messages"}], "rows": [{"row_idx": 0, "row": {"messages": CHAT}}]}
    ),
    "under `data`": one({"version": 1, "data": [{"messages": CHAT}]}),
    "by the name of the task": one({"kitchen_3": {"conversations": SHARED}}),
    "chats by the name of the task": one({"put": CHAT}),
    "messages as text in a column": one({"messages": json.dumps(CHAT)}),
    "a list of messages for a line": one(CHAT) + b"\n",
    "one chat as the array of the file": json.dumps(CHAT, indent=1).encode(),
    "objects over several lines, one after the other": json.dumps({"messages": CHAT}, indent=2).encode() + b"\n{\n}\n",
    "steps": one({"task": TASK, "trajectory": STEPS}),
    "steps without the last observation": one(
        {"observation": TASK, "steps": [STEPS[0], {"thought": "Now the egg.", "action": "boil egg"}]}
    ),
    "ATIF with parts": one(
        {
            "schema_version": "ATIF-v1.6",
            "session_id": "s",
            "agent": {"name": "x", "version": "1"},
            "steps": [
                {"step_id": 1, "source": "user", "message": [{"type": "text", "text": TASK}]},
                {
                    "step_id": 2,
                    "source": "agent",
                    "message": "",
                    "reasoning_content": "Water first.",
                    "tool_calls": [{"tool_call_id": "a", "function_name": "act", "arguments": {"do": "fill pot"}}],
                    "observation": {"results": [{"content": [{"type": "text", "text": FULL}]}]},
                },
                {"step_id": 3, "source": "agent", "message": TURNS[1]},
            ],
        }
    ),
    "a query over several lines in a fence": chat(
        "Thought:\nWater first.\n\nAction:\n```sql\nfill\n  pot\n```",
        "Thought:\nNow the egg.\n\nAction:\n```\nboil egg\n```",
    ),
    "a tool and its input": chat("Thought: Water first.\nAction: fill\nAction Input: pot", TURNS[1]),
    "steps with calls and reasoning": one(
        {
            "observation": TASK,
            "steps": [
                {
                    "reasoning": s["thought"],
                    "action": {"name": "act", "arguments": {"do": s["action"]}},
                    "obs": s["observation"],
                }
                for s in STEPS
            ],
        }
    ),
    "steps behind a first observation": one({"initial_observation": TASK, "steps": STEPS, "is_success": True}),
    "steps as (observation, action)": one(
        {"steps": [{"observation": o, "thought": t, "action": a} for o, t, a in EPISODE], "final_reward": "1"}
    ),
    "columns": one(
        {
            "observations": [TASK, FULL, "Done."],
            "actions": ["fill pot", "boil egg"],
            "thoughts": ["Water first.", "Now the egg."],
        }
    ),
    "a text": one({"text": f"{TASK}\n{REACT}"}),
    "an instruction and its output": one({"instruction": TASK, "input": "", "output": REACT}),
    "prompt and completion": one({"prompt": TASK, "completion": REACT, "label": 1}),
    "UTF-16": json.dumps({"messages": CHAT}).encode("utf-16"),
    "UTF-16 without a mark of its own line ends": (json.dumps({"messages": CHAT}) + "\r\n\r\n").encode("utf-16"),
    "a byte order mark, packed": gzip.compress(b"\xef\xbb\xbf" + one({"messages": CHAT}) + b"\r\n"),
    "bzip2": bz2.compress(one([{"messages": CHAT}])),
    "xz": lzma.compress(one({"messages": CHAT})),
}


@pytest.mark.parametrize("name", READ)
def test_it_is_read_as_the_episode_that_it_is(tmp_path: Path, name: str) -> None:
    (tmp_path / "theirs.json").write_bytes(READ[name])
    store = Store(f"sqlite:///{tmp_path / 'a3t.db'}")
    store.upgrade()
    order = ImportOrder("theirs", environment="kitchen", skip_broken="objects" in name)
    tried = import_file(
        store, tmp_path / "theirs.json", ImportOrder("theirs", environment="kitchen", skip_broken=True, dry_run=True)
    )
    with store.session() as session:
        assert list_runs(session) == [], "a dry run stores nothing"
    done = import_file(store, tmp_path / "theirs.json", order)
    assert (done.episodes, done.successes, done.without_reasons) == (1, 1, 0)
    assert tried == done
    with store.session() as session:
        (episode,) = iter_trajectories(session, trajectory_ids(session, EpisodeFilter(run="theirs")))
    store.close()
    expected = [(TASK, "Water first.", "fill[pot]"), EPISODE[1]] if "tool and its" in name else EPISODE
    assert told(episode) == expected
    assert all(step.valid for step in episode.steps)


def told(episode: Trajectory) -> list[tuple[str, str | None, str]]:
    return [(step.observation, step.thought, step.action) for step in episode.steps]


GOOD = {"messages": CHAT}
PACKED = gzip.compress(one(GOOD) * 50)
NAMED: dict[str, tuple[bytes, str]] = {
    "a zip archive": (b"PK\x03\x04" + bytes(40), "the file: it is a zip archive; unpack it"),
    "zstd": (b"\x28\xb5\x2f\xfd" + bytes(40), "the file: it is packed with zstd; unpack it"),
    "Arrow": (b"ARROW1\x00\x00" + bytes(40), "save it as Parquet or JSON Lines"),
    "a pickle": (pickle.dumps(GOOD), "the file: it is a Python pickle, which is never opened"),
    "a table": (b"prompt,answer\nx,y\n", "line 1: not JSON"),
    "Python's own notation": (
        repr(GOOD).encode(),
        "line 1: not JSON: Expecting property name enclosed in double quotes",
    ),
    "a page of an error": (b"<!DOCTYPE html>\n<html></html>", "line 1: not JSON"),
    "nothing": (b"\n \r\n", "has no episode that can be read"),
    "an empty object": (b"{}", "line 1: its format is unknown; its keys are: none"),
    "messages on lines of their own": (
        b"\n".join(map(one, CHAT)),
        "line 1: it is a single message, not an episode. Write each episode as an object with the list `messages`",
    ),
    "answers of a batch": (
        one({"custom_id": "a", "response": {"status_code": 200, "body": {"choices": [{"message": CHAT[1]}]}}}),
        "line 1: it is a model's answer without the chat before it",
    ),
    "an inner record": (
        one({"data": [GOOD, {"messages": [{"role": "cook", "content": "x"}]}]}),
        "line 1, data[1]: messages[0]: the unknown role 'cook'",
    ),
    "a picture": (
        one({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}, *CHAT[1:]]}),
        "messages[0]: a part of the type 'image_url'; only text can be read",
    ),
    "an agent without a task": (
        one({"trajectory": CHAT[1:]}),
        "it begins with a message of the agent, so the task is not known",
    ),
    "steps without a beginning": (one({"steps": STEPS}), "line 1: its format is unknown; its keys are: steps"),
    "a text without a task": (one({"text": REACT}), "it begins with a message of the agent"),
    "a reward in words": (one(GOOD | {"reward": "high"}), "line 1: reward: a number was expected, not 'high'"),
    "a reward that is no number": (one(GOOD | {"reward": "nan"}), "line 1: reward: not a finite number"),
    "a line that is cut": (one(GOOD) + b"\n" + one(GOOD)[:60], "line 2: not JSON"),
    "an array that is cut": (one([GOOD, GOOD])[:-40], "after record 1: the rest of the array cannot be read"),
    "a packed file that is cut": (PACKED[:-20], "the file is damaged"),
    "steps that are no objects": (
        one({"observation": TASK, "steps": ["go", "stop"]}),
        "steps[0]: an object was expected",
    ),
    "a call without a name": (
        one({"messages": [CHAT[0], {"role": "assistant", "tool_calls": [{"function": {"arguments": {}}}]}]}),
        "a tool call needs a name",
    ),
}


@pytest.mark.parametrize("dry", [True, False], ids=["tried", "imported"])
@pytest.mark.parametrize("name", NAMED)
def test_what_cannot_be_read_is_named_and_nothing_is_stored(
    tmp_path: Path, name: str, dry: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    content, words = NAMED[name]
    file = tmp_path / "theirs.json"
    file.write_bytes(content)
    monkeypatch.setenv("A3T_HOME", str(tmp_path))
    arguments = ["import", str(file), "--environment", "kitchen", *(["--dry-run"] if dry else [])]
    code = guarded(build_root(), arguments)
    said = " ".join("".join(capsys.readouterr()).split())
    assert (code, "Traceback" in said, "theirs.json" in said) == (2, False, True)
    assert " ".join(words.split()) in said
    with Store(f"sqlite:///{tmp_path / 'a3t.db'}").session() as session:
        assert list_runs(session) == []
