"""Reading a recipe: YAML, the `fast` profile, `--set key.path=value`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from a3t_contracts.errors import InvalidInputError, NotFoundError

from .schema import Recipe

__all__ = ["changed", "load_recipe", "parse_recipe", "read_values", "recipe_hash"]


def load_recipe(path: Path, *, fast: bool = False, overrides: Iterable[str] = ()) -> Recipe:
    """The recipe of a YAML file. `overrides` are `key.path=value` with YAML values.

    Raises:
        NotFoundError: there is no such file.
        InvalidInputError: no YAML, an unknown key, a wrong value; names the file and the key.
    """
    return parse_recipe(read_values(path, fast=fast), source=str(path), overrides=overrides)


def read_values(path: Path, *, fast: bool = False) -> dict[str, Any]:
    """The mapping of a YAML file, with its `fast` section applied where that is asked for; raises as `load_recipe`."""
    if not path.is_file():
        raise NotFoundError(f"There is no recipe {path}.", hint="The project's own are in configs/.")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise InvalidInputError(f"{path} is no recipe: it has to be a mapping of keys.")
    return changed(values, _fast_profile(values, str(path))) if fast else values


def parse_recipe(values: dict[str, Any], *, source: str = "recipe", overrides: Iterable[str] = ()) -> Recipe:
    """The recipe of a mapping; see `load_recipe`."""
    for override in overrides:
        values = changed(values, _override(override))
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise InvalidInputError(f"{source}: {_explain(error)}") from error


def recipe_hash(recipe: Recipe) -> str:
    """SHA-256 of what the recipe says, hex."""
    return hashlib.sha256(recipe.model_dump_json().encode()).hexdigest()


def _fast_profile(values: dict[str, Any], source: str) -> dict[str, Any]:
    profile = values.get("fast")
    if not isinstance(profile, dict) or not profile:
        raise InvalidInputError(f"{source} has no `fast` section, which --fast asks for.")
    return profile


def changed(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`base` with changes: mappings are merged key by key, everything else is replaced."""
    result = dict(base)
    for key, value in changes.items():
        old = result.get(key)
        result[key] = changed(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


def _override(text: str) -> dict[str, Any]:
    key, found, value = text.partition("=")
    if not found or not key:
        raise InvalidInputError(f"--set {text!r} is not of the form key.path=value.")
    try:
        parsed: Any = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise InvalidInputError(f"--set {text!r}: the value is no YAML.") from error
    for part in reversed(key.split(".")):
        parsed = {part: parsed}
    return dict(parsed)


def _explain(error: ValidationError) -> str:
    """Every problem of a recipe in one line, at most five."""
    lines = []
    for problem in error.errors()[:5]:
        where = ".".join(str(part) for part in problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        lines.append(f"{where}: unknown key" if problem["type"] == "extra_forbidden" else f"{where}: {message}")
    more = error.error_count() - len(lines)
    return "; ".join(line.removeprefix(": ") for line in lines) + (f" (and {more} more)" if more > 0 else "") + "."
