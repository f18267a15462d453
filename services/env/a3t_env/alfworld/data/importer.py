"""`a3t data import alfworld`: games in the official layout, from a folder or an archive."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.schemas import Name

from .sources import Member, is_archive, read_source
from .store import GAME_FILE, Added, Batch, GameStore, Progress

__all__ = ["import_games"]

_NAME: TypeAdapter[str] = TypeAdapter(Name)


def import_games(
    store: GameStore,
    sources: Iterable[Path],
    split: str | None = None,
    *,
    replace: bool = False,
    skip_broken: bool = False,
    progress: Progress | None = None,
) -> Added:
    """Add the games of some folders or archives: all of them or, unless broken ones are skipped, none.

    Args:
        sources: read one after the other; game files and traj_data.json may come from different archives.
        split: name of the split; default: the name of the folder two levels above the trial (train, valid_seen, …).
        replace: let games of one verb form take the place of games of the other.
        skip_broken: leave broken games out, and name them in what is returned.

    Raises:
        NotFoundError, InvalidInputError, TooLargeError, ConflictError: nothing was added.
    """
    sources = list(sources)
    splits: set[str] = set()
    games = 0
    with store.batch() as batch:
        for source in sources:
            for member in read_source(source):
                games += member.name == GAME_FILE
                try:
                    splits.add(_stage(batch, member, split, source))
                except InvalidInputError as error:
                    batch.broken.add(error)
            if split is not None and len(splits) > 1:
                raise InvalidInputError(
                    f"{source} has games of several splits ({', '.join(sorted(splits))}), but --split gives one name.",
                    hint="Import the folder of one split at a time.",
                )
        if not games:
            raise InvalidInputError(
                f"No {GAME_FILE} was found in {', '.join(map(str, sources))}.",
                hint=_where_they_may_be(sources),
            )
        return batch.commit(replace=replace, skip_broken=skip_broken, progress=progress)


def _where_they_may_be(sources: Iterable[Path]) -> str:
    archives = [file for source in sources if source.is_dir() for file in sorted(source.iterdir()) if is_archive(file)]
    if not archives:
        return "Expected …/<split>/<task>/<trial>/game.tw-pddl."
    return f"Archives inside a folder are not opened; name those you want: {', '.join(map(str, archives[:10]))}."


def _stage(batch: Batch, member: Member, split: str | None, source: Path) -> str:
    """Stage a file, and return the split under which it was found."""
    folders = member.folders[-3:]
    if split is not None and len(folders) == 2:
        folders = (split, *folders)
    if len(folders) < 3:
        raise InvalidInputError(
            f"{source}: {'/'.join((*member.folders, member.name))} does not lie in <split>/<task>/<trial>."
        )
    found, task, trial = (_valid(name, source) for name in folders)
    batch.write(_valid(split, source) if split else found, task, trial, member.name, member.data)
    return found


def _valid(name: str, source: Path) -> str:
    try:
        return _NAME.validate_python(name)
    except ValidationError as error:
        raise InvalidInputError(f"{source}: {name[:100]!r} is not a valid name of a split, task or trial.") from error
