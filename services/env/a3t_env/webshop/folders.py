"""Folders of catalogues: `<A3T_HOME>/data/webshop/<name>`, and the file that names the current one."""

from __future__ import annotations

import re
from pathlib import Path

from a3t_contracts.errors import InvalidInputError, NotFoundError
from a3t_contracts.files import write_atomically

__all__ = ["catalogue_folder", "catalogue_names", "current_catalogue", "current_name", "make_current"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_CURRENT = "current"


def catalogue_folder(root: Path, name: str) -> Path:
    """The folder of a catalogue, whether it exists or not. Raises InvalidInputError for a name that is not allowed."""
    if not _NAME.fullmatch(name) or name == _CURRENT:
        raise InvalidInputError(
            f"{name[:80]!r} cannot be the name of a catalogue.", hint="Use letters, digits, '.', '_' and '-'."
        )
    return root / name


def catalogue_names(root: Path) -> list[str]:
    """The names of the complete catalogues."""
    return sorted(path.parent.name for path in root.glob("*/manifest.json") if _NAME.fullmatch(path.parent.name))


def make_current(root: Path, name: str) -> None:
    """Make a catalogue the current one, which is used if no catalogue is named."""
    write_atomically(root / _CURRENT, name)


def current_name(root: Path) -> str | None:
    """Name of the current catalogue: the one chosen last, else the first one."""
    names, file = catalogue_names(root), root / _CURRENT
    chosen = file.read_text("utf-8").strip() if file.is_file() else ""
    return chosen if chosen in names else next(iter(names), None)


def current_catalogue(root: Path, name: str | None = None) -> Path:
    """Folder of a catalogue by name, or of the current one. Raises NotFoundError."""
    names = catalogue_names(root)
    wanted = name or current_name(root)
    if wanted is None:
        raise NotFoundError(
            "There is no WebShop catalogue here.",
            hint="Run `a3t data generate webshop`, or `a3t data import webshop PATH` for the original's products.",
        )
    if wanted not in names:
        raise NotFoundError(
            f"There is no WebShop catalogue {wanted[:80]!r}.", hint=f"Known: {', '.join(names) or 'none'}."
        )
    return catalogue_folder(root, wanted)
