"""The tiny base models that ship with the project: one folder a model, each with a card that says how it was made.
Beside them the names of models that `a3t models fetch` gets (`PACKAGED`)."""

from __future__ import annotations

from pathlib import Path

from .packaged import PACKAGED, Packaged

__all__ = ["PACKAGED", "PREFIX", "Packaged", "available", "folder"]

PREFIX = "a3t/"
_ROOT = Path(__file__).parent


def available() -> list[str]:
    """Names of the models that ship, e.g. `a3t/tiny`."""
    return sorted(f"{PREFIX}{path.parent.name}" for path in _ROOT.glob("*/config.json"))


def folder(name: str) -> Path:
    """The folder of a model that ships. Raises KeyError for another name."""
    if name not in available():
        raise KeyError(name)
    return _ROOT / name.removeprefix(PREFIX)
