"""Finds the worked example at the head of few-shot episodes: that of the recipe, else that of the environment."""

from __future__ import annotations

from pathlib import Path

from a3t_contracts.byte_cache import ByteCache
from a3t_contracts.errors import NotFoundError
from a3t_contracts.schemas import EnvironmentInfo
from a3t_contracts.schemas.reason import LONGEST_EXAMPLE

from .recipe import Recipe

__all__ = ["example_for_reasons", "worked_example"]


def worked_example(recipe: Recipe, environment: EnvironmentInfo) -> str:
    """Return the text of the worked example. Raises NotFoundError if there is none, or if the recipe names a file that
    does not exist."""
    if recipe.round0.preamble is not None:
        return _preambles.get(recipe.round0.preamble)
    if not environment.example:
        raise NotFoundError(
            f"The environment {environment.name} has no worked example for few-shot episodes.",
            hint="Write one into a file and name it in round0.preamble.",
        )
    return environment.example


def example_for_reasons(environment: EnvironmentInfo) -> str:
    """Return the environment's worked example for queries to ActRe; empty if it is longer than a query may hold."""
    return environment.example if len(environment.example) <= LONGEST_EXAMPLE else ""


def _read_preamble(path: str) -> str:
    """Return the text of the worked example in a file. Raises NotFoundError."""
    file = Path(path).expanduser()
    if not file.is_file():
        raise NotFoundError(
            f"There is no file {path}, which round0.preamble names.",
            hint="Correct the path. Workers read the file, so use an absolute path that is the same for all of them.",
        )
    return file.read_text(encoding="utf-8")


_preambles: ByteCache[str, str] = ByteCache(4 * 2**20, _read_preamble)
