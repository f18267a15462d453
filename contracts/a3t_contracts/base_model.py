"""Resolves the name of a base model: a folder, a Hugging Face Hub id, or a model that ships with the project
(`a3t/…`)."""

from __future__ import annotations

import importlib
from pathlib import Path

from .errors import NotFoundError

__all__ = ["resolve_base_model"]


def resolve_base_model(name: str) -> str:
    """The folder or hub id to load. Raises NotFoundError for `a3t/…` names that do not ship and missing folders."""
    if name.startswith("a3t/"):
        models = importlib.import_module("a3t_models")
        try:
            return str(models.folder(name))
        except KeyError:
            known = ", ".join(models.available()) or "none"
            raise NotFoundError(f"There is no base model {name!r}.", hint=f"Those that ship: {known}.") from None
    if name.startswith(("/", "./", "../", "~")) and not Path(name).expanduser().is_dir():
        raise NotFoundError(
            f"There is no base model folder {name}.", hint="Name a folder or a hub id such as org/name."
        )
    return str(Path(name).expanduser()) if name.startswith("~") else name
