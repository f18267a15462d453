"""The ReAct text format, in one place: rollout and training render and parse with the same functions.

A rendered episode is a list of segments. Each segment is tokenised on its own and the ids are joined, so that
the ids of a prompt are always a prefix of the ids of the finished episode (no re-tokenisation drift):

    preamble      (optional few-shot prompt, ends in a blank line)
    observation   "Observation: {first observation}\\n"
    completion    "Thought: {thought}\\nAction: {action}\\n"      ("Action: …\\n" alone without a thought)
    observation   "Observation: {observation}\\n"
    …

The label-prefix objective puts the outcome of an episode at the head of its preamble (`labelled_preamble`). Training
puts each trajectory's own outcome there. A policy that was trained with this objective must be asked with the label of
success; the orchestrator does so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ..errors import InvalidInputError
from ..schemas.trajectory import History, PromptStyle, Trajectory, Turn
from .chat import ChatFrame

__all__ = [
    "History",
    "Reply",
    "Segment",
    "Turn",
    "TurnEnd",
    "completion_text",
    "history_of",
    "labelled_preamble",
    "observation_text",
    "parse_reply",
    "render_history",
    "render_trajectory",
    "turn_end",
    "unlabelled_preamble",
]

THOUGHT, ACTION, OBSERVATION = "Thought:", "Action:", "Observation:"
STOP_STRINGS = (OBSERVATION,)
"""Stop strings for servers that can stop only at fixed strings. Such a server stops at or after the end of the turn;
`turn_end` finds the end."""

_ACTION_LINE = re.compile(r"^Action:[^\n]*\n", re.MULTILINE)
_OBSERVATION = re.compile(
    r"Observation[^\w\n]?\d*[^\w\n]{0,2}:|^[^\w\n]*(?i:observation)[^\w\n]?\d*[^\w\n]{0,2}:", re.MULTILINE
)
"""The label that begins an observation: anywhere as `Observation:`, and at the start of a line also in lower or upper
case. It may have a number ("Observation 2:") or emphasis ("**Observation**:"). "my observation: …" within a sentence
does not count."""
_LABEL = re.compile(r"\AOutcome: (?:success|failure)\n\n")
_BANNER = ("-= Welcome to ", " =-")
"""Beginning and end of the line that TextWorld writes above the first observation; it tells the agent nothing."""
_SPACE = re.compile(r"\s")
_PIECE = 2**17
"""Number of characters whose white space is folded in one call. No other thread runs during a call."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a rendered episode; `ids` are the ids that the policy generated, where they are known."""

    kind: Literal["preamble", "observation", "completion", "end"]
    """`end`: the token that ends a turn in a chat template; the agent writes it, and it belongs to the action."""
    text: str
    ids: tuple[int, ...] | None = None
    turn: int = -1
    """Index of the step that a completion or its end belongs to; −1 for other kinds."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Thought and action of a completion. `action` is empty if there is none."""

    thought: str | None
    action: str


@dataclass(frozen=True, slots=True)
class TurnEnd:
    """Where a turn ends: after `length` characters. `made_up_observation`: whether an observation follows there."""

    length: int
    made_up_observation: bool


def observation_text(raw: str, multiline: bool = False) -> str:
    """Return an environment's text as the agent reads it: on one line and without TextWorld's banner. With `multiline`
    only white space at both ends is removed."""
    if multiline:
        return raw.strip()
    return _one_line(_without_banner(raw))


def _without_banner(raw: str) -> str:
    """Remove TextWorld's banner. The time is proportional to the length of the text, whatever it contains."""
    opening, closing = _BANNER
    start = raw.find(opening)
    while start >= 0:
        line_end = raw.find("\n", start)
        line_end = len(raw) if line_end < 0 else line_end
        end = raw.rfind(closing, start + len(opening), line_end)
        if end >= 0:
            return raw[:start].rstrip() + raw[end + len(closing) :]
        start = raw.find(opening, line_end)
    return raw


def _one_line(text: str) -> str:
    """Return the words of a text, joined by single spaces."""
    if len(text) <= _PIECE:
        return " ".join(text.split())
    pieces, start = [], 0
    while start < len(text):
        space = _SPACE.search(text, start + _PIECE)
        end = space.start() if space else len(text)
        pieces.append(" ".join(text[start:end].split()))
        start = end
    return " ".join(piece for piece in pieces if piece)


def completion_text(thought: str | None, action: str) -> str:
    """Return the text of a turn in the agent's format; thought and action are each folded to one line."""
    line = f"{ACTION} {_one_line(action)}\n"
    thought = _one_line(thought) if thought else ""
    return f"{THOUGHT} {thought}\n{line}" if thought else line


