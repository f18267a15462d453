"""Builds the prompt of an LLM from a query."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from jinja2 import (
    ChoiceLoader,
    FileSystemLoader,
    PackageLoader,
    PrefixLoader,
    StrictUndefined,
    Template,
    TemplateNotFound,
)
from jinja2 import Environment as Jinja

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.react import History, observation_text
from a3t_contracts.schemas import ReasonQuery

from .plugins import installed_reasons
from .worked import worked_episode

__all__ = ["build_prompt", "prompt_loader", "prompt_template"]

_ELLIPSIS = " […] "
_NEWEST_SHARE = 0.5
"""Largest share (0 to 1) of the room for the history that the newest observation may take; a longer one is
shortened.
"""


def build_prompt(query: ReasonQuery, version: str, max_chars: int) -> str:
    """Build the few-shot prompt with the worked example, the history and the action to explain. It ends with "Reason
    for the action:".

    It is the prompt of the environment's plug-in, or the general one, which includes `query.about` and the worked
    episode `query.example`, unless that is longer than half of `max_chars`. If the prompt is longer than `max_chars`,
    the oldest turns are left out; if that is not enough, the middle of the first and the newest observation is cut out.

    Raises:
        InvalidInputError: there is no such prompt version.
    """
    template = prompt_template(query.history.environment, version)
    action = " ".join(query.action.split())[:2000]
    turns = [_plain(turn.thought, turn.action, turn.observation, query.history) for turn in query.history.turns]
    first = observation_text(query.history.observation, query.history.multiline)
    about = _clip(" ".join(query.about.split()), max_chars // 4)
    example = worked_episode(query.example) if len(query.example) <= max_chars // 2 else None
    render = partial(_render, template, action=action, about=about, example=example)
    room = max(1000, max_chars - len(render("", [], 0)))
    first = _clip(first, room // 3)
    kept = _newest(turns, room - len(first))
    return render(first, kept, len(turns) - len(kept))


def _plain(thought: str | None, action: str, observation: str, history: History) -> dict[str, str]:
    return {
        "thought": " ".join((thought or "").split()),
        "action": " ".join(action.split()),
        "observation": observation_text(observation, history.multiline),
    }


def _newest(turns: list[dict[str, str]], room: int) -> list[dict[str, str]]:
    """As many of the last turns as fit, but at least one."""
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


def _render(
    template: Template,
    first: str,
    turns: list[dict[str, str]],
    skipped: int,
    *,
    action: str,
    about: str,
    example: dict[str, object] | None,
) -> str:
    history: dict[str, Any] = {"observation": first, "turns": turns}
    return template.render(history=history, skipped=skipped, action=action, about=about, example=example).rstrip()


@cache
def prompt_template(environment: str, version: str) -> Template:
    """The template of a prompt's version: the environment's own where its plug-in brings prompts, else the general one.
    Raises InvalidInputError where there is none."""
    plugin = installed_reasons().get(environment)
    own = plugin is not None and plugin.prompts is not None
    try:
        return prompt_loader().get_template(f"{environment}/{version}.jinja" if own else f"{version}.jinja")
    except TemplateNotFound as error:
        raise InvalidInputError(
            f"There is no ActRe prompt {version!r} for {environment}.",
            hint="Set A3T_ACTRE_PROMPT to an existing version.",
        ) from error


@cache
def prompt_loader() -> Jinja:
    """Jinja, which finds the prompts of this package and those of installed plug-ins."""
    own = {name: FileSystemLoader(p.prompts) for name, p in installed_reasons().items() if p.prompts is not None}
    return Jinja(
        loader=ChoiceLoader([PrefixLoader(own), PackageLoader("a3t_actre", "prompts")]),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701  the output is a prompt, no HTML
        keep_trailing_newline=False,
    )
