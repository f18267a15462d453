"""Writes the skeleton of an environment."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from string import Template

from a3t_contracts.errors import ConflictError, InvalidInputError

__all__ = ["class_name_of", "write_skeleton"]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_FILES = {
    "environment.py.txt": "{module}.py",
    "test_environment.py.txt": "test_{module}.py",
    "recipe.yaml.txt": "recipe.yaml",
    "README.md.txt": "README.md",
}


def write_skeleton(name: str, into: Path) -> list[Path]:
    """Write the folder `name`, and return the paths of its files, that of the environment first. Raises
    InvalidInputError for a name that is not allowed, ConflictError if the folder exists.
    """
    if not _NAME.fullmatch(name):
        raise InvalidInputError(
            f"{name!r} cannot be the name of an environment.",
            hint="A name is a letter, then up to 63 letters, digits, - or _.",
        )
    folder, module = into / name, name.replace("-", "_").lower()
    if folder.exists():
        raise ConflictError(f"The folder {folder} exists already.", hint="Choose another name, or remove it.")
    values = {"name": name, "module": module, "class_name": class_name_of(name)}
    texts = {
        folder / target.format(module=module): Template(_read(source)).substitute(values)
        for source, target in _FILES.items()
    }
    folder.mkdir(parents=True)
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    return list(texts)


def class_name_of(name: str) -> str:
    """`my-game` → `MyGame`."""
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[-_]+", name))


def _read(source: str) -> str:
    return files(__package__).joinpath("skeleton", source).read_text(encoding="utf-8")
