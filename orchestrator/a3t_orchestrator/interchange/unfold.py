"""Finds episodes inside other records: under other keys, inside an outer object, or several in one object."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, TypeGuard

from a3t_contracts.errors import InvalidInputError

from .columns import Row
from .contents import call_of
from .formats import recognised
from .received import is_message
from .sources import Found
from .turns import has_action, task_and_turns

__all__ = ["unfolded"]

_MESSAGES = (
    *("trajectory", "history", "conversation", "dialog", "dialogue", "chat", "chat_history", "turns", "traj"),
    *("contents", "transcript", "interactions", "episode", "input", "items", "trace"),
)
"""Other keys of a list of messages or of steps."""
_ENVELOPES = ("trajectory", "episode", "body", "request", "row", "record", "sample", "output", "data", "result")
"""Keys of an object inside a record that may have the episode (an envelope)."""
_COLLECTIONS = ("trajectories", "episodes", "data", "records", "rows", "samples", "examples", "items", "results")
"""Keys of a list of episodes."""
_FIRST = ("observation", "initial_observation", "init_observation", "first_observation", "obs")
_TASK = ("task", "instruction", "goal", "question", "query", "task_description", "prompt", "problem", "input")
_SEEN = ("observation", "obs", "state", "feedback", "next_observation", "next_obs")
_TEXTS = ("trajectory", "text", "output", "response", "transcript", "answer", "generated_text")
"""Keys of a text that contains a whole episode. The task is in another field or at the beginning of the text."""
_THOUGHT = ("thought", "thoughts", "reasoning", "reasoning_content", "think", "rationale")
_DEEPEST = 4
"""Largest depth of nested envelopes that are opened."""


def unfolded(found: Found, depth: int = 0) -> Iterator[Found]:
    """Yield the episodes inside a record, each with its place; the record itself if there are none inside it."""
    try:
        yield from _unfolded(found, depth)
    except InvalidInputError as error:
        yield Found(found.where, problem=error.detail)


def _unfolded(found: Found, depth: int) -> Iterator[Found]:
    row = found.value
    if row is None or depth == _DEEPEST or (recognised(row) and not _is_other_log(row)):
        yield found
        return
    one = _renamed(row)
    if one is not None:
        yield replace(found, value=one)
        return
    several = _several(row)
    if several:
        for place, inner in several:
            yield from unfolded(Found(f"{found.where}, {place}", inner), depth + 1)
        return
    yield replace(found, value=next(_opened(row, depth), row))


def _renamed(row: Row) -> Row | None:
    """Return the record with the key names of the formats; None if no key is known."""
    request, response = row.get("request"), row.get("response")
    if isinstance(request, dict) and isinstance(request.get("messages"), list):
        return row | {"messages": request["messages"] + _answer(response)}
    if {"preferred_output", "non_preferred_output"} <= row.keys():
        prompt = row.get("input")
        named = {"chosen": row["preferred_output"], "rejected": row["non_preferred_output"]}
        return row | named | {"prompt": prompt.get("messages") if isinstance(prompt, dict) else prompt}
    for key in _MESSAGES:
        value = row.get(key)
        if _is_chat(value):
            rest = {name: item for name, item in row.items() if name != key}
            return rest | {"messages": value + (_output(row) if key == "input" else [])}
    for key in ("steps", *_MESSAGES):
        steps = row.get(key)
        if isinstance(steps, list) and steps and all(map(_is_step, steps)):
            return _log(row, steps, key)
    return _columns(row) or _text(row)


def _text(row: Row) -> Row | None:
    """Return the record with a text of a whole episode in the ReAct format as its completion."""
    text = next((row[key] for key in _TEXTS if isinstance(row.get(key), str) and has_action(row[key])), None)
    if text is None:
        return None
    asked = "\n".join(row[key] for key in _TASK if isinstance(row.get(key), str) and row[key].strip())
    if not asked:
        asked, text = task_and_turns(text)
    return row | {"prompt": asked or [], "completion": text}


def _log(row: Row, steps: list[Row], key: str) -> Row | None:
    """Return an action log. An observation counts as the one before its step's action if its key comes before the
    action's key; else as the one after it."""
    name = next((name for name in _SEEN if name in steps[0]), None)
    seen = [step.get(name) for step in steps] if name else [None] * len(steps)
    first = next((row[key] for key in _FIRST if isinstance(row.get(key), str)), None)
    task = next((row[key] for key in _TASK if isinstance(row.get(key), str)), None)
    before = name is not None and first is None and _stands_before(name, steps[0])
    if before:
        first, seen = seen[0], [*seen[1:], row.get("final_observation")]
        first = f"{first}\n{task}" if task and isinstance(first, str) and task not in first else first
    elif first is None:
        first = task
    if first is None:
        return None
    made = [
        {"action": _act(step["action"]), "observation": after, "thought": _first_text(step, _THOUGHT)}
        for step, after in zip(steps, seen, strict=True)
    ]
    return {name: value for name, value in row.items() if name != key} | {"observation": first, "steps": made}


