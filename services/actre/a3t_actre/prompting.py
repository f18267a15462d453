"""From a query to the prompt that an LLM completes."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment as Jinja
from jinja2 import PackageLoader, StrictUndefined, Template, TemplateNotFound

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.react import History, observation_text
from a3t_contracts.schemas import ReasonQuery

__all__ = ["build_prompt"]

_ELLIPSIS = " […] "
_NEWEST_SHARE = 0.5
"""Part of the room for the history that the newest observation may take before it is clipped."""


def build_prompt(query: ReasonQuery, version: str, max_chars: int) -> str:
    """The few-shot prompt, with the worked example, the history and the action to explain; ends at the open
    "Reason for the action:".

    Where it would be longer than `max_chars`, the oldest turns are left out; if that is not enough, the first and the
    newest observation are clipped in the middle.

    Raises:
        InvalidInputError: there is no such prompt version.
    """
    template = _template(query.history.environment, version)
    action = " ".join(query.action.split())[:2000]
    turns = [_plain(turn.thought, turn.action, turn.observation, query.history) for turn in query.history.turns]
    first = observation_text(query.history.observation, query.history.multiline)
    room = max(1000, max_chars - len(_render(template, "", [], 0, action)))
    first = _clip(first, room // 3)
    kept = _newest(turns, room - len(first))
    return _render(template, first, kept, len(turns) - len(kept), action)


def _plain(thought: str | None, action: str, observation: str, history: History) -> dict[str, str]:
    return {
        "thought": " ".join((thought or "").split()),
        "action": " ".join(action.split()),
        "observation": observation_text(observation, history.multiline),
    }


def _newest(turns: list[dict[str, str]], room: int) -> list[dict[str, str]]:
    """As many of the last turns as fit, at least one."""
    kept: list[dict[str, str]] = []
    for turn in reversed(turns):
        part = turn if kept else {name: _clip(text, int(room * _NEWEST_SHARE)) for name, text in turn.items()}
        room -= sum(map(len, part.values())) + 60
        if kept and room < 0:
            break
        kept.insert(0, part)
    return kept


def _clip(text: str, length: int) -> str:
    """The beginning and the end of a text that is too long."""
    half = (length - len(_ELLIPSIS)) // 2
    return text if len(text) <= length else f"{text[:half]}{_ELLIPSIS}{text[-half:]}"


def _render(template: Template, first: str, turns: list[dict[str, str]], skipped: int, action: str) -> str:
    history: dict[str, Any] = {"observation": first, "turns": turns}
    return template.render(history=history, skipped=skipped, action=action).rstrip()


@cache
def _template(environment: str, version: str) -> Template:
    try:
        return _jinja().get_template(f"{environment}/{version}.jinja")
    except TemplateNotFound as error:
        raise InvalidInputError(
            f"There is no ActRe prompt {version!r} for {environment}.", hint="Set A3T_ACTRE_PROMPT to one that is."
        ) from error


@cache
def _jinja() -> Jinja:
    return Jinja(
        loader=PackageLoader("a3t_actre", "prompts"),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701  the output is a prompt, no HTML
        keep_trailing_newline=False,
    )
