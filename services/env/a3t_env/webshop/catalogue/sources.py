"""Sources of products; one reads the original's files as a stream."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from typing_extensions import override

from a3t_contracts.errors import InvalidInputError, NotFoundError

from .records import Product, product_from_record
from .scan import JsonFile, Member

__all__ = ["OriginalFiles", "Source", "Sourced", "find_files"]

_ASIN_LENGTH = 10


@dataclass(frozen=True, slots=True)
class Sourced:
    """One record of a source. `product` is None if the original skips the record; `position` is where the next
    record begins. `broken` says why the record cannot be read.
    """

    product: Product | None
    position: int
    problems: tuple[str, ...] = ()
    broken: str | None = None


class Source(Protocol):
    """A stream of products that can be resumed at the `position` of any record."""

    @property
    def total(self) -> int:
        """The position after the last record, for measuring progress."""

    def fingerprint(self) -> dict[str, Any]:
        """Values that identify the source. A build is resumed only if they are equal."""

    def read(self, position: int = 0, number: int = 0) -> Iterator[Sourced]:
        """Records from `position` on, the first of which has the number `number` (from 0).

        Raises InvalidInputError if the file ends within a record or is of another kind.
        """


@dataclass(frozen=True)
class OriginalFiles(Source):
    """The original's files: items_shuffle*.json, items_ins_v2*.json and optionally items_human_ins*.json. `limit`: only
    the first N records."""

    products: Path
    attributes: Path | None
    humans: Path | None = None
    limit: int | None = None

    @property
    @override
    def total(self) -> int:
        return self.products.stat().st_size

    def fingerprint(self) -> dict[str, Any]:
        """Names, sizes and modification times of the files."""
        files = [p for p in (self.products, self.attributes, self.humans) if p is not None]
        return {"files": [[str(p.resolve()), p.stat().st_size, p.stat().st_mtime_ns] for p in files], "n": self.limit}

    @override
    def read(self, position: int = 0, number: int = 0) -> Iterator[Sourced]:
        with (
            JsonFile(self.products) as products,
            _Lookup(self.attributes) as attributes,
            _Lookup(self.humans) as humans,
        ):
            for count, member in enumerate(products.objects(position), number):
                if self.limit is not None and count >= self.limit:
                    return
                try:
                    yield self._record(products, member, count, attributes, humans)
                except InvalidInputError as error:
                    yield Sourced(None, member.end, broken=str(error))

    def _record(self, products: JsonFile, member: Member, number: int, attributes: _Lookup, humans: _Lookup) -> Sourced:
        raw = products.load(member, number + 1)
        where = f"{self.products}: record {number + 1}"
        asin = raw.get("asin") if isinstance(raw, dict) else None
        if not isinstance(asin, str):
            raise InvalidInputError(f"{where} has no 'asin'.", hint="Is this a product file (items_shuffle*.json)?")
        if asin == "nan" or len(asin) > _ASIN_LENGTH:
            return Sourced(None, member.end)
        product, problems = product_from_record(raw, attributes.get(asin), humans.get(asin), where)
        return Sourced(product, member.end, tuple(problems))


class _Lookup:
    """Values of a JSON object by key, each parsed when it is asked for. Holds one number per key in memory."""

    def __init__(self, path: Path | None) -> None:
        self._file = JsonFile(path) if path else None
        if self._file and not self._file.is_object():
            raise InvalidInputError(f"{path} is not one JSON object, its entries named by ASIN.")
        members = self._file.values() if self._file else ()
        self._where = {m.key: (m.start, m.end) for m in members}

    def __enter__(self) -> _Lookup:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.__exit__()

    def get(self, key: str) -> Any:
        """The value; None if there is none."""
        where = self._where.get(key)
        if where is None or self._file is None:
            return None
        return self._file.load(Member(key, *where), 1)


def find_files(paths: list[Path], limit: int | None = None) -> OriginalFiles:
    """The original's files among `paths` and in the folders among them. Raises NotFoundError without a product file,
    InvalidInputError if two files fit."""
    files = [f for p in paths for f in (sorted(p.iterdir()) if p.is_dir() else [p])]
    products = _one(files, "items_shuffle")
    if products is None:
        raise NotFoundError(
            f"No product file items_shuffle*.json in {', '.join(map(str, paths))}.",
            hint="Give the folder (or the files) that the original's setup downloads.",
        )
    return OriginalFiles(products, _one(files, "items_ins_v2"), _one(files, "items_human_ins"), limit)


def _one(files: list[Path], prefix: str) -> Path | None:
    fitting = [f for f in files if f.name.startswith(prefix) and f.suffix in (".json", ".jsonl")]
    if len(fitting) > 1:
        raise InvalidInputError(
            f"Several files could be {prefix}: {', '.join(f.name for f in fitting)}.", hint="Name the files one by one."
        )
    return fitting[0] if fitting else None
