"""Converts chats of other projects to A³T's form: an instruction, then observations and turns in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .message import Message
from .turns import has_action, parse_turn, transcript_of

__all__ = ["last_seen", "opened"]


def opened(messages: Sequence[Message], row: dict[str, Any]) -> tuple[str, list[Message]]:
    """Return the preamble, and the messages after it. `row` is the record that contains the messages."""
    return _opening(_with_system(_joined(_without_thinking(_told_apart(messages))), row))


def _with_system(messages: list[Message], row: dict[str, Any]) -> list[Message]:
    """Return the messages with the instruction in front that the record has in a separate field (Anthropic,
    LLaMA-Factory)."""
    told = row.get("system")
    if not isinstance(told, str) or not told.strip() or any(message.role == "system" for message in messages):
        return messages
    return [Message("system", told), *messages]


def _told_apart(messages: Sequence[Message]) -> list[Message]:
    """Split a single message of the agent that contains a whole episode into turns and observations. Other chats are
    returned unchanged."""
    spoken = [message for message in messages if message.role == "assistant"]
    if len(spoken) != 1 or len(parts := transcript_of(spoken[0].text)) == 1:
        return list(messages)
    place = list(messages).index(spoken[0])
    apart = [Message("assistant" if acting else "user", text) for acting, text in parts]
    return [*messages[:place], *apart, *messages[place + 1 :]]


def _without_thinking(messages: list[Message]) -> list[Message]:
    """Turn actions that only think ("think: …", answered by "OK.") into the thought of the next action."""
    acting: list[Message] = []
    thoughts: list[str] = []
    for message in messages:
        words = message.text.strip().removeprefix(">").strip()
        if message.role == "assistant" and words.lower().startswith("think:"):
            thoughts.append(words[len("think:") :].strip())
        elif message.role == "assistant":
            thought = message.thought or " ".join(thoughts) or None
            acting.append(Message("assistant", message.text, message.trained, thought))
            thoughts = []
        elif not thoughts or words.rstrip(".").lower() != "ok":
            acting.append(message)
    return acting


def _joined(messages: list[Message]) -> list[Message]:
    """Join each message of the agent that has no action with its next message, as the thought of that message."""
    if not any(has_action(message.text) for message in messages if message.role == "assistant"):
        return messages
    joined: list[Message] = []
    for message in messages:
        before = joined[-1] if joined else None
        if before and before.role == message.role == "assistant" and not has_action(before.text):
            thoughts = (before.thought, parse_turn(before.text).thought, message.thought)
            joined[-1] = Message("assistant", message.text, message.trained, "\n".join(filter(None, thoughts)) or None)
        else:
            joined.append(message)
    return joined


def last_seen(observations: list[str], agents: list[Message], last: str) -> str:
    """Remove the agent's messages after its last action, if the chat marks actions, and return its last observation."""
    marked = any(has_action(message.text) for message in agents)
    while marked and not has_action(agents[-1].text):
        last = "\n".join(filter(None, (observations.pop(), last)))
        agents.pop()
    return last


def _opening(messages: list[Message]) -> tuple[str, list[Message]]:
    """Return the preamble, and the messages after it."""
    agents = [place for place, message in enumerate(messages) if message.role == "assistant"]
    acting = [place for place in agents if has_action(messages[place].text)]
    start = 0
    if acting and acting[0] != agents[0]:
        start = 1 + max(place for place in agents if place < acting[0])
    head, rest = messages[:start], messages[start:]
    while rest and rest[0].role == "system":
        head, rest = [*head, rest[0]], rest[1:]
    if rest and rest[0].role == "assistant" and head:  # only the system message has the task
        rest = [Message("user", head.pop().text), *rest]
    return "\n\n".join(m.text.strip() for m in head if m.role != "assistant"), rest
