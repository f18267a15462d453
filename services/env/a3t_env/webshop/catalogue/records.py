"""A product as the shop knows it, and how a record of the original's files becomes one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from a3t_contracts.errors import InvalidInputError

__all__ = ["HumanInstruction", "Product", "document_text", "pack", "price_tag", "product_from_record", "unpack"]

NO_PRICE = 100.0
DUMMY_ATTRIBUTES = ("DUMMY_ATTR",)
_NOT_NUMERIC = re.compile(r"[^\d.]")


@dataclass(frozen=True, slots=True)
class HumanInstruction:
    """One instruction that a person wrote for a product."""

    text: str
    attributes: list[str]
    options: list[str]


@dataclass(frozen=True, slots=True)
class Product:
    """What pages, rewards and goals need of a product. `pricing`: one price, or the two ends of a range, in dollars."""

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
    record: Mapping[str, Any], attributes: Mapping[str, Any] | None, humans: list[Any] | None, where: str
) -> tuple[Product, list[str]]:
    """The product of a raw record, with what had to be mended in it.

    Raises InvalidInputError that names the record and the field.
    """
    asin = _text(record, "asin", where)
    where = f"{where} (asin {asin[:20]})"
    bullets = record.get("small_description")
    pricing, problems = _pricing(record.get("pricing"), where)
    extra = attributes or {}
    product = Product(
        asin=asin,
        title=_text(record, "name", where),
        description=_text(record, "full_description", where, default=""),
        bullets=[str(b) for b in bullets] if isinstance(bullets, list) else [bullets or ""],
        pricing=pricing,
        options=_options(record.get("customization_options"), where),
        attributes=[str(a) for a in extra["attributes"]] if "attributes" in extra else list(DUMMY_ATTRIBUTES),
        category=_text(record, "category", where),
        query=_text(record, "query", where).lower().strip(),
        product_category=_text(record, "product_category", where),
        instruction=extra.get("instruction"),
        instruction_attributes=[str(a) for a in extra.get("instruction_attributes") or ()],
        humans=[_human(h, where) for h in humans or ()],
    )
    return product, problems


def document_text(product: Product) -> str:
    """What the search engine indexes of a product."""
    options = ", and ".join(f"{name}: {', '.join(values)}" for name, values in product.options.items())
    first = product.bullets[0] if product.bullets else ""
    return " ".join((product.title, product.description, first, options)).lower()


def pack(product: Product) -> bytes:
    """The stored form of a product."""
    return orjson.dumps(product)


def unpack(data: bytes) -> Product:
    """A product from its stored form."""
    fields = orjson.loads(data)
    fields["humans"] = [HumanInstruction(**human) for human in fields["humans"]]
    return Product(**fields)


def _text(record: Mapping[str, Any], key: str, where: str, default: str | None = None) -> str:
    value = record.get(key, default)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        found = "is missing" if key not in record else f"is {type(value).__name__}, not text"
        raise InvalidInputError(f"{where}: the field {key!r} {found}.", hint="Mend the record or take it out.")
    return value


def _pricing(raw: Any, where: str) -> tuple[list[float], list[str]]:
    """Prices of a price text such as `$12.50` or `$10.00$20.00`; none where it has no readable number."""
    if not raw:
        return [NO_PRICE], []
    text = raw if isinstance(raw, str) else f"${raw}"
    try:
        prices = [float(Decimal(_NOT_NUMERIC.sub("", part))) for part in text.split("$")[1:]][:2]
    except InvalidOperation:
        prices = []
    if prices:
        return prices, []
    return [NO_PRICE], [f"{where}: the price {text[:40]!r} is no number of dollars; taken as a product without a price"]


def _options(raw: Any, where: str) -> dict[str, list[str]]:
    """Option groups by lower-cased name, in the record's order; values trimmed, `/` spelt ` | `, in lower case."""
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


def _human(raw: Any, where: str) -> HumanInstruction:
    try:
        return HumanInstruction(
            raw["instruction"], list(raw["instruction_attributes"]), list(raw["instruction_options"])
        )
    except (TypeError, KeyError) as error:
        raise InvalidInputError(f"{where}: a human instruction lacks {error}.") from error
