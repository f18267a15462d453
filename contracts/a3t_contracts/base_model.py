"""Resolves the name of a base model: a folder, a Hugging Face Hub id, or a model that ships with the project
(`a3t/…`)."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from pathlib import Path

from .errors import InvalidInputError, NotFoundError

__all__ = ["check_base_folder", "resolve_base_model"]

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?")


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


def check_base_folder(name: str, folders: Sequence[Path], setting: str) -> None:
    """Refuse a base model that a client named and that lies elsewhere than it may. Models that ship and hub ids pass.

    Args:
        name: as the client wrote it.
        folders: those under which it may lie; links are followed first.
        setting: the variable that names them, for the hint.

    Raises InvalidInputError.
    """
    path = Path(name).expanduser()
    if name.startswith("a3t/") or (_HUB_ID.fullmatch(name) and ".." not in name and not path.exists()):
        return
    where = path.resolve()
    if not any(where.is_relative_to(folder.expanduser().resolve()) for folder in folders):
        raise InvalidInputError(
            f"The base model {name[:200]!r} lies in no folder that jobs may load models from.",
            hint=f"Name a model that ships, a hub id, or a folder below one of {setting}.",
        )
