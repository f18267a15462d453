"""Goals and rewards."""

from __future__ import annotations

import random
import sys
from dataclasses import replace
from types import ModuleType

import pytest

from a3t_contracts.errors import NotFoundError
from a3t_env.webshop.game.shop import Shop
from a3t_env.webshop.goals import nouns
from a3t_env.webshop.goals.colours import colour_of
from a3t_env.webshop.goals.draw import NO_LIMIT, draw_goals
from a3t_env.webshop.goals.nouns import rule_nouns
from a3t_env.webshop.goals.reward import purchase_reward, token_set_ratio
from a3t_env.webshop.goals.title_tokens import title_tokens


@pytest.mark.parametrize(
    ("value", "colour"),
    [
        ("dark blue", "blue"),
        ("2005black", "black"),
        ("rectangular", "tan"),
        ("fashion black woman", "ash"),
        ("x-large", "x-large"),
        (("color", "navy"), "navy"),
        (("color", "dark navy"), "('color', 'dark navy')"),
    ],
)
def test_colours(value: str | tuple[str, str], colour: str) -> None:
    assert colour_of(value) == colour


@pytest.mark.parametrize(
    ("one", "other", "matches"),
    [
        ("small", "('size', 'x-small')", True),
        ("x-small", "('size', 'small')", False),
        ("7", "('size', '7.5')", True),
        ("size", "('size', '9')", True),
        ("", "", False),
        ("café", "caf", True),
        ("a3-army\xa0green", "army green", False),
    ],
)
def test_options_match_by_sets_of_words(one: str, other: str, matches: bool) -> None:
    assert (token_set_ratio(one, other) > 85) is matches


@pytest.mark.parametrize(
    ("title", "tokens"),
    [
        ("Wine red,40", ["Wine", "red,40"]),
        ("3-Light 13.3-inch (2.4GHz) 500GB", ["3", "-", "Light", "13.3", "-", "inch", "(", "2.4GHz", ")", "500", "GB"]),
        ("Women's T-Shirts, Black/White", ["Women", "'s", "T", "-", "Shirts", ",", "Black", "/", "White"]),
        ("", []),
    ],
)
def test_titles_are_cut_as_spacy_cuts_them(title: str, tokens: list[str]) -> None:
    assert title_tokens(title) == tokens


def test_goals_of_the_hand_made_shop(small_shop: Shop) -> None:
    goals = [small_shop.synthetic.goal(i) for i in range(len(small_shop.synthetic))]
    assert len(goals) == 4
    assert {tuple(g.options.items()) for g in goals if isinstance(g.options, dict)} == {
        (("color", c), ("size", s)) for c in ("dark blue", "red | white") for s in ("small", "description")
    }
    assert len({g.price_limit for g in goals}) == 1
    price = float(small_shop.synthetic.prices[0])
    assert 10.0 <= price <= 30.0
    assert price < goals[0].price_limit <= price + 40
    assert goals[0].instruction.endswith(f", and price lower than {goals[0].price_limit:.2f} dollars")
    assert sum(g.weight for g in goals) == pytest.approx(1.0)


def test_human_goals_are_lists_of_values(small_shop: Shop) -> None:
    assert len(small_shop.human) == 1
    goal = small_shop.human.goal(0)
    assert goal.options == ["green"]
    assert goal.instruction.startswith("a green lamp, and price lower than ")
    reward = purchase_reward(small_shop.catalogue.product(goal.product), goal, 100.0, {"color": "light green"})
    assert (reward.r_option, reward.r_att, reward.r_price, reward.total) == (1.0, 1.0, 1.0, 1.0)


def test_draws_depend_on_the_seed(small_shop: Shop) -> None:
    (one, first), (two, again), (three, other) = (
        draw_goals(small_shop.catalogue, "synthetic", seed) for seed in (233, 233, 5)
    )
    assert (one == two).all()
    assert (first.limit == again.limit).all()
    assert one[0] != three[0]
    assert (first.choice == other.choice).all(), "the order of the goals does not depend on the seed"


def test_the_first_goal_is_never_drawn(small_shop: Shop) -> None:
    rng = random.Random(0)
    drawn = {small_shop.synthetic.draw(rng) for _ in range(300)}
    assert drawn == {1, 2, 3}


@pytest.mark.parametrize("number", [-1, 4, 10**9])
def test_unknown_goals(small_shop: Shop, number: int) -> None:
    with pytest.raises(NotFoundError, match="no synthetic goal"):
        small_shop.synthetic.goal(number)


def test_parts_of_a_reward(small_shop: Shop) -> None:
    goal = replace(small_shop.synthetic.goal(0), options={"color": "dark blue", "size": "small"}, price_limit=20.0)
    lamp, shoe = small_shop.catalogue.product(0), small_shop.catalogue.product(3)
    best = purchase_reward(lamp, goal, 20.0, dict(goal.options), rule_nouns)
    assert (best.total, best.r_type, best.w_att, best.w_option, best.w_price) == (1.0, 1.0, 0.25, 0.5, 0.25)
    dear = purchase_reward(lamp, goal, 20.01, {"color": "light blue"}, rule_nouns)
    assert (dear.r_price, dear.r_option, dear.base) == (0.0, 0.5, 0.5)
    wrong = purchase_reward(shoe, goal, 5.0, {}, rule_nouns)
    assert (wrong.r_type, wrong.total, wrong.query_match, wrong.category_match) == (0.0, 0.0, False, False)
    assert wrong.base == 0.25
    free = replace(goal, options={}, price_limit=NO_LIMIT)
    parts = purchase_reward(lamp, free, 99.0, {}, rule_nouns).parts()
    assert "r_option" not in parts
    assert all(isinstance(value, float) for value in parts.values())


def test_spacy_model_is_asked_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Token:
        def __init__(self, text: str) -> None:
            self.text, self.pos_ = text, "NOUN" if text[0].isupper() else "ADJ"

    package = ModuleType("spacy")
    package.load = lambda name: lambda title: [Token(t) for t in title.split()]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "spacy", package)
    monkeypatch.setattr(nouns, "find_spec", lambda name: object())
    nouns.default_tagger.cache_clear()
    try:
        assert nouns.default_tagger()("blue Desk Lamp") == ("desk", "lamp")
    finally:
        nouns.default_tagger.cache_clear()
