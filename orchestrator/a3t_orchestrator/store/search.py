"""Full-text search over the observations, thoughts and actions of trajectories.

A query is a list of words. A trajectory must contain all of them, in any place. `"two words"` means words that follow
each other, `-word` a word that must not occur, `wor*` the beginning of a word. All other characters separate words. No
query is an error.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    column,
    false,
    func,
    literal_column,
    not_,
    select,
    table,
)
from sqlalchemy.orm import Session

from .tables import TrajectoryRow

__all__ = ["LONGEST_QUERY", "Term", "matches", "search_terms", "term_pattern"]

LONGEST_QUERY = 400
"""Largest number of characters in a query, because neither database accepts words of any length."""

_TERM = re.compile(r'(-?)(?:"([^"]*)"?|([^\s"]+))')


@dataclass(frozen=True, slots=True)
class Term:
    """Words that follow each other. If `prefix` is true, the last one is the beginning of a word."""

    words: tuple[str, ...]
    prefix: bool = False
    excluded: bool = False


def search_terms(query: str) -> list[Term]:
    """Return the terms of a query, in their order."""
    found = []
    for minus, quoted, plain in _TERM.findall(query[:LONGEST_QUERY]):
        words = _words(quoted or plain)
        if words:
            found.append(Term(words, prefix=(quoted or plain).endswith("*"), excluded=bool(minus)))
    return found


def matches(session: Session, query: str) -> ColumnElement[bool]:
    """Return the condition that a row of TrajectoryRow matches a query. A query without words matches nothing."""
    terms = search_terms(query)
    wanted = [term for term in terms if not term.excluded]
    unwanted = [term for term in terms if term.excluded]
    if not terms:
        return false()
    language = _FTS5 if session.get_bind().dialect.name == "sqlite" else _TSQUERY
    if not wanted:
        return not_(language.condition(language.any_of(unwanted)))
    asked = language.all_of(wanted)
    return language.condition(language.without(asked, language.any_of(unwanted)) if unwanted else asked)


def term_pattern(terms: Sequence[Term]) -> re.Pattern[str] | None:
    """Return a pattern that finds the terms in a text, in order to mark them; None if there are no terms."""
    wanted = [_written(term) for term in terms if not term.excluded]
    return re.compile("|".join(wanted), re.IGNORECASE) if wanted else None


def _written(term: Term) -> str:
    end = "" if term.prefix else r"\b"
    return r"\b" + r"[\W_]+".join(map(re.escape, term.words)) + end


def _words(text: str) -> tuple[str, ...]:
    """Split a text into words of letters, digits and their marks. All other characters separate words, as they do in
    the index."""
    plain = (c if unicodedata.category(c)[0] in "LNM" else " " for c in unicodedata.normalize("NFC", text))
    return tuple("".join(plain).split())


def _fts5_term(term: Term) -> str:
    return f'"{" ".join(term.words)}"' + ("*" if term.prefix else "")


def _fts5_condition(asked: str) -> ColumnElement[bool]:
    found = select(column("rowid", Integer)).select_from(table("trajectory_search"))
    return TrajectoryRow.number.in_(found.where(literal_column("trajectory_search").op("MATCH")(asked)))


def _tsquery_term(term: Term) -> str:
    return "(" + " <-> ".join(f"'{word}'" for word in term.words) + (":*)" if term.prefix else ")")


def _tsquery_condition(asked: str) -> ColumnElement[bool]:
    words = table("trajectory_search", column("number", BigInteger), column("words"))
    query = func.to_tsquery(literal_column("'pg_catalog.simple'"), asked)
    return TrajectoryRow.number.in_(select(words.c.number).where(words.c.words.op("@@")(query)))


@dataclass(frozen=True, slots=True)
class _Language:
    """How a query is written for a database."""

    term: Callable[[Term], str]
    condition: Callable[[str], ColumnElement[bool]]
    both: str
    either: str
    but_not: str

    def all_of(self, terms: Sequence[Term]) -> str:
        return self.both.join(map(self.term, terms))

    def any_of(self, terms: Sequence[Term]) -> str:
        return self.either.join(map(self.term, terms))

    def without(self, asked: str, unwanted: str) -> str:
        return f"({asked}){self.but_not}({unwanted})"


_FTS5 = _Language(_fts5_term, _fts5_condition, " AND ", " OR ", " NOT ")
_TSQUERY = _Language(_tsquery_term, _tsquery_condition, " & ", " | ", " & !")
