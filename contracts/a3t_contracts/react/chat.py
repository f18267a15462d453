"""Renders the ReAct text inside a base model's chat template.

The agent's turns are messages of the assistant, observations are messages of the user; a preamble stands at the head of
the first observation, because not every template has a system message. The text between the messages is found out from
the template once (`ChatFrame`) and is then the same in every turn, so that the ids of a prompt are a prefix of the ids
of the finished episode. A template that renders one turn differently from another is refused.

    opening · observation · to_agent · completion · end · to_user · observation · to_agent · …

`end` is the token by which the template ends a turn, such as `<|im_end|>`: the agent learns to write it after its
action. The other parts are context.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import InvalidInputError
from .encode import leading_bos

__all__ = ["ChatFrame", "chat_frame"]

_TURNS = 4
"""Number of turns that are rendered to test a template."""
_DATE = "26 Jul 2024"
"""Date for templates that write today's date, so that it is the same in every rollout and every training."""
_HINT = "Use `prompt: plain` in the recipe, or a base whose chat template writes every turn in the same way."


@dataclass(frozen=True, slots=True)
class ChatFrame:
    """The texts that a chat template writes around the messages of an episode.

    Attributes:
        opening: in front of the first observation, without BOS; may hold the template's own system message.
        to_agent: between an observation and the agent's turn.
        lead: in front of a turn of which only the text is known and not the generated ids: a blank, or nothing.
        end: the token that ends the agent's turn; empty where the template has none.
        to_user: between the end of a turn and the observation that follows.
        special: texts that the tokenizer reads as special tokens.
    """

    opening: str
    to_agent: str
    lead: str
    end: str
    to_user: str
    special: tuple[str, ...]

    def plain(self, text: str) -> str:
        """Return an environment's text with a blank inside each special token, so that the text cannot end a turn."""
        for token in self.special:
            if token in text:
                text = text.replace(token, f"{token[0]} {token[1:]}")
        return text


def chat_frame(tokenizer: Any) -> ChatFrame:
    """Find out the frame of a tokenizer of transformers. Raises InvalidInputError where it has no chat template, or one
    that does not render every turn in the same way."""
    if not getattr(tokenizer, "chat_template", None):
        raise InvalidInputError("prompt: the base has no chat template.", hint="Use `prompt: plain` in the recipe.")
    users, agents = (
        [f"Observation: zq{n}." for n in range(_TURNS)],
        [f"Thought: zq.\nAction: zq{n}" for n in range(_TURNS)],
    )
    rendered = [_rendered(tokenizer, users[: n + 1], agents[:n]) for n in range(_TURNS)]
    opening, _, to_agent = rendered[0].partition(users[0])
    before, _, rest = rendered[1][len(rendered[0]) :].partition(agents[0])
    between = rest.partition(users[1])[0]
    for count, text in enumerate(rendered):
        expected = opening + users[0] + to_agent
        for n in range(count):
            expected += before + agents[n] + between + users[n + 1] + to_agent
        if text != expected or before.strip():
            raise InvalidInputError(
                "prompt: the base's chat template does not write every turn in the same way.", hint=_HINT
            )
    end, to_user = _split_end(tokenizer, between)
    return ChatFrame(
        opening=_without_bos(tokenizer, opening),
        to_agent=to_agent,
        lead=_lead(tokenizer, to_agent, before),
        end=end,
        to_user=to_user,
        special=_special_texts(tokenizer),
    )


def _rendered(tokenizer: Any, users: Sequence[str], agents: Sequence[str]) -> str:
    messages = []
    for n, text in enumerate(users):
        messages.append({"role": "user", "content": text})
        if n < len(agents):
            messages.append({"role": "assistant", "content": agents[n]})
    try:
        return str(
            tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True, date_string=_DATE)
        )
    except Exception as error:  # what a template raises is its author's choice
        raise InvalidInputError(f"prompt: the base's chat template refuses an episode: {error}", hint=_HINT) from error


def _without_bos(tokenizer: Any, opening: str) -> str:
    """Remove BOS from the opening where the base wants BOS: there it is added as an id, and would otherwise be there
    twice."""
    return opening.removeprefix(str(tokenizer.bos_token)) if leading_bos(tokenizer) else opening


def _split_end(tokenizer: Any, between: str) -> tuple[str, str]:
    """Split the text between two turns into the special token that it begins with and the rest."""
    found = [token for token in _special_texts(tokenizer) if between.startswith(token)]
    end = max(found, key=len, default="")
    return end, between[len(end) :]


def _lead(tokenizer: Any, to_agent: str, before: str) -> str:
    """Return the blanks in front of a turn's text where they are tokens of their own, which the text alone would not
    have."""
    if not before:
        return ""

    def encode(text: str) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=False))

    whole, head = encode(f"{to_agent}{before}Thought: x"), encode(to_agent)
    return before if whole == head + encode(f"{before}Thought: x") else ""


def _special_texts(tokenizer: Any) -> tuple[str, ...]:
    return tuple(sorted({str(token) for token in tokenizer.all_special_tokens if len(str(token)) > 1}))
