"""An open catalogue: products by number or ASIN, search, and the columns that goals are drawn from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import orjson

from a3t_contracts.byte_cache import ByteCache
from a3t_contracts.errors import NotFoundError

from ..columns import mapped
from ..search.bm25 import Bm25Index
from .manifest import read_manifest
from .records import Product, memory_of, unpack

__all__ = ["Catalogue"]

_KEPT_BYTES = 32 * 2**20
"""Bytes of products that are kept in memory after reading."""
_BLOCK = 8 * 2**20


class Catalogue:
    """A catalogue folder, read-only and shared by all sessions of a process. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        """Open a folder. Raises NotFoundError, InvalidInputError."""
        self.folder = folder
        self.manifest = read_manifest(folder)
        self._blob = os.open(folder / "products.bin", os.O_RDONLY)
        self._offsets = mapped(folder / "products.off", np.uint64)
        self._asins = mapped(folder / "asins.bin", np.uint8).view("S10")
        self._order = mapped(folder / "asin.order", np.uint32)
        self.pricing: npt.NDArray[np.float64] = mapped(folder / "pricing.bin", np.float64).reshape(-1, 2)
        self.index = Bm25Index(folder, mapped(folder / "asin.rank", np.uint32))
        products: ByteCache[int, Product] = ByteCache(_KEPT_BYTES, self._product, lambda _, product: memory_of(product))
        self.product = products.get

    def __len__(self) -> int:
        return self.manifest.products

    def __del__(self) -> None:
        blob = getattr(self, "_blob", None)
        if blob is not None:
            os.close(blob)

    def number(self, asin: str) -> int:
        """Number of the product with this ASIN. Raises NotFoundError."""
        key = asin.encode("utf-8", "replace")
        place = int(np.searchsorted(self._asins, key, sorter=self._order)) if len(key) <= 10 else len(self)
        if place < len(self) and self._asins[self._order[place]] == key:
            return int(self._order[place])
        raise NotFoundError(
            f"There is no product {asin[:40]!r} in the catalogue {self.folder.name!r}.",
            hint="Products are named by their ASIN.",
        )

    def asin(self, number: int) -> str:
        """ASIN of a product."""
        asin: bytes = self._asins[number]
        return asin.decode()

    def products(self) -> Iterator[Product]:
        """All products in order, without keeping them."""
        start = 0
        while start < len(self):
            first = int(self._offsets[start])
            end = max(int(np.searchsorted(self._offsets, first + _BLOCK, "right")) - 1, start + 1)
            data = os.pread(self._blob, int(self._offsets[end]) - first, first)
            for number in range(start, end):
                yield unpack(data[int(self._offsets[number]) - first : int(self._offsets[number + 1]) - first])
            start = end

    def with_category(self, category: str) -> list[int]:
        """Products of a category, in order."""
        return self._with("category", category)

    def with_query(self, query: str) -> list[int]:
        """Products that the shop lists under a query, in order."""
        return self._with("query", query)

    @cached_property
    def categories(self) -> list[str]:
        """The categories, in order of their first product."""
        names: list[str] = orjson.loads((self.folder / "category.json").read_bytes())
        return names

    @cached_property
    def category_codes(self) -> npt.NDArray[np.uint32]:
        """Index into `categories` of every product's category."""
        return mapped(self.folder / "category.bin", np.uint32)

    def _with(self, column: str, value: str) -> list[int]:
        names = orjson.loads((self.folder / f"{column}.json").read_bytes())
        if value not in names:
            return []
        found: list[int] = np.flatnonzero(
            mapped(self.folder / f"{column}.bin", np.uint32) == names.index(value)
        ).tolist()
        return found

    def _product(self, number: int) -> Product:
        start, end = int(self._offsets[number]), int(self._offsets[number + 1])
        return unpack(os.pread(self._blob, end - start, start))
