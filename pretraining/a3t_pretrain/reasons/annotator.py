"""The annotator that the ActRe service offers as `pretraining`."""

from __future__ import annotations

from a3t_actre.annotators.template import Grammar, TemplateAnnotator
from a3t_actre.environments.alfworld.grammar import alfworld_reason
from a3t_actre.environments.webshop.grammar import webshop_reason
from a3t_actre.settings import ActReSettings
from a3t_contracts.errors import UnavailableError
from a3t_contracts.react import History

from .household import exercise_goal
from .shop import exercise_wishes

__all__ = ["ANNOTATOR", "pretraining_annotator"]

ANNOTATOR = "pretraining"


def pretraining_annotator(_: ActReSettings) -> TemplateAnnotator:
    """Make an annotator that understands the task lines of exercises. The entry point names this function."""
    return TemplateAnnotator(ANNOTATOR, _grammar)


def _grammar(environment: str) -> Grammar:
    try:
        return _GRAMMARS[environment]
    except KeyError as error:
        raise UnavailableError(
            f"There are no exercises for {environment!r}, only for {', '.join(_GRAMMARS)}."
        ) from error


def _household_reason(history: History, action: str) -> str:
    return alfworld_reason(history, action, exercise_goal)


def _shop_reason(history: History, action: str) -> str:
    return webshop_reason(history, action, exercise_wishes)


_GRAMMARS: dict[str, Grammar] = {"alfworld": _household_reason, "webshop": _shop_reason}
