"""The annotator without an LLM. It uses a grammar over the visible history: the environment's grammar or the general
one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from typing_extensions import override

from a3t_contracts.logging import get_logger
from a3t_contracts.react import names_purpose
from a3t_contracts.schemas import Reason, ReasonQuery

from ..general import general_reason
from ..plugins import Grammar, installed_reasons
from .base import Annotator, writing

__all__ = ["Grammar", "TemplateAnnotator"]

log = get_logger(__name__)


class TemplateAnnotator(Annotator):
    """Writes reasons with a grammar. It is deterministic, fast and offline, and reads only the history of the request.

    If a grammar fails or returns nothing, this is logged and the general grammar is used (`fallback` is true).

        Args: name: name of the annotator in requests. grammar_of: returns the grammar of an environment; may raise an
        A3TError if there is none. Default: the grammar of the installed plug-in, else the general one.
    """

    model: str | None = None

    def __init__(self, name: str = "template", grammar_of: Callable[[str], Grammar] | None = None) -> None:
        self.name = name
        self._grammar_of = grammar_of or _grammar

    @override
    async def reason(self, query: ReasonQuery) -> Reason:
        started = time.perf_counter()
        grammar = self._grammar_of(query.history.environment)
        text, fallback = await writing(partial(_written, grammar, query))
        return Reason(
            reason=text,
            purpose=names_purpose(text),
            annotator=self.name,
            fallback=fallback,
            seconds=time.perf_counter() - started,
        )

    async def check(self) -> None:
        """Do nothing: this annotator is always ready."""

    async def aclose(self) -> None:
        """Do nothing: this annotator holds no connections."""


def _grammar(environment: str) -> Grammar:
    plugin = installed_reasons().get(environment)
    return plugin.grammar if plugin is not None and plugin.grammar is not None else general_reason


def _written(grammar: Grammar, query: ReasonQuery) -> tuple[str, bool]:
    """Return the reason, and whether the general grammar wrote it because the environment's grammar failed."""
    try:
        text = grammar(query.history, query.action)
    except Exception:
        log.exception("grammar.failed", environment=query.history.environment, action=query.action[:200])
        text = ""
    return (text, False) if text else (general_reason(query.history, query.action), True)
