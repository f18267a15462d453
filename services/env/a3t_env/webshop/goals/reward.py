"""The reward of a purchase, by the original's formula."""

from __future__ import annotations

from dataclasses import dataclass

from rapidfuzz import fuzz, utils

from ..catalogue.records import Product
from .colours import colour_of
from .nouns import Tagger, default_tagger
from .table import ShopGoal

__all__ = ["Reward", "purchase_reward", "token_set_ratio"]

_MATCH = 85
_LATIN_1_REST = dict.fromkeys(range(128, 256))


@dataclass(frozen=True, slots=True)
class Reward:
    """`total` = `r_type` × `base`. `base` is the share of matched items, which are the goal's attributes, options and
    price limit. `r_option` is None if the goal has no options."""

    total: float
    base: float
    r_type: float
    r_att: float
    w_att: float
    r_option: float | None
    w_option: float | None
    r_price: float
    w_price: float
    query_match: bool
    category_match: bool
    title_score: float
    attribute_matches: int
    option_matches: int

    def parts(self) -> dict[str, float]:
        """The parts as numbers under the original's names. The part for options is included only if the goal has
        options.
        """
        parts = {
            "r_type": self.r_type,
            "r_att": self.r_att,
            "w_att": self.w_att,
            "query_match": float(self.query_match),
            "category_match": float(self.category_match),
            "title_score": self.title_score,
            "r_price": self.r_price,
            "w_price": self.w_price,
            "base": self.base,
        }
        if self.r_option is not None and self.w_option is not None:
            parts |= {"r_option": self.r_option, "w_option": self.w_option}
        return parts


def purchase_reward(
    product: Product, goal: ShopGoal, price: float, options: dict[str, str], tagger: Tagger | None = None
) -> Reward:
    """Compute the reward for buying `product` at `price` dollars with the chosen options (value by group)."""
    r_type, query_match, category_match, title_score = _type(product, goal, tagger or default_tagger())
    attributes = sum(_has_attribute(product, wanted) for wanted in goal.attributes)
    matched = _option_matches(list(options.values()), goal.options)
    price_ok = price <= goal.price_limit
    items = len(goal.attributes) + len(goal.options) + 1
    base = (attributes + matched + price_ok) / items
    wanted = len(goal.options)
    return Reward(
        total=base * r_type,
        base=base,
        r_type=r_type,
        r_att=attributes / len(goal.attributes),
        w_att=len(goal.attributes) / items,
        r_option=matched / wanted if wanted else None,
        w_option=wanted / items if wanted else None,
        r_price=float(price_ok),
        w_price=1 / items,
        query_match=query_match,
        category_match=category_match,
        title_score=title_score,
        attribute_matches=attributes,
        option_matches=matched,
    )


def token_set_ratio(one: str, other: str) -> int:
    """The token set ratio of thefuzz, 0 to 100. Characters 128 to 255 are dropped; characters other than letters and
    digits count as blanks."""
    return round(fuzz.token_set_ratio(_processed(one), _processed(other)))


def _processed(text: str) -> str:
    return utils.default_process(text.translate(_LATIN_1_REST))


def _type(product: Product, goal: ShopGoal, tagger: Tagger) -> tuple[float, bool, bool, float]:
    query_match = product.query == goal.query
    category_match = len(_levels(product.product_category) & _levels(goal.product_category)) >= 2
    nouns = tagger(goal.title)
    # The denominator counts repeats, the numerator does not: equal titles may score below 1, as in the original.
    title_score = len(set(tagger(product.title)) & set(nouns)) / len(nouns) if nouns else 0.2
    r_type = 1.0 if query_match or category_match or title_score > 0.2 else 0.5
    if title_score < 0.1:
        r_type = 0.1 if title_score else 0.0
    return r_type, query_match, category_match, title_score


def _levels(product_category: str) -> set[str]:
    return {level.strip() for level in product_category.split("›")}


def _has_attribute(product: Product, wanted: str) -> bool:
    if any(token_set_ratio(attribute, wanted) > _MATCH for attribute in product.attributes):
        return True
    texts = (product.title, " ".join(product.bullets), product.description)
    return any(wanted in text.lower() for text in texts)


def _option_matches(chosen: list[str], wanted: dict[str, str] | list[str]) -> int:
    """Number of wanted options that a chosen value matches. As in the original, synthetic goals compare (name,
    value) pairs, human goals only values.
    """
    values = [colour_of(value) for value in chosen]
    targets = [colour_of(target) for target in (wanted.items() if isinstance(wanted, dict) else wanted)]
    return sum(any(token_set_ratio(value, target) > _MATCH for value in values) for target in targets)
