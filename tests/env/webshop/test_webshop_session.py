"""Pages and transitions, the original's quirks among them."""

from __future__ import annotations

import sys

import pytest

from a3t_env.webshop.game.session import ShopSession, parse_action
from a3t_env.webshop.game.shop import Shop


def walk(session: ShopSession, *actions: str) -> str:
    """Do actions that must all be possible; the page in the mode text."""
    for action in actions:
        assert session.step(action).valid, action
    return session.observation()


def test_the_start_page(session: ShopSession) -> None:
    text = session.observation()
    assert text.startswith("WebShop [SEP] Instruction: [SEP] Find me easy clean lamps with color: ")
    assert text.endswith(" dollars [SEP] Search")
    assert session.observation("text_rich").splitlines()[:2] == ["WebShop", "Instruction: "]
    assert session.page.has_search_bar
    assert list(session.page.clickables) == ["search"]
    assert session.observation("url") == "http://127.0.0.1:3000/0"


def test_a_purchase_from_search_to_code(session: ShopSession) -> None:
    walk(session, "search[blue desk lamp]", "click[lamp000001]", "click[dark blue]", "click[small]")
    rich = session.observation("text_rich")
    assert rich.startswith("You have clicked small.\nYou have clicked dark blue.\nInstruction:\n")
    assert "  [clicked button] dark blue [clicked button_]\n  [button] red | white [button_]\n" in rich
    did = session.step("click[buy now]")
    assert did.done
    assert did.bought is not None
    assert did.reward == did.bought.total > 0
    assert session.observation().startswith("Thank you for shopping with us! [SEP] Your code: [SEP] None")
    assert '[SEP] options [SEP] {"color": "dark blue", "size": "small"} [SEP]' in session.observation()
    assert session.page.url.endswith("/LAMP000001/{'color': 'dark blue', 'size': 'small'}")
    assert session.page.clickables == {}


def test_a_second_purchase_is_refused_and_may_be_allowed(small_shop: Shop) -> None:
    goal = small_shop.synthetic.goal(0)
    for pay_once in (True, False):
        session = ShopSession(small_shop, goal, "0", pay_once=pay_once)
        walk(session, "search[blue desk lamp]", "click[lamp000001]", "click[buy now]")
        before = walk(session, "search[blue desk lamp]", "click[lamp000001]")
        did = session.step("click[buy now]")
        assert (did.valid, did.done, did.reward > 0) == ((False, False, False) if pay_once else (True, True, True))
        assert (session.observation() == before) is pay_once
        session.reset()
        walk(session, "search[blue desk lamp]", "click[lamp000001]", "click[buy now]")


@pytest.mark.parametrize(
    "action",
    [
        "",
        "buy",
        "search[]",
        "click[]",
        "click[",
        "Click[search]",
        "click [search]",
        " search[lamp]",
        "click[search]",
        "click[nothing]",
        "click[a] click[b]",
        "search[a\nb",
        "click[buy now]",
        "<script>alert(1)</script>",
        "search[<a> x]",
        "search[<c>]",
        "search[\ud800]",
        "'; DROP TABLE products; --",
    ],
)
def test_what_cannot_be_done_changes_nothing(session: ShopSession, action: str) -> None:
    before = session.observation("text_rich"), session.page.url
    did = session.step(action)
    assert (did.valid, did.reward, did.done, did.bought) == (False, 0.0, False, None)
    assert (session.observation("text_rich"), session.page.url) == before


@pytest.mark.parametrize(
    ("action", "parsed"),
    [
        ("click[BUY NOW]", ("click", "buy now")),
        ("click[x] please", ("click", "x")),
        ("click[x]]", ("click", "x]")),
        ("click[x]\n", ("click", "x")),
        ("click[a] click[b]", ("click[a] click", "b")),
        ("search[]", None),
    ],
)
def test_actions_are_read_leniently(action: str, parsed: tuple[str, str] | None) -> None:
    assert parse_action(action) == parsed


@pytest.mark.parametrize("query", ["x " * 50_000, "<" * 100_000, "{{seven}} ${jndi:y} %z", "\x00", "🙂" * 1000, "   "])
def test_odd_and_huge_searches_are_searches(session: ShopSession, query: str) -> None:
    assert session.step(f"search[{query}]").valid
    assert "Page 1 (Total results: 0)" in session.observation()


def test_more_than_1024_words_are_refused(session: ShopSession) -> None:
    assert not session.step(f"search[{' '.join(f'w{i}' for i in range(2000))}]").valid
    assert session.page.kind == "start"