def _is_other_log(row: Row) -> bool:
    """Return whether a record is an action log whose steps have other key names for the thought, or tool calls as
    actions."""
    steps = row.get("steps")
    if "observation" not in row or not isinstance(steps, list) or not all(map(_is_step, steps)):
        return False
    others = {*_THOUGHT, *_SEEN} - {"thought", "observation"}
    return not any("thought" in step for step in steps) and any(
        others & step.keys() or isinstance(step.get("action"), dict) for step in steps
    )


def _is_step(value: Any) -> bool:
    return isinstance(value, dict) and "action" in value


def _stands_before(name: str, step: Row) -> bool:
    keys = list(step)
    return keys.index(name) < keys.index("action") and not name.startswith("next")


def _act(action: Any) -> Any:
    return call_of(action, "action") if isinstance(action, dict) and isinstance(action.get("name"), str) else action


def _first_text(step: Row, keys: tuple[str, ...]) -> str | None:
    return next((step[key] for key in keys if isinstance(step.get(key), str)), None)


def _columns(row: Row) -> Row | None:
    """Return an action log from a record whose observations and actions are separate lists."""
    seen, actions, thoughts = row.get("observations"), row.get("actions"), row.get("thoughts")
    if (
        not isinstance(seen, list)
        or not isinstance(actions, list)
        or not actions
        or len(seen) - len(actions) not in (0, 1)
    ):
        return None
    if not isinstance(thoughts, list) or len(thoughts) != len(actions):
        thoughts = [None] * len(actions)
    after = [*seen[1:], *[None] * (len(actions) + 1 - len(seen))]
    steps = [
        {"action": action, "observation": observation, "thought": thought}
        for action, observation, thought in zip(actions, after, thoughts, strict=True)
    ]
    return row | {"observation": seen[0] if seen else None, "steps": steps}


def _several(row: Row) -> list[tuple[str, Row]]:
    """Return the records inside an object, which are in a list or under separate keys."""
    for key in _COLLECTIONS:
        value = row.get(key)
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            return [(f"{key}[{number}]", item) for number, item in enumerate(value)]
    if row and all(isinstance(item, dict) and _is_episode(item) for item in row.values()):
        return [(repr(name), {"id": name} | item) for name, item in row.items()]
    if row and all(_is_chat(item) for item in row.values()):
        return [(repr(name), {"id": name, "messages": item}) for name, item in row.items()]
    return []


def _is_chat(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list) and bool(value) and all(map(is_message, value))


def _is_episode(row: Row) -> bool:
    return recognised(row) is not None or _renamed(row) is not None


def _opened(row: Row, depth: int) -> Iterator[Row]:
    """Yield the content of an envelope together with the other fields of the record."""
    for key in _ENVELOPES:
        inner = row.get(key)
        if isinstance(inner, dict):
            rest = {name: value for name, value in row.items() if name != key}
            for found in unfolded(Found("", rest | inner), depth + 1):
                if found.value is not None and recognised(found.value):
                    yield found.value


def _answer(response: Any) -> list[Row]:
    """Return the message of an answer of OpenAI's chat completions."""
    body = response.get("body", response) if isinstance(response, dict) else {}
    choices = body.get("choices") if isinstance(body, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    message = first.get("message") if isinstance(first, dict) else None
    return [message] if isinstance(message, dict) else []


def _output(row: Row) -> list[Any]:
    """Return the items that an answer of OpenAI's Responses API adds to its input."""
    output = row.get("output")
    return output if isinstance(output, list) and all(map(is_message, output)) else []
