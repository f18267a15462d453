"""Messages to a prompt: the tokenizer's chat template, else a plain one in this project's text format.

The plain one: system messages are the preamble (a blank line behind), a user's message is an observation
("Observation: …", unless it says so itself), an assistant's message stands as it is, a line end behind.
"""

from __future__ import annotations

from collections.abc import Sequence

from jinja2 import TemplateError

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.react.format import OBSERVATION

from .text import TextCodec

__all__ = ["render_chat"]

Messages = Sequence[tuple[str, str]]


def render_chat(codec: TextCodec, messages: Messages) -> tuple[list[int], str]:
    """Ids and text of the prompt. Raises InvalidInputError where the template refuses the messages."""
    if codec.tokenizer.chat_template:
        text = _by_template(codec, messages)
        return codec.rendered(text), text
    text = "".join(_plain(role, content) for role, content in messages)
    return codec.prompt(text), text


def _by_template(codec: TextCodec, messages: Messages) -> str:
    rows = [{"role": "system" if role == "developer" else role, "content": content} for role, content in messages]
    try:
        return str(codec.tokenizer.apply_chat_template(rows, tokenize=False, add_generation_prompt=True))
    except TemplateError as error:
        raise InvalidInputError(f"messages: the model's chat template refuses them: {error}") from error


def _plain(role: str, content: str) -> str:
    if role in ("system", "developer"):
        return content.rstrip("\n") + "\n\n"
    line = content.rstrip("\n") + "\n"
    return line if role == "assistant" or line.startswith(OBSERVATION) else f"{OBSERVATION} {line}"
