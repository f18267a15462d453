"""Loads a recipe: YAML with `extends`, the `fast` section and `--set key.path=value`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from a3t_contracts.errors import InvalidInputError

from .extend import Layer, changed, layers_of, merged, read_layers, source_of
from .schema import Recipe

__all__ = ["changed", "load_recipe", "parse_recipe", "read_values", "recipe_hash", "sent_recipe"]


def load_recipe(path: Path, *, fast: bool = False, overrides: Iterable[str] = ()) -> Recipe:
    """Load the recipe of a YAML file. `overrides` are `key.path=value` with YAML values; `fast` applies the `fast`
    section.

    Raises:
        NotFoundError: the file, or one that `extends` names, does not exist.
        InvalidInputError: the file is not YAML, or has an unknown key or a wrong value; the error names file and key.
    """
    layers = read_layers(path)
    return _parse(_values(layers, fast), str(path), overrides, layers)


def read_values(path: Path, *, fast: bool = False) -> dict[str, Any]:
    """Read the mapping of a YAML file, merged with the files that it extends, and with `fast` also with its `fast`
    section. Raises the same errors as `load_recipe`."""
    return _values(read_layers(path), fast)


def parse_recipe(values: dict[str, Any], *, source: str = "recipe", overrides: Iterable[str] = ()) -> Recipe:
    """Make the recipe of a mapping without `extends`; see `load_recipe`."""
    return _parse(values, source, overrides, ())


def sent_recipe(values: dict[str, Any], *, fast: bool = False, overrides: Iterable[str] = ()) -> Recipe:
    """Make the recipe of a mapping that came over the network. It may extend presets. Raises the same errors as
    `load_recipe`."""
    layers = layers_of(values, "recipe")
    return _parse(_values(layers, fast), "recipe", overrides, layers)


def recipe_hash(recipe: Recipe) -> str:
    """Return the SHA-256 of the recipe's keys and values, in hex digits."""
    return hashlib.sha256(recipe.model_dump_json().encode()).hexdigest()


def _values(layers: Sequence[Layer], fast: bool) -> dict[str, Any]:
    values = merged(layers)
    return changed(values, _fast_profile(values, layers[-1].source)) if fast else values


def _parse(values: dict[str, Any], source: str, overrides: Iterable[str], layers: Sequence[Layer]) -> Recipe:
    overridden: dict[str, Any] = {}
    for change in map(_override, overrides):
        values, overridden = changed(values, change), changed(overridden, change)
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        written = [*layers, Layer("--set", overridden)] if layers and overridden else layers
        raise InvalidInputError(_explain(error, source, written)) from error


def _fast_profile(values: dict[str, Any], source: str) -> dict[str, Any]:
    profile = values.get("fast")
    if not isinstance(profile, dict) or not profile:
        raise InvalidInputError(
            f"{source} has no `fast` section, which --fast asks for.",
            hint="Leave --fast out, or add the section to the recipe.",
        )
    return profile


def _override(text: str) -> dict[str, Any]:
    key, found, value = text.partition("=")
    if not found or not key:
        raise InvalidInputError(
            f"--set {text!r} is not of the form key.path=value.", hint="For example: --set compose.p=0.2"
        )
    try:
        parsed: Any = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise InvalidInputError(
            f"--set {text!r}: the value is not valid YAML.", hint="Put quotes around the whole argument."
        ) from error
    for part in reversed(key.split(".")):
        parsed = {part: parsed}
    return dict(parsed)


def _explain(error: ValidationError, source: str, layers: Sequence[Layer]) -> str:
    """Describe the problems of a recipe on one line, at most five, each with the file that set the key."""
    problems: dict[str, list[str]] = {}
    for problem in error.errors()[:5]:
        where = ".".join(str(part) for part in problem["loc"])
        text = "unknown key" if problem["type"] == "extra_forbidden" else problem["msg"].removeprefix("Value error, ")
        line = f"{where}: {text}".removeprefix(": ")
        problems.setdefault((source_of(layers, problem["loc"]) if where else None) or source, []).append(line)
    more = error.error_count() - sum(map(len, problems.values()))
    told = "; ".join(f"{file}: {'; '.join(lines)}" for file, lines in problems.items())
    return told + (f" (and {more} more)" if more > 0 else "") + "."
