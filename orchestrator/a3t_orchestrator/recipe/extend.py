"""Resolves `extends` of a recipe: reads the presets and files that it names, and records which file set which key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from a3t_contracts.errors import InvalidInputError, NotFoundError

__all__ = [
    "KEY",
    "Layer",
    "changed",
    "layers_of",
    "merged",
    "preset_names",
    "preset_values",
    "read_layers",
    "source_of",
]

KEY = "extends"
"""The key that names a preset, a file, or a list of both."""

_PRESETS = Path(str(files("a3t_orchestrator.recipe") / "presets"))
_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Layer:
    """The keys that one file sets, without its `extends`."""

    source: str
    values: dict[str, Any]


def preset_names() -> list[str]:
    """List the presets that `extends` can name."""
    return sorted(path.stem for path in _PRESETS.glob("*.yaml"))


def preset_values(name: str) -> dict[str, Any]:
    """Return the keys that a preset sets."""
    return _read(_PRESETS / f"{name}.yaml", ())


def read_layers(path: Path) -> list[Layer]:
    """Read the files that a recipe consists of, in the order in which they are merged. The recipe itself comes last.

    Raises:
        NotFoundError: the recipe, or a file or preset that `extends` names, does not exist.
        InvalidInputError: a file is not a YAML mapping, `extends` is not a name, or files extend each other in a
            circle.
    """
    return _layers(path, ())


def layers_of(values: dict[str, Any], source: str) -> list[Layer]:
    """Return the layers of a recipe that came over the network. Its `extends` may name presets, never files.

    Raises InvalidInputError where it names something else.
    """
    own, place = dict(values), Path(source)
    names = _names(own.pop(KEY, []), place)
    unknown = sorted(set(names) - set(preset_names()))
    if unknown:
        raise InvalidInputError(
            f"{source}: {KEY} names {', '.join(map(repr, unknown))}, which is no preset.",
            hint=f"The presets are {', '.join(preset_names())}. `a3t recipes show FILE` prints a recipe in one piece.",
        )
    below = [layer for name in names for layer in _layers(_PRESETS / f"{name}.yaml", (place,))]
    return [*below, Layer(source, own)]


def changed(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return `base` with changes: mappings are merged key by key; other values, also lists, are replaced."""
    result = dict(base)
    for key, value in changes.items():
        old = result.get(key)
        result[key] = changed(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


def merged(layers: Sequence[Layer]) -> dict[str, Any]:
    """Merge all layers into one mapping. A later layer takes precedence."""
    values: dict[str, Any] = {}
    for layer in layers:
        values = changed(values, layer.values)
    return values


def source_of(layers: Sequence[Layer], key: Sequence[str | int]) -> str | None:
    """Return the last file that set a key, such as `("compose", "p")`, in its `fast` section or outside it.

    If no file set the whole key, the longest part of the key that a file set counts. Returns None if there is none.
    """
    for length in range(len(key), 0, -1):
        for layer in reversed(layers):
            if _holds(layer.values, key[:length]) or _holds(layer.values.get("fast"), key[:length]):
                return layer.source
    return None


def _layers(path: Path, above: tuple[Path, ...]) -> list[Layer]:
    here = path.resolve()
    if here in above:
        circle = " → ".join(str(p) for p in (*above[above.index(here) :], here))
        raise InvalidInputError(f"{path}: {KEY} leads in a circle: {circle}.", hint="Remove one of these `extends`.")
    values = _read(path, above)
    names = _names(values.pop(KEY, []), path)
    below = [layer for name in names for layer in _layers(_find(name, path), (*above, here))]
    return [*below, Layer(str(path), values)]


def _read(path: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    if not path.is_file():
        if above:
            raise NotFoundError(
                f"{above[-1]}: {KEY} names {path}, which does not exist.",
                hint="Correct the path: it is relative to the folder of the recipe that names it.",
            )
        raise NotFoundError(f"There is no recipe {path}.", hint="The recipes of the project are in configs/.")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise InvalidInputError(
            f"{path} is not a recipe: it must be a mapping of keys.",
            hint="Write `key: value` lines; docs/reference/recipe.md lists the keys.",
        )
    return values


def _names(value: Any, path: Path) -> list[str]:
    names = value if isinstance(value, list) else [value]
    if not all(isinstance(name, str) and name for name in names):
        raise InvalidInputError(f"{path}: {KEY} must be a preset's name, a path, or a list of them, not {value!r}.")
    return names


def _find(name: str, path: Path) -> Path:
    """Return the file of a name in `extends`: a file relative to the recipe's folder if the name looks like a path,
    otherwise a preset."""
    if name.endswith(_SUFFIXES) or "/" in name:
        return path.parent / name
    if name not in preset_names():
        raise NotFoundError(
            f"{path}: {KEY} names {name!r}, which is no preset.",
            hint=f"The presets are {', '.join(preset_names())}; the path of a file ends with .yaml.",
        )
    return _PRESETS / f"{name}.yaml"


def _holds(values: Any, key: Sequence[str | int]) -> bool:
    for part in key:
        named = isinstance(values, dict) and part in values
        numbered = isinstance(values, list) and isinstance(part, int) and part < len(values)
        if not (named or numbered):
            return False
        values = values[part]
    return True
