"""Turns episodes into chats and back: the environment is the user, the agent the assistant, and the preamble the system
message."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.react import completion_text, observation_text, parse_reply
from a3t_contracts.schemas import ReasonBy, Source, Step, Trajectory

from .draft import META, TASK_KEYS, Draft
from .foreign import last_seen, opened
from .message import Message
from .turns import has_action, parse_turn

__all__ = ["chat_of", "draft_of", "imitated", "shared_messages"]

_LABEL = "Observation:"


def chat_of(trajectory: Trajectory) -> list[Message]:
    """Return the messages of an episode up to its last action. The observation after it is in the field
    `final_observation`."""
    messages = [Message("system", head)] if (head := trajectory.preamble.rstrip("\n")) else []
    for step in trajectory.steps:
        messages.append(Message("user", observation_text(step.observation, trajectory.multiline)))
        messages.append(Message("assistant", _turn_text(step), imitated(step)))
    return messages


def imitated(step: Step) -> bool:
    """Return whether a turn may be learned from: the environment accepted its action, and it has no made-up
    observation."""
    return step.valid and not step.made_up_observation


def draft_of(messages: Sequence[Message], row: dict[str, Any]) -> Draft:
    """Return the episode of a chat. `row` is the record that contains the chat.

    A chat that A³T exported (its record names run and kind) is read back as it was written. In other chats, opening
    exchanges without an action ("OK, I will follow your instructions.") become the preamble, and `Observation:` labels
    are removed. If no message has the form "Thought: … Action: …", each whole message of the agent is an action without
    a thought. If some messages have this form, messages without an action are joined with the agent's next message, and
    such a message at the end is not a step.
    """
    ours = row.get("run") is not None and row.get("kind") is not None
    head, body = _own_opening(list(messages)) if ours else opened(messages, row)
    observations, agents, last = _rounds(body)
    if not agents:
        raise InvalidInputError("it has no message of an agent")
    if not ours:
        last = last_seen(observations, agents, last)
        observations = [text.strip().removeprefix(_LABEL).strip() for text in observations]
    plain = not any(has_action(message.text) for message in agents)
    meta = {key: row.get(key) for key in (*META, *TASK_KEYS)}
    final = meta.get("final_observation") or last
    meta["final_observation"] = final if isinstance(final, str) else None
    return Draft(
        steps=[
            _step(number, text, message, ours=ours, plain=plain and not ours)
            for number, (text, message) in enumerate(zip(observations, agents, strict=True))
        ],
        meta=meta,
        preamble=head,
        multiline=any(observation_text(text) != text for text in [*observations, meta["final_observation"] or ""]),
    )


def _turn_text(step: Step) -> str:
    text = step.completion if step.completion is not None else completion_text(step.thought, step.action)
    return text.rstrip("\n")


def _step(number: int, observation: str, message: Message, *, ours: bool, plain: bool) -> Step:
    """Make a step. The text of the turn is kept where it differs from the text that thought and action give."""
    reply = parse_reply(message.text) if ours else parse_turn(message.text, plain=plain)
    thought, completion = reply.thought or message.thought, None
    if ours and completion_text(reply.thought, reply.action) != message.text + "\n":
        completion = message.text + "\n"
    return Step(
        index=number,
        observation=observation,
        thought=thought,
        action=reply.action,
        source=Source.imported,
        reason_by=ReasonBy.policy if thought else ReasonBy.none,
        valid=message.trained is not False and (ours or bool(reply.action)),
        completion=completion,
    )


def _own_opening(messages: list[Message]) -> tuple[str, list[Message]]:
    if messages and messages[0].role == "system":
        return messages[0].text, messages[1:]
    return "", messages


def _rounds(messages: Iterable[Message]) -> tuple[list[str], list[Message], str]:
    """Split a chat into the observation before each message of the agent, these messages, and the observation after the
    last."""
    observations: list[str] = []
    agents: list[Message] = []
    waiting: list[str] = []
    for message in messages:
        if message.role == "assistant":
            if not agents and not waiting:
                raise InvalidInputError(
                    "it begins with a message of the agent, so the task is not known",
                    hint="Put the task at the beginning, as a message of the user.",
                )
            observations.append("\n".join(waiting))
            agents.append(message)
            waiting = []
        else:
            waiting.append(message.text)
    return observations, agents, "\n".join(waiting)


def shared_messages(one: Sequence[Message], other: Sequence[Message]) -> int:
    """Return how many messages two chats share at their beginning. The shared part ends with a message of the
    environment, and has at least the messages before the first action."""
    same = 0
    for mine, theirs in zip(one, other, strict=False):
        if (mine.role, mine.text) != (theirs.role, theirs.text):
            break
        same += 1
    while same and one[same - 1].role == "assistant":
        same -= 1
    return same
