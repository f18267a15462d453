"""A small shop made by hand, a generated one, and the recorded one."""

from __future__ import annotations

from pathlib import Path

import pytest

from a3t_env.webshop.catalogue.build import build_catalogue
from a3t_env.webshop.catalogue.sources import find_files
from a3t_env.webshop.catalogue.store import Catalogue
from a3t_env.webshop.folders import make_current
from a3t_env.webshop.game.session import ShopSession
from a3t_env.webshop.game.shop import Shop
from a3t_env.webshop.generator import GeneratedProducts
from a3t_env.webshop.goals.nouns import rule_nouns
from tests.support.webshop_files import RECORDS, write_files


@pytest.fixture(scope="session")
def small_shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The hand-made shop."""
    folder = tmp_path_factory.mktemp("small")
    build_catalogue(find_files([write_files(folder / "files", RECORDS)]), folder / "small", "imported")
    return Shop(Catalogue(folder / "small"), tagger=rule_nouns)


@pytest.fixture
def session(small_shop: Shop) -> ShopSession:
    """A session for the first goal of the hand-made shop."""
    return ShopSession(small_shop, small_shop.synthetic.goal(0), "0")


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a generated catalogue of 400 products."""
    folder = tmp_path_factory.mktemp("home") / "data"
    (folder / "webshop").mkdir(parents=True)
    build_catalogue(GeneratedProducts(400, seed=7), folder / "webshop" / "generated", "generated")
    make_current(folder / "webshop", "generated")
    return folder


@pytest.fixture(scope="session")
def recorded_shop(reference_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The shop that the recordings were made on."""
    if not (reference_data / "webshop" / "reference").is_dir():
        pytest.skip(f"no WebShop recordings under {reference_data}; set A3T_REFERENCE_DATA to run this test")
    target = tmp_path_factory.mktemp("recorded") / "recorded"
    build_catalogue(find_files([reference_data / "webshop"]), target, "imported")
    return Shop(Catalogue(target), tagger=rule_nouns)
