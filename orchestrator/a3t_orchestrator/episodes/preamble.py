"""The worked example in front of a few-shot episode."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

from a3t_contracts.errors import NotFoundError

from ..recipe import Recipe
from ..store import WorkItem

__all__ = ["preamble_of"]

FEW_SHOT_PHASES = frozenset({"few_shot", "evaluate_base"})


def preamble_of(recipe: Recipe, item: WorkItem) -> str:
    """The preamble of an item: of round 0's few-shot episodes and of the base model's evaluation, else none."""
    if recipe.round0.mode != "few_shot" or item.phase not in FEW_SHOT_PHASES:
        return ""
    return read_preamble(recipe.environment, recipe.round0.preamble)


@cache
def read_preamble(environment: str, path: str | None) -> str:
    """Text of the worked example: the given file, or the one that ships. Raises NotFoundError."""
    if path is None:
        return files("a3t_orchestrator.preambles").joinpath(f"{environment}.txt").read_text(encoding="utf-8")
    file = Path(path).expanduser()
    if not file.is_file():
        raise NotFoundError(f"There is no file {path}, which round0.preamble names.")
    return file.read_text(encoding="utf-8")
