"""A product, and its parser for the records of the original's files."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from sys import getsizeof
from typing import Any

import orjson

from a3t_contracts.errors import InvalidInputError

__all__ = [
    "HumanInstruction",
    "Product",
    "document_text",
    "memory_of",
    "pack",
    "price_tag",
    "product_from_record",
    "unpack",
]

NO_PRICE = 100.0
DUMMY_ATTRIBUTES = ("DUMMY_ATTR",)
_NOT_NUMERIC = re.compile(r"[^\d.]")
_ASIN = re.compile(r"[!-~]{0,10}")
_MAX_COMBINATIONS = 1_000_000
"""Largest number of combinations of options of a product with an instruction: each combination is a goal. The
original's products have hundreds."""

_PRODUCT_BYTES, _LIST_BYTES, _PLACE_BYTES = 800, 120, 24
"""Bytes of an empty product, of an entry of a list or dictionary, and of a text's place in a list (rounded up)."""


@dataclass(frozen=True, slots=True)
class HumanInstruction:
    """One instruction that a person wrote for a product."""

    text: str
    attributes: list[str]
    options: list[str]


@dataclass(frozen=True, slots=True)
class Product:
    """A product with the data for pages, rewards and goals. `pricing`: one price, or both ends of a range, in
    dollars.
    """

    asin: str
    title: str
    description: str
    bullets: list[str]
    pricing: list[float]
    options: dict[str, list[str]]
    attributes: list[str]
    category: str
    query: str
    product_category: str
    instruction: str | None
    instruction_attributes: list[str]
    humans: list[HumanInstruction]

    @property
    def price_tag(self) -> str:
        """The price as pages show it."""
        return price_tag(self.pricing)


def price_tag(pricing: list[float]) -> str:
    """`$20.0`, or `$10.0 to $20.0` for a range."""
    return " to ".join(f"${price}" for price in pricing)


def product_from_record(
    record: Mapping[str, Any], attributes: Any, humans: Any, where: str
) -> tuple[Product, list[str]]:
    """Make a product from a raw record and from the entries for its ASIN in the other two files (None for no entry).
    Returns it with the faults that were corrected. Raises InvalidInputError, which names the record and the field.
    """
    asin = _text(record, "asin", where)
    where = f"{where} (asin {asin[:20]})"
    if not _ASIN.fullmatch(asin):
        raise InvalidInputError(f"{where}: the field 'asin' is not an ASIN.", hint="Correct the record or remove it.")
    pricing, problems = _pricing(record.get("pricing"), where)
    extra = {} if attributes is None else attributes
    if not isinstance(extra, dict):
        raise InvalidInputError(f"{where}: its entry in the attributes' file is {type(extra).__name__}, not an object.")
    product = Product(
        asin=asin,
        title=_text(record, "name", where),
        description=_text(record, "full_description", where, default=""),
        bullets=_bullets(record.get("small_description"), where),
        pricing=pricing,
        options=_options(record.get("customization_options"), where),
        attributes=_texts(extra, "attributes", where) if "attributes" in extra else list(DUMMY_ATTRIBUTES),
        category=_text(record, "category", where),
        query=_text(record, "query", where).lower().strip(),
        product_category=_text(record, "product_category", where),
        instruction=None if extra.get("instruction") is None else _text(extra, "instruction", where),
        instruction_attributes=_texts(extra, "instruction_attributes", where),
        humans=_humans(humans, where),
    )
    combinations = math.prod(map(len, product.options.values()))
    if product.instruction is not None and combinations > _MAX_COMBINATIONS:
        raise InvalidInputError(f"{where}: its options have {combinations} combinations, and each would be a goal.")
    return product, problems


def document_text(product: Product) -> str:
    """The text of a product that the search engine indexes."""
    options = ", and ".join(f"{name}: {', '.join(values)}" for name, values in product.options.items())
    first = product.bullets[0] if product.bullets else ""
    return " ".join((product.title, product.description, first, options)).lower()


def pack(product: Product) -> bytes:
    """The stored form of a product."""
    return orjson.dumps(product)


