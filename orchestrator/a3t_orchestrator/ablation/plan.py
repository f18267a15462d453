"""Lists the runs of a comparison: one for each arm and seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError, model_validator

from a3t_contracts.errors import InvalidInputError, NotFoundError
from a3t_contracts.schemas import Name, Schema

from ..recipe import Recipe, changed, parse_recipe, read_values

__all__ = ["Ablation", "Arm", "PlannedRun", "arm_to_compare_with", "load_ablation", "planned_runs"]


class Arm(Schema):
    """A change of the recipe whose effect is measured."""

    about: str = Field("", description="What the arm changes, in a few words")
    changes: dict[str, Any] = Field(
        default_factory=dict, description="Keys of the recipe that the arm changes, written as in the recipe"
    )


class Ablation(Schema):
    """A comparison. The other arms are compared with the first one."""

    name: Name = Field(description="Name of the comparison. Its runs are called <name>-<arm>-s<seed>")
    recipe: str = Field(description="Path of the recipe, relative to this file's folder")
    fast: bool = Field(False, description="Whether the recipe's `fast` section is applied first")
    split: str = Field(description="Held-out split of the recipe that the arms are compared on")
    seeds: list[int] = Field(min_length=1, description="Seeds; every arm runs once with each seed")
    changes: dict[str, Any] = Field(default_factory=dict, description="Changes of the recipe for all arms")
    arms: dict[Name, Arm] = Field(min_length=1)

    @model_validator(mode="after")
    def _seeds_differ(self) -> Ablation:
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError("seeds names a seed twice")
        return self


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One run of the comparison."""

    name: str
    arm: str
    seed: int
    recipe: Recipe
    source: str | None
    """The first arm's run with the same seed. Its phases are copied, up to the first phase in which the recipes
    differ."""


def load_ablation(path: Path) -> Ablation:
    """Read a comparison. Raises NotFoundError, or InvalidInputError that names the file and the key."""
    if not path.is_file():
        raise NotFoundError(
            f"There is no comparison {path}.",
            hint="The comparison that ships with the project is configs/ablations/method.yaml.",
        )
    try:
        return Ablation.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise InvalidInputError(f"{path}: {where}: {first['msg'].removeprefix('Value error, ')}.") from error


def planned_runs(
    ablation: Ablation, folder: Path, *, arms: Sequence[str] = (), seeds: Sequence[int] = ()
) -> list[PlannedRun]:
    """List every run of a comparison, seed by seed, so that all arms of the first seed can be compared early.

    Args:
        ablation: the comparison.
        folder: folder of the comparison's file; the path of its recipe is relative to it.
        arms, seeds: only these; empty takes all.

    Raises InvalidInputError for an unknown arm, a change of an unknown key, and a split that is not evaluated.
    """
    unknown = sorted(set(arms) - set(ablation.arms))
    if unknown:
        raise InvalidInputError(f"There is no arm {unknown[0]!r}.", hint=f"The arms are {', '.join(ablation.arms)}.")
    values = changed(read_values(folder / ablation.recipe, fast=ablation.fast), ablation.changes)
    return [_planned(ablation, values, arm, seed) for seed in seeds or ablation.seeds for arm in arms or ablation.arms]


def arm_to_compare_with(ablation: Ablation, runs: Sequence[PlannedRun], named: str | None = None) -> str:
    """The arm from which differences are taken: the named one, by default the first of the comparison's arms that has
    runs. Raises InvalidInputError if the named arm has none.
    """
    arms = [arm for arm in ablation.arms if arm in {run.arm for run in runs}]
    if named is None:
        return arms[0]
    if named not in arms:
        raise InvalidInputError(
            f"The arm {named!r} is not part of this table.", hint=f"Its arms are {', '.join(arms)}."
        )
    return named


def _planned(ablation: Ablation, values: dict[str, Any], arm: str, seed: int) -> PlannedRun:
    name = f"{ablation.name}-{arm}-s{seed}"
    ours = changed(changed(values, ablation.arms[arm].changes), {"seed": seed, "name": f"{ablation.name}-{arm}"})
    recipe = parse_recipe(ours, source=f"arm {arm}")
    if ablation.split not in {h.split for h in recipe.evaluation_splits}:
        raise InvalidInputError(
            f"split: arm {arm} is not evaluated on {ablation.split!r}.", hint="Name it in data.held_out."
        )
    first = next(iter(ablation.arms))
    return PlannedRun(name, arm, seed, recipe, None if arm == first else f"{ablation.name}-{first}-s{seed}")
