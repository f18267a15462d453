"""In which order searches go through a room, and what is known of where things lie."""

from __future__ import annotations

import random

import pytest

from a3t_pretrain.searching import Usual, search_order

ROOM = ["cabinet 2", "cabinet 1", "countertop 1", "fridge 1", "shelf 1"]


@pytest.fixture
def usual() -> Usual:
    counted = Usual()
    counted.add({"cabinet 1": [], "cabinet 2": [], "fridge 1": ["apple 1", "apple 2"], "countertop 1": ["apple 3"]})
    counted.add({"cabinet 1": ["mug 1"], "cabinet 2": [], "fridge 1": ["apple 1"], "countertop 1": []})
    return counted


def test_places_count_by_how_many_of_them_hold_one(usual: Usual) -> None:
    assert usual.of("apple") == {"fridge": 1.0, "countertop": 0.5}
    assert usual.of("mug") == {"cabinet": 0.5}, "the room without a mug says nothing of mugs"
    assert usual.of("vase") == {}


def test_most_searches_begin_at_the_likeliest_place_and_leave_the_implausible_for_last(usual: Usual) -> None:
    orders = [search_order(ROOM, random.Random(seed), usual.of("apple")) for seed in range(200)]
    assert all(sorted(order) == sorted(ROOM) for order in orders)
    foreseen = ["fridge 1", "countertop 1", "shelf 1", "cabinet 2", "cabinet 1"]
    assert orders.count(foreseen) >= 140
    assert len(set(map(tuple, orders))) > 10


def test_a_search_goes_on_from_where_the_agent_stands(usual: Usual) -> None:
    orders = [search_order(ROOM, random.Random(seed), usual.of("mug"), "cabinet 2") for seed in range(200)]
    assert orders.count(["cabinet 1", "cabinet 2", "countertop 1", "fridge 1", "shelf 1"]) >= 140


def test_nothing_is_foreseen_of_a_thing_that_was_never_seen(usual: Usual) -> None:
    orders = [search_order(ROOM, random.Random(seed), usual.of("vase")) for seed in range(50)]
    assert all(sorted(order) == sorted(ROOM) for order in orders)
    assert len(set(map(tuple, orders))) > 10
