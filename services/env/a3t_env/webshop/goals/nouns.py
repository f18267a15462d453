"""The nouns of a title, for the type part of the reward.

The original uses spaCy's model `en_core_web_sm`, and so does this module if the model is installed. Otherwise every
alphabetic token counts as a noun; titles are then split like spaCy's English tokenizer splits them (docs/webshop.md
says where the results can differ).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from threading import Lock

from a3t_contracts.byte_cache import ByteCache

from .title_tokens import title_tokens

__all__ = ["MODEL", "Tagger", "default_tagger", "rule_nouns"]

MODEL = "en_core_web_sm"
Tagger = Callable[[str], tuple[str, ...]]
"""Lower-cased nouns of a title, in order, repeats included."""

_NOUNS = ("PNOUN", "NOUN", "PROPN")
_KEPT_BYTES = 16 * 2**20


@cache
def default_tagger() -> Tagger:
    """Return spaCy's model if it is installed, else the rule."""
    return _spacy_tagger() if find_spec("spacy") and find_spec(MODEL) else rule_nouns


def rule_nouns(title: str) -> tuple[str, ...]:
    """Every alphabetic token."""
    return _by_rule.get(title)


def _alphabetic(title: str) -> tuple[str, ...]:
    return tuple(token.lower() for token in title_tokens(title) if token.isalpha())


_by_rule: ByteCache[str, tuple[str, ...]] = ByteCache(_KEPT_BYTES, _alphabetic)


def _spacy_tagger() -> Tagger:
    import spacy

    model, one_at_a_time = spacy.load(MODEL), Lock()

    def nouns(title: str) -> tuple[str, ...]:
        with one_at_a_time:  # Sessions run in several threads, and spaCy does not promise that a model may.
            return tuple(token.text.lower() for token in model(title) if token.pos_ in _NOUNS)

    return ByteCache(_KEPT_BYTES, nouns).get
