"""The manifest of a catalogue folder. It is written last: a folder with a manifest is complete."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from a3t_contracts.errors import InvalidInputError, NotFoundError

__all__ = ["FORMAT", "Manifest", "read_manifest"]

FORMAT = 1


@dataclass(frozen=True)
class Manifest:
    """The origin of a catalogue. `kind`: imported or generated; `problems`: the first faults that were corrected;
    `broken`: records that were left out because they cannot be read.
    """

    format: int
    kind: str
    products: int
    skipped: int
    mended: int
    created_at: str
    source: dict[str, Any]
    index: dict[str, float]
    problems: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


def read_manifest(folder: Path) -> Manifest:
    """Read a manifest. Raises NotFoundError for a folder that is not a catalogue, InvalidInputError for a catalogue
    of another format.
    """
    path = folder / "manifest.json"
    if not path.is_file():
        raise NotFoundError(f"{folder} is not a catalogue.", hint="Run `a3t data generate webshop` to make one.")
    data = orjson.loads(path.read_bytes())
    if data.get("format") != FORMAT:
        raise InvalidInputError(
            f"The catalogue {folder} has format {data.get('format')}; this version reads format {FORMAT}.",
            hint="Import or generate it again.",
        )
    return Manifest(**data)