@pytest.mark.parametrize("way", [(), ("click[lamp000001]",), ("click[lamp000001]", "click[features]")])
def test_searching_is_possible_on_every_page(session: ShopSession, way: tuple[str, ...]) -> None:
    walk(session, "search[lamp]", *way)
    assert "Page 1 (Total results: 25)" in walk(session, "search[candle]")


def test_pages_of_results_have_no_upper_end(session: ShopSession) -> None:
    text = walk(session, "search[candle]")
    assert "Page 1 (Total results: 25) [SEP] Next > [SEP] BULK000000 [SEP] Bulk Candle 0 [SEP] $5.0" in text
    assert "< prev" not in session.page.clickables
    walk(session, "click[next >]", "click[next >]")
    assert len(session.page.clickables) == 3 + 5
    text = walk(session, "click[next >]", "click[next >]")
    assert text.endswith("Page 5 (Total results: 25) [SEP] < Prev [SEP] Next >")
    walk(session, "click[< prev]", "click[< prev]", "click[bulk000021]", "click[< prev]")
    assert "Page 3 " in session.observation()
    assert "[clicked button] BULK000021 [clicked button_]" in session.observation("text_rich")


def test_options_are_dropped_on_the_way_back(session: ShopSession) -> None:
    walk(session, "search[desk lamp]", "click[lamp000001]", "click[small]", "click[features]", "click[< prev]")
    assert session.options == {"size": "small"}
    walk(session, "click[< prev]")
    assert session.options == {}
    walk(session, "click[back to search]")
    assert (session.page.kind, session.visited) == ("start", set())


def test_an_option_named_like_a_button_acts_as_the_button(session: ShopSession) -> None:
    walk(session, "search[desk lamp]", "click[lamp000001]")
    assert session.page.clickables["description"].kind == "option"
    walk(session, "click[description]")
    assert session.page.kind == "sub"
    assert session.options == {}


def test_words_of_a_url_in_the_keywords_lead_astray_as_in_the_original(session: ShopSession) -> None:
    walk(session, "search[search_results lamp]", "click[lamp000001]", "click[< prev]")
    assert "Page 0 (Total results: " in session.observation()
    walk(session, "search[item_page lamp]", "click[lamp000001]", "click[features]", "click[< prev]")
    assert session.page.kind == "results"


def test_a_quoted_word_in_the_query_shows_an_option_as_clicked(session: ShopSession) -> None:
    walk(session, 'search["small" desk lamp]', "click[lamp000001]")
    assert "[clicked button] small [clicked button_]" in session.observation("text_rich")
    assert session.options == {}


def test_sub_pages_keep_empty_pieces_as_the_original(session: ShopSession) -> None:
    text = walk(session, "search[floor lamp]", "click[lamp000003]", "click[features]")
    assert text.endswith("< Prev [SEP] first [SEP]  [SEP]  [SEP] a\nb")
    walk(session, "search[green]", "click[lamp000002]", "click[description]")
    assert session.observation().endswith("Back to Search [SEP] < Prev")


def test_attributes_are_shown_where_asked_for(small_shop: Shop) -> None:
    session = ShopSession(small_shop, small_shop.synthetic.goal(0), "0", show_attributes=True)
    text = walk(session, "search[desk lamp]", "click[lamp000001]", "click[attributes]")
    assert text.endswith("easy clean [SEP] solid wood [SEP] garden [SEP] lamps [SEP] Home › Lighting › Lamps")


def test_special_searches(session: ShopSession) -> None:
    assert "Total results: 1)" in walk(session, "search[<c> fashion]")
    assert "Total results: 25)" in walk(session, "search[<q> candles]")
    assert "Total results: 0)" in walk(session, "search[<q> nothing]")
    assert f"Total results: {len(session.shop.catalogue)})" in walk(session, "search[<r>]")


def test_random_searches_follow_the_seed(small_shop: Shop) -> None:
    goal = small_shop.synthetic.goal(0)
    pages = [walk(ShopSession(small_shop, goal, "0", seed=seed), "search[<r>]") for seed in (1, 1, 2)]
    assert pages[0] == pages[1] != pages[2]


def test_a_session_costs_kilobytes(small_shop: Shop) -> None:
    session = ShopSession(small_shop, small_shop.synthetic.goal(0), "0")
    walk(session, "search[candle]")
    own = sys.getsizeof(session.page.nodes) + sys.getsizeof(session.page.clickables) + sys.getsizeof(session.page.url)
    assert own < 8192
