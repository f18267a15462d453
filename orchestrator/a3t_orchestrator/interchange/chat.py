"""An episode as a chat: the environment is the user, the agent the assistant, the preamble the system."""

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
    """The messages of an episode up to its last action. What followed it is the field `final_observation`."""
    messages = [Message("system", head)] if (head := trajectory.preamble.rstrip("\n")) else []
    for step in trajectory.steps:
        messages.append(Message("user", observation_text(step.observation, trajectory.multiline)))
        messages.append(Message("assistant", _turn_text(step), imitated(step)))
    return messages


def imitated(step: Step) -> bool:
    """Whether a turn is one to learn from: understood by the environment, and without a made-up observation."""
    return step.valid and not step.made_up_observation


def draft_of(messages: Sequence[Message], row: dict[str, Any]) -> Draft:
    """The episode of a chat; `row` is the record that it stands in.

    A chat of ours (its record names run and kind) is read back as it was written. In others, opening exchanges without
    an action ("OK, I will follow your instructions.") are the preamble, `Observation:` labels are taken off, and where
    no message has the form "Thought: … Action: …" each whole message of the agent is an action without a thought. Where
    some have it, messages without an action belong to the agent's next one, and one at the end is no step.
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
    """A step; the text of the turn is kept where it is another than thought and action give."""
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
    """What stood in front of each message of the agent, those messages, and what stood behind the last."""
    observations: list[str] = []
    agents: list[Message] = []
    waiting: list[str] = []
    for message in messages:
        if message.role == "assistant":
            if not agents and not waiting:
                raise InvalidInputError(
                    "it begins with the agent: nothing says what the task is",
                    hint="Put the task in front, as a message of the user.",
                )
            observations.append("\n".join(waiting))
            agents.append(message)
            waiting = []
        else:
            waiting.append(message.text)
    return observations, agents, "\n".join(waiting)


def shared_messages(one: Sequence[Message], other: Sequence[Message]) -> int:
    """How many messages two chats have in common at their beginning, up to a message of the environment: at least what
    stands before the first action."""
    same = 0
    for mine, theirs in zip(one, other, strict=False):
        if (mine.role, mine.text) != (theirs.role, theirs.text):
            break
        same += 1
    while same and one[same - 1].role == "assistant":
        same -= 1
    return same
