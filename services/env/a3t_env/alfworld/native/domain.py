"""Which rules a game's PDDL domain holds.

The games of all releases share one domain, except for two points: whether a plain Sink cleans, and whether there is a
`help` action. This engine knows no other rules, so it refuses a domain that differs otherwise.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from a3t_contracts.byte_cache import ByteCache
from a3t_contracts.errors import InvalidInputError

__all__ = ["Domain", "read_domain"]

_COMMENT = re.compile(r";[^\n]*")
_SPACE = re.compile(r"\s+")
_HELP = re.compile(r"\(:action help :parameters \(\?a - agent\) :precondition \(\) :effect \(and \(checked \?a\)\)\)")
_SINK = "(receptacletype ?r sinktype)"
_CORE_SHA256 = "12f8e07eea75ef3b141c41ff2e776f6525eb4d69f20ffdb36c6a4f3ed6f8261b"


@dataclass(frozen=True, slots=True)
class Domain:
    """The points in which the domains of the releases differ."""

    has_help: bool
    cleaners: frozenset[str]
    """Receptacle types that clean."""


def read_domain(text: str) -> Domain:
    """Recognise a domain. Raises InvalidInputError for one that no release has."""
    return _known.get(text)


def _recognised(text: str) -> Domain:
    flat = normalise(text)
    core, helps = _HELP.subn("", flat)
    has_sink = _SINK in core
    core = core.replace(_SINK, "").replace(" ", "")
    if helps > 1 or hashlib.sha256(core.encode()).hexdigest() != _CORE_SHA256:
        raise InvalidInputError(
            "The game's PDDL domain is not that of a known ALFWorld release.",
            hint="Play it with the official engine.",
        )
    cleaners = {"sinkbasintype"} | ({"sinktype"} if has_sink else set())
    return Domain(has_help=helps == 1, cleaners=frozenset(cleaners))


_known: ByteCache[str, Domain] = ByteCache(4 * 2**20, _recognised)


def normalise(text: str) -> str:
    """Return a domain in lower case, without comments, with single spaces and no spaces next to brackets."""
    flat = _SPACE.sub(" ", _COMMENT.sub("", text.lower())).strip()
    return flat.replace("( ", "(").replace(" )", ")")
