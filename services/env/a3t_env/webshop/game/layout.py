"""The contents of each kind of page, in order."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from ..catalogue.records import Product
from .page import Clickable, Kind, Node, Page, node

__all__ = ["SUB_PAGES", "done_page", "item_page", "results_page", "start_page", "sub_page"]

BACK, PREV, NEXT, BUY = "Back to Search", "< Prev", "Next >", "Buy Now"
SUB_PAGES = {name.lower(): name for name in ("Description", "Features", "Reviews", "Attributes")}

_DONE_HEAD = (
    "Thank you for shopping with us!",
    "Your code: ",
    "None",
    " (Paste it in your MTurk interface.)",
    "Purchased",
    "asin",
)
_DONE_TAIL = (
    "attrs",
    "None",
    "category",
    "None",
    "query",
    "None",
    "product category",
    "None",
    "Target",
    "asin",
    "options",
    "attrs",
    "price upper",
    "instuction text",
    "category",
    "product category",
    "query",
    "Goal ",
    "None",
    "Reward",
    "Your score (min 0.0, max 1.0)",
)
_UNSAFE_IN_HTML = {ord(char): f"\\u{ord(char):04x}" for char in "<>&'"}


def start_page(url: str, instruction: str) -> Page:
    """The search page."""
    nodes = [Node("text", "WebShop"), Node("text", "Instruction: "), *node(instruction), Node("button", "Search")]
    return Page("start", url, nodes, {"search": Clickable("button")})


def results_page(url: str, instruction: str, page: int, total: int, shown: Sequence[tuple[int, Product]]) -> Page:
    """One page of search results; `shown` are numbers and products on it."""
    buttons = [PREV, NEXT] if page > 1 else [NEXT]
    nodes = [*_head(instruction), Node("text", f"Page {page} (Total results: {total})"), *_buttons(buttons)]
    clickables = _clickables([BACK, *buttons])
    for number, product in shown:
        nodes += node(product.asin, "product")
        nodes += node(product.title)
        nodes += node(product.price_tag)
        clickables[product.asin.lower()] = Clickable("product", product=number)
    return Page("results", url, nodes, clickables)


def item_page(url: str, instruction: str, product: Product, show_attributes: bool) -> Page:
    """A product with its options."""
    names = [name for name in SUB_PAGES.values() if show_attributes or name != "Attributes"]
    nodes = [*_head(instruction), *_buttons([PREV])]
    clickables = _clickables([BACK, PREV, *names, BUY])
    for group, values in product.options.items():
        nodes += node(group)
        for value in values:
            nodes += node(value, "option")
            clickables[value] = Clickable("option", group=group)
    nodes += node(product.title)
    nodes += (Node("text", f"Price: {product.price_tag}"), Node("text", "Rating: N.A."), *_buttons([*names, BUY]))
    return Page("item", url, nodes, clickables)


def sub_page(url: str, instruction: str, product: Product, name: str) -> Page:
    """Description, Features, Reviews or Attributes of a product."""
    nodes = [*_head(instruction), *_buttons([PREV])]
    if name == "Description":
        nodes += node(product.description)
    elif name == "Features":
        nodes += [n for bullet in product.bullets for n in node(f" {bullet}")]
    elif name == "Attributes":
        nodes += [n for attribute in product.attributes for n in node(f" {attribute}")]
        nodes += [n for text in (product.category, product.query, product.product_category) for n in node(text)]
    return Page("sub", url, nodes, _clickables([BACK, PREV]))


def done_page(url: str, asin: str, options: dict[str, str], reward: float) -> Page:
    """The page after a purchase; nothing on it can be clicked."""
    chosen = json.dumps(options, sort_keys=True).translate(_UNSAFE_IN_HTML)
    texts = (*_DONE_HEAD, asin, "options", chosen, *_DONE_TAIL, str(reward), "Reward Details ", "None")
    return Page("done", url, [Node("text", text) for text in texts])


def _head(instruction: str) -> Iterable[Node]:
    return (Node("text", "Instruction:"), *node(instruction), Node("button", BACK))


def _buttons(names: Iterable[str]) -> Iterable[Node]:
    kind: Kind = "button"
    return [Node(kind, name) for name in names]


def _clickables(names: Iterable[str]) -> dict[str, Clickable]:
    return {name.lower(): Clickable("button") for name in names}
