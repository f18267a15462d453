"""Annotators of other packages, from the entry point group `a3t.annotators`."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable

from a3t_contracts.errors import InvalidInputError

from ..settings import ActReSettings
from .base import Annotator

__all__ = ["ENTRY_POINT_GROUP", "OWN_NAMES", "AnnotatorFactory", "plugged_annotators"]

ENTRY_POINT_GROUP = "a3t.annotators"
OWN_NAMES = ("template", "llm")
"""Names of this service's annotators, which no other package may use."""
AnnotatorFactory = Callable[[ActReSettings], Annotator]
"""The function that an entry point names. It is called once, when the service starts."""


def plugged_annotators(settings: ActReSettings) -> dict[str, Annotator]:
    """One annotator for each entry point, by its name.

    Raises InvalidInputError for an entry point that cannot be loaded or has one of `OWN_NAMES`. The error names the
    package.
    """
    points = sorted(importlib.metadata.entry_points(group=ENTRY_POINT_GROUP), key=lambda point: point.name)
    return {point.name: _made(point, settings) for point in points}


def _made(point: importlib.metadata.EntryPoint, settings: ActReSettings) -> Annotator:
    package = point.dist.name if point.dist else "an installed package"
    if point.name in OWN_NAMES:
        raise InvalidInputError(
            f"{package} has an annotator {point.name!r}, which is the name of one of this service's annotators.",
            hint=f"Give it another name under {ENTRY_POINT_GROUP!r} in the pyproject.toml of {package}.",
        )
    try:
        factory: AnnotatorFactory = point.load()
        return factory(settings)
    except Exception as error:
        raise InvalidInputError(
            f"The annotator {point.name!r} ({point.value}) of {package} cannot be loaded: {error}",
            hint=f"Correct or uninstall {package}.",
        ) from error
