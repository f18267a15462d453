"""The calls between the service and its engine processes: frames (`a3t_contracts.wire`) with JSON bodies."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import TypeAdapter

from ..generation import Delta, Generated, Generation
from ..metrics import Usage

__all__ = [
    "ASKED",
    "CANCEL",
    "CHECK",
    "DELTA",
    "DELTAS",
    "DONE",
    "DROP",
    "FACTS",
    "FAILED",
    "GENERATE",
    "GENERATED",
    "OVER",
    "PUT",
    "USAGE",
    "VERSION",
    "Asked",
    "EngineFacts",
    "NamedVersion",
]

GENERATE, CANCEL, PUT, DROP, CHECK = range(5)
"""Codes of the service's calls."""
DONE, FAILED, DELTA, OVER = range(4)
"""Codes of answers: the result, a problem document, a part of a streamed generation, and the end of a generation in
the engine. The last is sent once for each generation, with its usage, or without if it never began.
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """A generation, and the version to generate with."""

    generation: Generation
    version: int
    name: str
    streaming: bool


@dataclass(frozen=True, slots=True)
class NamedVersion:
    """A version by its number. `folder` is set only in calls that load it."""

    number: int
    name: str = ""
    folder: str = ""


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What an engine process reports when it accepts work."""

    context: int
    fingerprint: str
    modules: dict[str, tuple[int, int]]
    """(out, in) of the base's linear modules."""
    log: dict[str, str] = field(default_factory=dict)
    """Facts for the service's log."""


ASKED: TypeAdapter[Asked] = TypeAdapter(Asked)
VERSION: TypeAdapter[NamedVersion] = TypeAdapter(NamedVersion)
FACTS: TypeAdapter[EngineFacts] = TypeAdapter(EngineFacts)
GENERATED: TypeAdapter[Generated] = TypeAdapter(Generated)
DELTAS: TypeAdapter[Delta] = TypeAdapter(Delta)
USAGE: TypeAdapter[Usage] = TypeAdapter(Usage)
