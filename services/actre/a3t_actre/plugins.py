"""Plug-ins that write reasons for one environment, from the entry point group `a3t.reasons` of installed packages.

An environment without a plug-in gets the general grammar (`general.py`) and the general prompt (`prompts/`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.react import History

__all__ = ["ENTRY_POINT_GROUP", "Grammar", "ReasonsPlugin", "installed_reasons"]

ENTRY_POINT_GROUP = "a3t.reasons"
Grammar = Callable[[History, str], str]
"""Returns the reason of an action after a history, from visible texts only. A reason that begins with `NO_PURPOSE`
of `a3t_contracts.react` gets `purpose: false`.
"""


@dataclass(frozen=True, slots=True)
class ReasonsPlugin:
    """How to write reasons for an environment. The entry point has the name of the environment.

    Args:
        grammar: writes reasons without an LLM; default: the general grammar.
        prompts: folder of few-shot prompts for an LLM, `v1.jinja` and later versions; default: the general prompts.
    """

    grammar: Grammar | None = None
    prompts: Path | None = None


@cache
def installed_reasons() -> dict[str, ReasonsPlugin]:
    """The plug-ins of all installed packages, by environment. Raises InvalidInputError, which names the package, for
    a faulty plug-in.
    """
    return {point.name: _loaded(point) for point in entry_points(group=ENTRY_POINT_GROUP)}


def _loaded(point: EntryPoint) -> ReasonsPlugin:
    package = point.dist.name if point.dist else "an installed package"
    hint = f"Correct or uninstall {package}."
    try:
        found: Any = point.load()
    except Exception as error:
        raise InvalidInputError(
            f"The reasons for {point.name!r} ({point.value}) of {package} cannot be loaded: {error}", hint=hint
        ) from error
    if not isinstance(found, ReasonsPlugin):
        raise InvalidInputError(f"{point.value} of {package} is not a ReasonsPlugin.", hint=hint)
    return found
