"""The annotator without an LLM: a grammar per environment over the visible history."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from functools import partial

from a3t_contracts.errors import UnavailableError
from a3t_contracts.react import History
from a3t_contracts.schemas import Reason, ReasonQuery

from .base import writing

__all__ = ["Grammar", "TemplateAnnotator"]

Grammar = Callable[[History, str], str]
"""The reason of an action after a history."""


class TemplateAnnotator:
    """Deterministic, instant, offline. Reads the history that the request carries and nothing else.

    Args:
        name: what requests call it.
        grammar_of: the grammar of an environment; raises UnavailableError where there is none. Unset: those of this
            package.
    """

    model: str | None = None

    def __init__(self, name: str = "template", grammar_of: Callable[[str], Grammar] | None = None) -> None:
        self.name = name
        self._grammar_of = grammar_of or _grammar

    async def reason(self, query: ReasonQuery) -> Reason:
        started = time.perf_counter()
        grammar = self._grammar_of(query.history.environment)
        text = await writing(partial(grammar, query.history, query.action))
        return Reason(reason=text, annotator=self.name, seconds=time.perf_counter() - started)

    async def check(self) -> None:
        """Always ready."""

    async def aclose(self) -> None:
        """Holds nothing."""


def _grammar(environment: str) -> Grammar:
    """`<environment>_reason` of the module of that name."""
    try:
        module = importlib.import_module(f"a3t_actre.template.{environment}")
    except ModuleNotFoundError as error:
        raise UnavailableError(
            f"There is no template grammar for {environment!r} in this installation.", hint="Use the llm annotator."
        ) from error
    grammar: Grammar = getattr(module, f"{environment}_reason")
    return grammar
