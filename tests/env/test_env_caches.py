"""What players and files send must not fill the memory: every cache of the environments is bounded by bytes."""

from __future__ import annotations

import gc
import random
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from a3t_contracts.errors import InvalidInputError
from a3t_env.alfworld.cache import GameCache
from a3t_env.alfworld.data.index import read_index
from a3t_env.alfworld.generator import TRAIN_SPLIT, add_generated
from a3t_env.alfworld.native import NativeEngine
from a3t_env.alfworld.native.domain import read_domain
from a3t_env.webshop.catalogue.build import build_catalogue
from a3t_env.webshop.catalogue.records import memory_of, pack, unpack
from a3t_env.webshop.catalogue.store import Catalogue
from a3t_env.webshop.game.shop import Shop
from a3t_env.webshop.generator import GeneratedProducts
from a3t_env.webshop.goals.nouns import rule_nouns
from a3t_env.webshop.search.analysis import Analyzer

MIB = 2**20


@contextmanager
def grown() -> Iterator[Callable[[], int]]:
    """Gives the bytes that are allocated now and were not at the beginning."""
    tracemalloc.start()
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]

    def taken() -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before

    try:
        yield taken
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    folder = tmp_path_factory.mktemp("catalogue") / "generated"
    build_catalogue(GeneratedProducts(400, seed=7), folder, "generated")
    return Catalogue(folder)


def test_long_searches_are_forgotten(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("a3t_env.webshop.game.shop._KEPT_BYTES", MIB)
    shop = Shop(catalogue, tagger=rule_nouns)
    with grown() as taken:
        for number in range(200):
            shop.search([f"lamp {number}" + " " * 10_000], random.Random(0))
        assert MIB / 4 < taken() <= MIB


def test_words_are_forgotten() -> None:
    analyzer = Analyzer(memory=MIB // 4)
    with grown() as taken:
        for number in range(20):
            analyzer(" ".join("é" * 200 + f"{number}x{place}" for place in range(50)))
        assert MIB / 16 < taken() <= MIB / 4


def test_products_are_weighed_as_the_interpreter_counts_them(catalogue: Catalogue) -> None:
    wide = [replace(product, description=product.description + "🙂") for product in catalogue.products()]
    packed = [pack(product) for product in [*catalogue.products(), *wide]]
    with grown() as taken:
        products = [unpack(data) for data in packed]
        real = taken()
    assert real <= sum(map(memory_of, products)) <= 1.5 * real


def test_games_are_kept_by_the_memory_that_they_take(tmp_path: Path) -> None:
    add_generated(tmp_path, TRAIN_SPLIT, 12)
    entries = list(read_index(tmp_path).games.values())
    cache = GameCache(2 * MIB)  # a game of more than a sixteenth is not kept

    def play(entry: Any) -> None:
        engine = NativeEngine(cache.get(tmp_path / entry.path, entry.sha256))
        engine.start()

    play(entries[0])
    with grown() as taken:
        for entry in entries * 4:
            play(entry)
        assert taken() <= 2 * MIB
    assert len(cache) > 0


def test_strange_domains_are_not_kept() -> None:
    with grown() as taken:
        for number in range(40):
            with pytest.raises(InvalidInputError, match="not that of a known"):
                read_domain(f"(define {number})" + " " * MIB)
        assert taken() < MIB
