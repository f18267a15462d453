"""Checks whether a catalogue on disk is complete and unchanged."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..columns import mapped
from .manifest import Manifest, read_manifest
from .store import Catalogue

__all__ = ["verify_catalogue"]

_WIDTHS = {
    "products.len": 4,
    "asins.bin": 10,
    "pricing.bin": 16,
    "category.bin": 4,
    "query.bin": 4,
    "asin.order": 4,
    "asin.rank": 4,
    "doc.inv": 4,
}


def verify_catalogue(folder: Path) -> list[str]:
    """Read every product, and return the faults of a catalogue; empty for a good one. Raises NotFoundError for a
    folder that is not a catalogue.
    """
    manifest = read_manifest(folder)
    problems = _sizes(folder, manifest)
    return problems or _products(folder) + _postings(folder, manifest)


def _sizes(folder: Path, manifest: Manifest) -> list[str]:
    n, terms, postings = manifest.products, int(manifest.index["terms"]), int(manifest.index["postings"])
    wanted = {name: width * n for name, width in _WIDTHS.items()}
    wanted |= {"products.off": 8 * (n + 1), "terms.off": 8 * (terms + 1), "post.start": 8 * (terms + 1)}
    wanted |= {"post.doc": 4 * max(postings, 1), "post.tf": 2 * max(postings, 1)}
    found = {name: (folder / name).stat().st_size if (folder / name).is_file() else -1 for name in wanted}
    return [
        f"{name} is missing" if found[name] < 0 else f"{name} has {found[name]} bytes, not {size}"
        for name, size in wanted.items()
        if found[name] != size
    ]


def _products(folder: Path) -> list[str]:
    catalogue = Catalogue(folder)
    try:
        for number, product in enumerate(catalogue.products()):
            if product.asin != catalogue.asin(number):
                return [f"product {number} is {product.asin}, its column says {catalogue.asin(number)}"]
    except ValueError as error:
        return [f"products.bin is damaged: {error}"]
    return []


def _postings(folder: Path, manifest: Manifest) -> list[str]:
    starts = mapped(folder / "post.start", np.uint64)
    documents = mapped(folder / "post.doc", np.uint32)
    if np.any(np.diff(starts.astype(np.int64)) < 0) or int(starts[-1]) != int(manifest.index["postings"]):
        return ["post.start is damaged"]
    if manifest.index["postings"] and int(documents.max()) >= manifest.products:
        return ["post.doc is damaged"]
    return []
