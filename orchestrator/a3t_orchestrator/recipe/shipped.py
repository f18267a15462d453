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
    """The folder with the project's recipes, from wherever the program is started; None where there is none."""
    for folder in (Path.cwd(), *Path(__file__).resolve().parents):
        if (folder / "configs" / "demo.yaml").is_file():
            return folder / "configs"
    return None


def shipped_recipe(name: str) -> Path:
    """The file of a shipped recipe. Raises NotFoundError, which lists those that there are."""
    found = _files()
    if name not in found:
        raise NotFoundError(
            f"There is no recipe {name!r}.",
            hint=f"There are {', '.join(found) or 'none here'}; or send a whole recipe.",
        )
    return found[name]


def shipped_recipes() -> list[RecipeInfo]:
    """What ships, by name."""
    files = _files()
    return list(_read(tuple((name, path, path.stat().st_mtime_ns) for name, path in files.items())))


@lru_cache(maxsize=2)
def _read(files: tuple[tuple[str, Path, int], ...]) -> tuple[RecipeInfo, ...]:
    """What is in the files, which takes a tenth of a second; read again where one was written since."""
    found = []
    for name, path, _ in files:
        try:
            found.append(_info(name, path))
        except A3TError as error:  # a file that someone changed hides no other
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
    """The first paragraph of the comment that the file begins with."""
    lines: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.removeprefix("#").strip()
        if not line.startswith("#") or not text:
            break
        lines.append(text)
    return " ".join(lines)