def turn_end(text: str) -> TurnEnd | None:
    """Find where the agent's turn at the start of `text` ends; None while it is unfinished.

    A turn ends with the line of its first action; later text is ignored. If an observation begins before that line has
    ended, the turn ends before the observation, because only the environment gives observations.
    """
    action, observation = _ACTION_LINE.search(text), _OBSERVATION.search(text)
    if observation and (action is None or observation.start() < action.end()):
        return TurnEnd(observation.start(), made_up_observation=True)
    return TurnEnd(action.end(), made_up_observation=False) if action else None


def parse_reply(text: str) -> Reply:
    """Split a completion into thought and action, in the same way for every environment.

    The action is the rest of the first line that begins with "Action:". The thought is the text before it, without its
    label. Text without such a line is a thought without an action, which no environment accepts.
    """
    head, found, tail = ("\n" + text).partition(f"\n{ACTION}")
    thought = head.strip().removeprefix(THOUGHT).strip() or None
    action = tail.split("\n", 1)[0].strip() if found else ""
    return Reply(" ".join(thought.split()) if thought else None, action)


def render_history(history: History, frame: ChatFrame | None = None) -> list[Segment]:
    """Return the segments of a prompt, which the agent's turn follows.

    Args:
        frame: frame of the base's chat template (`chat_frame`). Raises InvalidInputError where `history.prompt` is
            `chat` and the frame is None.
    """
    if history.prompt is PromptStyle.plain:
        return list(_segments(history))
    if frame is None:
        raise InvalidInputError(
            "A history with `prompt: chat` needs a base with a chat template, and there is none here.",
            hint="Use `prompt: plain`.",
        )
    return list(_chat_segments(history, frame))


def history_of(trajectory: Trajectory, steps: int | None = None) -> History:
    """Return the history after the first `steps` steps of a stored episode; None takes all steps."""
    done = trajectory.steps if steps is None else trajectory.steps[:steps]
    after = [s.observation for s in trajectory.steps[1:]] + [trajectory.final_observation]
    turns = [
        Turn.model_construct(  # not validated here: the trainer refuses wrong token ids and names the step
            thought=s.thought,
            action=s.action,
            observation=o,
            completion=s.completion,
            completion_ids=s.completion_ids,
        )
        for s, o in zip(done, after, strict=False)
    ]
    first = trajectory.steps[0].observation if trajectory.steps else trajectory.final_observation
    return History(
        environment=trajectory.environment,
        observation=first,
        turns=turns,
        preamble=trajectory.preamble,
        multiline=trajectory.multiline,
        prompt=trajectory.prompt,
    )


def render_trajectory(trajectory: Trajectory, frame: ChatFrame | None = None) -> list[Segment]:
    """Return the segments of a whole episode, including its last observation; see `render_history`."""
    return render_history(history_of(trajectory), frame)


def labelled_preamble(preamble: str, *, success: bool) -> str:
    """Return the preamble with the label of success or failure at its head, in place of any label that it has."""
    return f"Outcome: {'success' if success else 'failure'}\n\n{unlabelled_preamble(preamble)}"


def unlabelled_preamble(preamble: str) -> str:
    """Return the preamble without a label."""
    return _LABEL.sub("", preamble)


def _segments(history: History) -> Iterator[Segment]:
    if history.preamble:
        yield Segment("preamble", history.preamble.rstrip("\n") + "\n\n")
    yield _observation(history.observation, history.multiline)
    for index, turn in enumerate(history.turns):
        text = turn.completion if turn.completion is not None else completion_text(turn.thought, turn.action)
        ids = None if turn.completion_ids is None else tuple(turn.completion_ids)
        yield Segment("completion", text, ids, index)
        yield _observation(turn.observation, history.multiline)


def _observation(raw: str, multiline: bool) -> Segment:
    return Segment("observation", f"{OBSERVATION} {observation_text(raw, multiline)}\n")


def _chat_segments(history: History, frame: ChatFrame) -> Iterator[Segment]:
    """Yield the segments of a history. A text of the template and the observation next to it form one segment, so that
    they are tokenised as in the template's own rendering."""
    preamble = f"{history.preamble.rstrip()}\n\n" if history.preamble else ""
    text = _chat_observation(history.observation, history.multiline, frame)
    yield Segment("observation", frame.opening + frame.plain(preamble) + text)
    for index, turn in enumerate(history.turns):
        written = turn.completion if turn.completion is not None else completion_text(turn.thought, turn.action)
        ids = None if turn.completion_ids is None else tuple(turn.completion_ids)
        said = written if ids is not None else frame.lead + frame.plain(written).strip()
        yield Segment("completion", said, ids, index)
        if frame.end:
            yield Segment("end", frame.end, turn=index)
        yield Segment("observation", frame.to_user + _chat_observation(turn.observation, history.multiline, frame))


def _chat_observation(raw: str, multiline: bool, frame: ChatFrame) -> str:
    return f"{OBSERVATION} {frame.plain(observation_text(raw, multiline))}{frame.to_agent}"
