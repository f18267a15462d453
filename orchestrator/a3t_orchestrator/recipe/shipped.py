"""The recipes that ship with the project, in its folder `configs`."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from a3t_contracts.errors import A3TError, NotFoundError
from a3t_contracts.logging import get_logger
from a3t_contracts.schemas import RecipeInfo

from .load import load_recipe

__all__ = ["shipped_folder", "shipped_recipe", "shipped_recipes"]

log = get_logger(__name__)


def shipped_folder() -> Path | None:
    """Return the folder with the project's recipes, from wherever the program is started; None if there is none."""
    for folder in (Path.cwd(), *Path(__file__).resolve().parents):
        if (folder / "configs" / "demo.yaml").is_file():
            return folder / "configs"
    return None


def shipped_recipe(name: str) -> Path:
    """Return the file of a shipped recipe. Raises NotFoundError that lists the recipes."""
    found = _files()
    if name not in found:
        raise NotFoundError(
            f"There is no recipe {name!r}.",
            hint=f"The recipes are {', '.join(found) or 'none'}; or send a whole recipe.",
        )
    return found[name]


def shipped_recipes() -> list[RecipeInfo]:
    """List the shipped recipes, sorted by name."""
    files = _files()
    return list(_read(tuple((name, path, path.stat().st_mtime_ns) for name, path in files.items())))


@lru_cache(maxsize=2)
def _read(files: tuple[tuple[str, Path, int], ...]) -> tuple[RecipeInfo, ...]:
    """Read the files. This takes a tenth of a second, so the result is cached until a file changes."""
    found = []
    for name, path, _ in files:
        try:
            found.append(_info(name, path))
        except A3TError as error:  # a broken file must not hide the others
            log.warning("recipe.unreadable", recipe=str(path), error=str(error))
    return tuple(found)


def _files() -> dict[str, Path]:
    folder = shipped_folder()
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))} if folder else {}


def _info(name: str, path: Path) -> RecipeInfo:
    recipe, words = load_recipe(path), _words(path)
    return RecipeInfo(
        name=name,
        title=re.split(r"(?<=[.:])\s", words, maxsplit=1)[0].rstrip(".:") or name,
        description=words,
        environment=recipe.environment,
        base_model=recipe.base_model,
        rounds=recipe.rounds,
        fast=bool(recipe.fast),
    )


def _words(path: Path) -> str:
    """Return the first paragraph of the comment at the beginning of the file."""
    lines: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.removeprefix("#").strip()
        if not line.startswith("#") or not text:
            break
        lines.append(text)
    return " ".join(lines)
