"""Importing, generating and opening catalogues, with broken input and killed builds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from a3t_contracts.errors import ConflictError, InvalidInputError, NotFoundError
from a3t_contracts.files import sole_writer
from a3t_env.webshop.catalogue import build as build_module
from a3t_env.webshop.catalogue.build import build_catalogue
from a3t_env.webshop.catalogue.sources import Sourced, find_files
from a3t_env.webshop.catalogue.store import Catalogue
from a3t_env.webshop.catalogue.verify import verify_catalogue
from a3t_env.webshop.game.shop import Shop
from a3t_env.webshop.generator import GeneratedProducts
from tests.support.webshop_files import RECORDS, record, values, write_files


def test_products_are_read_as_the_original_reads_them(small_shop: Shop) -> None:
    catalogue = small_shop.catalogue
    lamp, green, floor = (catalogue.product(i) for i in range(3))
    assert lamp.options == {"color": ["dark blue", "red | white"], "size": ["small", "description"]}
    assert lamp.price_tag == "$10.0 to $30.0"
    assert (green.price_tag, green.bullets, green.query) == ("$100.0", ["one bullet"], "lamps")
    assert floor.pricing == [1299.0]
    assert floor.attributes == ["DUMMY_ATTR"]
    assert catalogue.asin(catalogue.number("SHOE000001")) == "SHOE000001"
    assert [p.asin for p in catalogue.products()] == [r["asin"] for r in RECORDS]


@pytest.mark.parametrize("asin", ["NOSUCHASIN", "", "LAMP0000011", "lamp000001", "é" * 10, "../etc/pwd"])
def test_an_unknown_product_is_named(small_shop: Shop, asin: str) -> None:
    with pytest.raises(NotFoundError, match="no product"):
        small_shop.catalogue.number(asin)


def test_repeated_nameless_and_overlong_asins_are_skipped(tmp_path: Path) -> None:
    odd = [record("nan", "x"), record("A" * 11, "y"), RECORDS[0] | {"name": "again"}]
    files = write_files(tmp_path / "files", [*RECORDS, *odd], lines=True)
    manifest = build_catalogue(find_files([files]), tmp_path / "c", "imported")
    assert (manifest.products, manifest.skipped) == (len(RECORDS), 3)


def test_a_limit_takes_the_first_records(tmp_path: Path) -> None:
    files = write_files(tmp_path / "files", RECORDS)
    assert build_catalogue(find_files([files], limit=3), tmp_path / "c", "imported").products == 3


@pytest.mark.parametrize("price", ["call us", "$", "$abc", "$1.2.3", "free", "$" + "9" * 400])
def test_a_price_that_is_no_number_is_mended_and_reported(tmp_path: Path, price: str) -> None:
    files = write_files(tmp_path / "files", [record("A000000001", "thing", pricing=price)])
    manifest = build_catalogue(find_files([files]), tmp_path / "c", "imported")
    assert manifest.mended == 1
    assert repr(price[:40]) in manifest.problems[0]
    assert Catalogue(tmp_path / "c").product(0).pricing == [100.0]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ('[{"asin": "A000000001", "name": }]', r"record 1 \(line 1\) is broken JSON"),
        ('{"asin": "A000000001"}\n{"asin": }\n', r"record 1 \(asin A000000001\): the field 'name' is missing"),
        ('[{"asin": "A000000001", "name": "x"', "ends inside a record that begins in line 1"),
        ('[{"name": "no asin"}]', "has no 'asin'"),
        ("[[1, 2]]", "has no 'asin'"),
        ("[]", "has no products"),
        ("\n", "has no products"),
        ("", "is empty"),
        (json.dumps([record("A000000001", 7)]), "'name' is int, not text"),  # type: ignore[arg-type]
        (json.dumps([record("A000000001", "x", customization_options=[1])]), "not an object"),
        (json.dumps([record("A000000001", "x", customization_options={"c": [{"v": 1}]})]), "option group 'c'"),
    ],
)
def test_broken_files_are_refused_in_plain_words(tmp_path: Path, broken: str, message: str) -> None:
    (tmp_path / "items_shuffle.json").write_text(broken, "utf-8")
    with pytest.raises(InvalidInputError, match=message):
        build_catalogue(find_files([tmp_path]), tmp_path / "c", "imported")
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"asin": "é" * 10}, "'asin' is not an ASIN"),
        ({"asin": "A\0"}, "'asin' is not an ASIN"),
        ({"name": None}, "'name' is NoneType, not text"),
        ({"small_description": 5}, "'small_description' is int"),
        ({"small_description": {"a": "b"}}, "'small_description' is dict"),
        ({"category": []}, "'category' is list"),
    ],
)
def test_records_of_other_types_are_refused(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    files = write_files(tmp_path / "files", [record("A000000001", "thing") | fields])
    with pytest.raises(InvalidInputError, match=message):
        build_catalogue(find_files([files]), tmp_path / "c", "imported")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("items_ins_v2", [], "not one JSON object"),
        ("items_ins_v2", {"LAMP000001": []}, "entry in the attributes' file is list"),
        ("items_ins_v2", {"LAMP000001": {"attributes": "bright"}}, "'attributes' is not a list of texts"),
        ("items_ins_v2", {"LAMP000001": {"attributes": [5]}}, "'attributes' is not a list of texts"),
        ("items_ins_v2", {"LAMP000001": {"instruction": 5}}, "'instruction' is int"),
        ("items_ins_v2", {"LAMP000001": {"instruction_attributes": 5}}, "'instruction_attributes' is not a list"),
        ("items_human_ins", {"LAMP000001": {"a": 1}}, "human instructions are dict, not a list"),
        ("items_human_ins", {"LAMP000001": [7]}, "human instruction 1 is int"),
        ("items_human_ins", {"LAMP000001": [{}]}, "human instruction 1: the field 'instruction' is missing"),
        ("items_human_ins", {"LAMP000001": [{"instruction": 5}]}, "'instruction' is int"),
        (
            "items_human_ins",
            {"LAMP000001": [{"instruction": "x", "instruction_options": [None]}]},
            "'instruction_options' is not a list of texts",
        ),
    ],
)
def test_instructions_of_other_types_are_refused(tmp_path: Path, name: str, content: Any, message: str) -> None:
    files = write_files(tmp_path / "files", RECORDS)
    (files / f"{name}.json").write_text(json.dumps(content), "utf-8")
    with pytest.raises(InvalidInputError, match=message):
        build_catalogue(find_files([files]), tmp_path / "c", "imported")


def test_options_with_more_combinations_than_goals_can_be_are_refused(tmp_path: Path) -> None:
    options = {f"group {g}": values(*map(str, range(100))) for g in range(10)}
    files = write_files(tmp_path / "files", [RECORDS[0] | {"customization_options": options}])
    with pytest.raises(InvalidInputError, match="combinations"):
        build_catalogue(find_files([files]), tmp_path / "c", "imported")


def test_numbers_that_are_none_are_taken_as_missing(tmp_path: Path) -> None:
    files = write_files(tmp_path / "files", [RECORDS[0] | {"full_description": float("nan"), "rating": float("nan")}])
    build_catalogue(find_files([files]), tmp_path / "c", "imported")
    assert Catalogue(tmp_path / "c").product(0).description == ""


def test_the_line_of_a_broken_record_is_named(tmp_path: Path) -> None:
    lines = [json.dumps(r) for r in RECORDS[:3]]
    lines[1] = lines[1].replace('"pricing": ', '"pricing": oops')
    (tmp_path / "items_shuffle.jsonl").write_text("\n".join(lines), "utf-8")
    with pytest.raises(InvalidInputError, match=r"record 2 \(line 2\)"):
        build_catalogue(find_files([tmp_path]), tmp_path / "c", "imported")


def test_missing_and_ambiguous_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="items_shuffle"):
        find_files([tmp_path])
    (tmp_path / "items_shuffle_1.json").write_text("[]")
    (tmp_path / "items_shuffle_2.json").write_text("[]")
    with pytest.raises(InvalidInputError, match="Several files"):
        find_files([tmp_path])


def test_strings_with_brackets_and_quotes_do_not_confuse_the_scanner(tmp_path: Path) -> None:
    name = 'a "quoted" }]{[ name \\ with \\" all'
    options = {"c{": values("x]", 'y"z')}
    files = write_files(tmp_path / "files", [record("A000000001", name, customization_options=options), RECORDS[0]])
    build_catalogue(find_files([files]), tmp_path / "c", "imported")
    product = Catalogue(tmp_path / "c").product(0)
    assert (product.title, product.options) == (name, {"c{": ["x]", 'y"z']})


@dataclass(frozen=True)
class _Killed:
    """A generated source that breaks off."""

    inner: GeneratedProducts
    at: int | None

    @property
    def total(self) -> int:
        return self.inner.total

    def fingerprint(self) -> dict[str, Any]:
        return self.inner.fingerprint()

    def read(self, position: int = 0, number: int = 0) -> Iterator[Sourced]:
        for sourced in self.inner.read(position, number):
            if self.at is not None and sourced.position > self.at:
                raise KeyboardInterrupt
            yield sourced


def test_a_killed_build_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_module, "CHUNK", 10)
    source = GeneratedProducts(60)
    build_catalogue(source, tmp_path / "whole", "generated")
    for stop in (25, 47):
        with pytest.raises(KeyboardInterrupt):
            build_catalogue(_Killed(source, stop), tmp_path / "c", "generated")
        assert not (tmp_path / "c").exists()
        # Bytes behind the last saved state, as a kill in the middle of a chunk leaves them.
        with (tmp_path / ".c.building" / "products.bin").open("ab") as file:
            file.write(b"rubbish")
    reads: list[int] = []
    monkeypatch.setattr(
        GeneratedProducts,
        "read",
        lambda self, p=0, n=0, real=GeneratedProducts.read: reads.append(p) or real(self, p, n),
    )
    build_catalogue(source, tmp_path / "c", "generated")
    assert reads == [40]
    for path in (tmp_path / "whole").iterdir():
        if path.name != "manifest.json":
            assert path.read_bytes() == (tmp_path / "c" / path.name).read_bytes(), path.name
    assert verify_catalogue(tmp_path / "c") == []


def test_an_import_takes_up_its_file_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_module, "CHUNK", 5)
    source = find_files([write_files(tmp_path / "files", RECORDS)])
    build_catalogue(source, tmp_path / "whole", "imported")
    taken: list[int] = []

    def progress(what: str, done: int, total: int) -> None:
        taken.append(done)
        if len(taken) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_catalogue(source, tmp_path / "c", "imported", progress)
    build_catalogue(source, tmp_path / "c", "imported")
    assert (tmp_path / "c" / "products.bin").read_bytes() == (tmp_path / "whole" / "products.bin").read_bytes()
    assert (tmp_path / "c" / "post.doc").read_bytes() == (tmp_path / "whole" / "post.doc").read_bytes()


def test_another_source_starts_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_module, "CHUNK", 10)
    with pytest.raises(KeyboardInterrupt):
        build_catalogue(_Killed(GeneratedProducts(60, seed=1), 30), tmp_path / "c", "generated")
    build_catalogue(GeneratedProducts(40, seed=2), tmp_path / "c", "generated")
    assert len(Catalogue(tmp_path / "c")) == 40
    assert verify_catalogue(tmp_path / "c") == []


def test_two_builds_of_one_catalogue_are_refused(tmp_path: Path) -> None:
    with sole_writer(_made(tmp_path / ".c.building")), pytest.raises(ConflictError, match="Another process"):
        build_catalogue(GeneratedProducts(10), tmp_path / "c", "generated")


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_damage_is_found(tmp_path: Path) -> None:
    build_catalogue(GeneratedProducts(30), tmp_path / "c", "generated")
    (tmp_path / "c" / "post.tf").write_bytes(b"")
    assert "post.tf has 0 bytes" in verify_catalogue(tmp_path / "c")[0]
    with pytest.raises(NotFoundError, match="not a catalogue"):
        verify_catalogue(tmp_path)


def test_a_catalogue_of_another_format_is_refused(tmp_path: Path) -> None:
    build_catalogue(GeneratedProducts(5), tmp_path / "c", "generated")
    path = tmp_path / "c" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}))
    with pytest.raises(InvalidInputError, match="format 99"):
        Catalogue(tmp_path / "c")


def test_generated_products_depend_on_seed_and_place_alone() -> None:
    whole = list(GeneratedProducts(50, seed=3).read())
    assert list(GeneratedProducts(80, seed=3).read(20))[:30] == whole[20:]
    assert whole != list(GeneratedProducts(50, seed=4).read())
    asins = {s.product.asin for s in GeneratedProducts(5000).read() if s.product}
    assert len(asins) == 5000


def test_all_broken_records_are_named_and_can_be_skipped(tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    lines = [json.dumps(RECORDS[0]), '{"asin": }', json.dumps(record("A000000001", "x", category=[])), "{}"]
    (files / "items_shuffle.jsonl").write_text("\n".join([*lines, json.dumps(RECORDS[1])]), "utf-8")
    with pytest.raises(InvalidInputError, match="3 of 5 records are broken") as caught:
        build_catalogue(find_files([files]), tmp_path / "c", "imported")
    for words in ("record 2 (line 2)", "record 3 (asin A000000001)", "record 4 has no 'asin'", "--skip-broken"):
        assert words in str(caught.value)
    assert not (tmp_path / "c").exists()
    manifest = build_catalogue(find_files([files]), tmp_path / "c", "imported", skip_broken=True)
    assert (manifest.products, manifest.skipped, len(manifest.broken)) == (2, 3, 3)
    assert Catalogue(tmp_path / "c").manifest.broken == manifest.broken
