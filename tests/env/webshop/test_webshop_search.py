"""Analysis, scores and ranking."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from a3t_contracts.errors import InvalidInputError
from a3t_env.webshop.catalogue.build import build_catalogue
from a3t_env.webshop.catalogue.records import document_text
from a3t_env.webshop.catalogue.store import Catalogue
from a3t_env.webshop.game.shop import Shop
from a3t_env.webshop.generator import GeneratedProducts
from a3t_env.webshop.search import bm25
from a3t_env.webshop.search.analysis import analyze
from a3t_env.webshop.search.tokens import MAX_TOKEN, tokenize
from a3t_env.webshop.search.writer import decoded_length


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("The women's red shoes", ["women", "red", "shoe"]),
        ("red.shoes red:shoes", ["red.sho", "red:sho"]),
        ("3.5mm 1,000 no.1", ["3.5mm", "1,000", "1"]),
        ("x-large red/white b&w", ["x", "larg", "red", "white", "b", "w"]),
        ("½ ① ™ ★", ["™", "★"]),
        ("日本 ไทย ひら", ["日", "本", "ไทย", "ひ", "ら"]),
        ("👩\u200d👩\u200d👧 🇺🇸 flag", ["👩\u200d👩\u200d👧", "🇺🇸", "flag"]),
        ("its is", ["it"]),
        ("İSTANBUL", ["istanbul"]),
        ("under_score __ _", ["under_scor"]),
        ("", []),
    ],
)
def test_analysis(text: str, terms: list[str]) -> None:
    assert analyze(text) == terms


def test_overlong_tokens_are_cut_at_255_characters() -> None:
    assert [len(token) for token in tokenize("x" * 600)] == [MAX_TOKEN, MAX_TOKEN, 90]
    assert [len(token) for token in tokenize("é" * 300)] == [MAX_TOKEN, 45]


@pytest.mark.parametrize("filler", ["_", "a", "_.", "'a", "1,", "\u200d", "👩\u200d", "é_", "<r> ", "\x00"])
def test_long_odd_texts_are_analysed_in_linear_work(filler: str) -> None:
    assert isinstance(analyze(filler * (100_000 // len(filler))), list)


@pytest.mark.parametrize(
    ("length", "kept"), [(0, 0), (1, 1), (39, 39), (40, 40), (41, 40), (42, 42), (56, 56), (59, 56), (1000, 984)]
)
def test_lengths_are_kept_in_one_byte(length: int, kept: int) -> None:
    assert decoded_length(length) == kept


def test_scores_follow_the_formula(small_shop: Shop) -> None:
    catalogue = small_shop.catalogue
    texts = [analyze(document_text(p)) for p in catalogue.products()]
    average = sum(map(len, texts)) / len(texts)
    hits = catalogue.index.search("green lamp lamp")
    assert catalogue.asin(hits[0].document) == "LAMP000002"
    for hit in hits:
        terms, score = texts[hit.document], 0.0
        for word, times in (("green", 1), ("lamp", 2)):
            df = sum(word in t for t in texts)
            idf = np.log(1 + (len(texts) - df + 0.5) / (df + 0.5))
            norm = 0.9 * (0.6 + 0.4 * decoded_length(len(terms)) / average)
            tf = terms.count(word)
            score += times * idf * tf / (tf + norm)
        assert hit.score == pytest.approx(score, rel=1e-5)


def test_ties_are_broken_by_asin(small_shop: Shop) -> None:
    hits = small_shop.catalogue.index.search("candles")
    asins = [small_shop.catalogue.asin(hit.document) for hit in hits]
    assert len(asins) == 25
    assert asins == sorted(asins)


def test_pruned_ranking_equals_the_full_one(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue = Catalogue(data_folder / "webshop" / "generated")
    rng = random.Random(1)
    titles = [p.title + " " + " ".join(p.attributes) for p in catalogue.products()]
    queries = [" ".join(rng.sample([*rng.choice(titles).split(), "black", "large", "size"], 5)) for _ in range(60)]
    full = [catalogue.index.search(query, 20) for query in queries]
    monkeypatch.setattr(bm25, "_SMALL", 0)
    assert [catalogue.index.search(query, 20) for query in queries] == full


def test_too_many_different_words_are_refused(small_shop: Shop) -> None:
    words = [f"w{i}" for i in range(1025)]
    assert small_shop.catalogue.index.search(" ".join(words[:1024])) == []
    assert small_shop.catalogue.index.search("lamp " * 2000)
    with pytest.raises(InvalidInputError, match="1025 different words"):
        small_shop.catalogue.index.search(" ".join(words))


def test_an_index_in_many_runs_equals_one_in_a_single_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_catalogue(GeneratedProducts(90), tmp_path / "one", "generated")
    monkeypatch.setattr("a3t_env.webshop.catalogue.build.CHUNK", 7)
    build_catalogue(GeneratedProducts(90), tmp_path / "many", "generated")
    for name in ("terms.txt", "terms.off", "post.start", "post.doc", "post.tf", "term.peak", "doc.inv", "products.bin"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "many" / name).read_bytes(), name