def unpack(data: bytes) -> Product:
    """Read a product from its stored form."""
    fields = orjson.loads(data)
    fields["humans"] = [HumanInstruction(**human) for human in fields["humans"]]
    return Product(**fields)


def memory_of(product: Product) -> int:
    """Bytes of memory that a product takes, estimated slightly too high. Counting them with `held_bytes` would take
    longer than reading the product.
    """
    texts = [product.asin, product.title, product.description, product.category, product.query]
    texts += [product.product_category, product.instruction or "", *product.bullets, *product.attributes]
    texts += product.instruction_attributes
    containers: int = _PRODUCT_BYTES + _LIST_BYTES * (len(product.options) + 3 * len(product.humans))
    for name, values in product.options.items():
        texts.append(name)
        texts += values
    for human in product.humans:
        texts += [human.text, *human.attributes, *human.options]
    return containers + sum(map(getsizeof, texts)) + _PLACE_BYTES * len(texts)


def _text(record: Mapping[str, Any], key: str, where: str, default: str | None = None) -> str:
    value = record.get(key, default)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        found = "is missing" if key not in record else f"is {type(value).__name__}, not text"
        raise InvalidInputError(f"{where}: the field {key!r} {found}.", hint="Correct the record or remove it.")
    return value


def _pricing(raw: Any, where: str) -> tuple[list[float], list[str]]:
    """The prices in a text such as `$12.50` or `$10.00$20.00`; none if it has no readable number."""
    if not raw:
        return [NO_PRICE], []
    text = raw if isinstance(raw, str) else f"${raw}" if type(raw) in (int, float) else str(raw)
    try:
        prices = [float(Decimal(_NOT_NUMERIC.sub("", part))) for part in text.split("$")[1:]][:2]
    except InvalidOperation:
        prices = []
    if prices and all(map(math.isfinite, prices)):
        return prices, []
    return [NO_PRICE], [f"{where}: the price {text[:40]!r} is not a number of dollars; the product has no price"]


def _options(raw: Any, where: str) -> dict[str, list[str]]:
    """Option groups by lower-cased name, in the order of the record. Values are trimmed and in lower case; ` | `
    replaces `/`.
    """
    if not raw:
        return {}
    if not isinstance(raw, dict):
        raise InvalidInputError(f"{where}: 'customization_options' is {type(raw).__name__}, not an object.")
    options = {}
    for name, contents in raw.items():
        if contents is None:
            continue
        try:
            options[name.lower()] = [c["value"].strip().replace("/", " | ").lower() for c in contents]
        except (TypeError, KeyError, AttributeError) as error:
            raise InvalidInputError(f"{where}: option group {name!r} is not a list of {{value: text}}.") from error
    return options


def _texts(record: Mapping[str, Any], key: str, where: str) -> list[str]:
    """A list of texts; empty if the field is null or missing."""
    value = record.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidInputError(f"{where}: the field {key!r} is not a list of texts.")
    return value


def _bullets(raw: Any, where: str) -> list[str]:
    if isinstance(raw, list):
        return [str(bullet) for bullet in raw]
    if raw is not None and not isinstance(raw, str):
        raise InvalidInputError(f"{where}: the field 'small_description' is {type(raw).__name__}, not text or a list.")
    return [raw or ""]


def _humans(raw: Any, where: str) -> list[HumanInstruction]:
    if raw is not None and not isinstance(raw, list):
        raise InvalidInputError(f"{where}: its human instructions are {type(raw).__name__}, not a list.")
    return [_human(entry, f"{where}, human instruction {number}") for number, entry in enumerate(raw or (), 1)]


def _human(raw: Any, where: str) -> HumanInstruction:
    if not isinstance(raw, dict):
        raise InvalidInputError(f"{where} is {type(raw).__name__}, not an object.")
    attributes, options = (_texts(raw, key, where) for key in ("instruction_attributes", "instruction_options"))
    return HumanInstruction(_text(raw, "instruction", where), attributes, options)
