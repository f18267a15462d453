"""Builds a catalogue folder from a stream of products. It needs bounded memory, and can be resumed after a kill; the
finished folder appears atomically.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.faults import Faults
from a3t_contracts.files import replace_folder, sole_writer, write_atomically

from ..search.writer import IndexWriter
from .manifest import FORMAT, Manifest
from .records import document_text, pack
from .sources import Source, Sourced

__all__ = ["Progress", "build_catalogue"]

Progress = Callable[[str, int, int], None]
"""Called with the name of the stage, the amount done, and the total."""

CHUNK = 20_000
_KEPT_PROBLEMS = 50
_NAMED_BROKEN = 1000
_ASIN = 10


@dataclass
class _State:
    """The progress of a build, which is saved after every chunk."""

    source: dict[str, Any]
    position: int = 0
    records: int = 0
    products: int = 0
    runs: int = 0
    terms: int = 0
    bytes: int = 0
    mended: int = 0
    problems: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    broken_count: int = 0
    read: bool = False


def build_catalogue(
    source: Source, target: Path, kind: str, progress: Progress | None = None, *, skip_broken: bool = False
) -> Manifest:
    """Build the folder `target` from a source, continuing a killed build of the same source.

    Args:
        source: the products.
        target: folder of the catalogue.
        kind: imported or generated.
        progress: called with the progress.
        skip_broken: whether to leave out records that cannot be read; the manifest lists them.

    Raises InvalidInputError for a source without products or with broken records, which it names, ConflictError if
    another process builds `target`.
    """
    work = target.with_name(f".{target.name}.building")
    work.mkdir(parents=True, exist_ok=True)
    with sole_writer(work):
        manifest = _Build(source, work, progress or (lambda *_: None)).run(kind, skip_broken)
        (work / ".lock").unlink()
        replace_folder(work, target)
    return manifest


class _Build:
    def __init__(self, source: Source, work: Path, progress: Progress) -> None:
        self._source, self._work, self._progress = source, work, progress
        self._state = self._load_state()
        self._index = IndexWriter(work)
        self._codes: dict[str, dict[str, int]] = {"category": {}, "query": {}}

    def run(self, kind: str, skip_broken: bool) -> Manifest:
        if not self._state.read:
            self._read_all()
        state = self._state
        broken = Faults(_NAMED_BROKEN, state.broken, state.broken_count)
        if broken and not (skip_broken and state.products):
            hint = "--skip-broken adds the others." if state.products else None
            raise broken.error(f"{broken.count} of {state.records} records are broken", hint)
        if not state.products:
            raise InvalidInputError(
                f"The source has no products ({state.records} records read).", hint="Check that it is the product file."
            )
        self._index.resume(state.terms)
        self._progress("Merging the index", 0, 1)
        figures = self._index.finish(state.runs)
        self._write_orders()
        manifest = Manifest(
            format=FORMAT,
            kind=kind,
            products=state.products,
            skipped=state.records - state.products,
            mended=state.mended,
            problems=state.problems,
            broken=broken.lines(),
            source=state.source,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            index=figures,
        )
        write_atomically(self._work / "manifest.json", orjson.dumps(asdict(manifest)))
        self._index.clean()
        (self._work / "state.json").unlink()
        self._progress("Merging the index", 1, 1)
        return manifest

    def _load_state(self) -> _State:
        path, source = self._work / "state.json", self._source.fingerprint()
        if path.is_file() and (saved := orjson.loads(path.read_bytes()))["source"] == orjson.loads(
            orjson.dumps(source)
        ):
            return _State(**saved)
        for old in self._work.iterdir():
            if old.name != ".lock":
                old.unlink() if old.is_file() else shutil.rmtree(old)
        return _State(source)

    def _read_all(self) -> None:
        self._truncate()
        self._index.resume(self._state.terms)
        seen = set(_asins(self._work, self._state.products))
        stream = self._source.read(self._state.position, self._state.records)
        while chunk := list(islice(stream, CHUNK)):
            self._take(chunk, seen)
            self._progress("Reading products", self._state.position, self._source.total)
        self._state.read = True
        self._save()

    def _take(self, chunk: list[Sourced], seen: set[str]) -> None:
        state = self._state
        products = []
        broken = Faults(_NAMED_BROKEN, state.broken, state.broken_count)
        for sourced in chunk:
            if sourced.broken is not None:
                broken.add(sourced.broken)
            state.mended += len(sourced.problems)
            state.problems.extend(sourced.problems[: _KEPT_PROBLEMS - len(state.problems)])
            if sourced.product is not None and sourced.product.asin not in seen:
                seen.add(sourced.product.asin)
                products.append(sourced.product)
        if products:
            packed = [pack(p) for p in products]
            self._append("products.bin", b"".join(packed))
            self._append("products.len", np.array([len(p) for p in packed], np.uint32).tobytes())
            self._append("asins.bin", b"".join(p.asin.encode().ljust(_ASIN, b"\0") for p in products))
            self._append("pricing.bin", np.array([_ends(p.pricing) for p in products], np.float64).tobytes())
            for name in self._codes:
                self._append(f"{name}.bin", self._coded(name, [getattr(p, name) for p in products]))
            for product in products:
                self._index.add(document_text(product))
            self._index.flush(state.runs, state.products)
            state.runs += 1
            state.bytes += sum(map(len, packed))
        state.broken, state.broken_count = broken.texts, broken.count
        state.products += len(products)
        state.records += len(chunk)
        state.position, state.terms = chunk[-1].position, self._index.terms
        self._save()

    def _coded(self, name: str, values: list[str]) -> bytes:
        codes = self._codes[name]
        return np.array([codes.setdefault(v, len(codes)) for v in values], np.uint32).tobytes()

    def _append(self, name: str, data: bytes) -> None:
        with (self._work / name).open("ab") as file:
            file.write(data)

    def _save(self) -> None:
        for name, codes in self._codes.items():
            write_atomically(self._work / f"{name}.json", orjson.dumps(list(codes)))
        write_atomically(self._work / "state.json", orjson.dumps(asdict(self._state)))

    def _truncate(self) -> None:
        """Cut off what a killed build wrote after its last saved state."""
        n = self._state.products
        widths = {"products.len": 4, "asins.bin": _ASIN, "pricing.bin": 16, "category.bin": 4, "query.bin": 4}
        for name, size in [("products.bin", self._state.bytes)] + [(f, w * n) for f, w in widths.items()]:
            path = self._work / name
            path.touch()
            os.truncate(path, size)
        for name in self._codes:
            if n:
                kept = orjson.loads((self._work / f"{name}.json").read_bytes())
                self._codes[name] = {value: code for code, value in enumerate(kept)}

    def _write_orders(self) -> None:
        asins = np.fromfile(self._work / "asins.bin", f"S{_ASIN}")
        order = np.argsort(asins, kind="stable").astype(np.uint32)
        rank = np.empty(len(order), np.uint32)
        rank[order] = np.arange(len(order), dtype=np.uint32)
        order.tofile(self._work / "asin.order")
        rank.tofile(self._work / "asin.rank")
        lengths = np.fromfile(self._work / "products.len", np.uint32)
        np.concatenate(([0], np.cumsum(lengths, dtype=np.uint64))).astype(np.uint64).tofile(self._work / "products.off")


def _ends(pricing: list[float]) -> tuple[float, float]:
    return (pricing[0], pricing[1] if len(pricing) > 1 else float("nan"))


def _asins(work: Path, count: int) -> Iterator[str]:
    for asin in np.fromfile(work / "asins.bin", f"S{_ASIN}")[:count].tolist():
        yield asin.decode()
