"""Draws actions from the action space, for exploration."""

from __future__ import annotations

import random

from .session import ShopSession
from .wishes import read_wishes

__all__ = ["sample_action", "sample_query"]

_TRIES = 16


def sample_action(session: ShopSession, seed: int, avoid: str | None = None) -> str:
    """Draw a click uniformly from what can be clicked. On the page with only a search bar, draw a search for words of
    the instruction.

    The same seed and state give the same action. `avoid` is never drawn if there is another action.
    """
    rng = random.Random(f"{seed} {session.page.url}")
    clicks = [] if session.page.has_search_bar else session.actions()
    others = [action for action in clicks if action != avoid]
    if others or clicks:
        return rng.choice(others or clicks)
    drawn = [f"search[{sample_query(session.goal.instruction, rng)}]" for _ in range(_TRIES)]
    return next((action for action in drawn if action != avoid), drawn[0])


def sample_query(instruction: str, rng: random.Random) -> str:
    """Draw words of the instruction without its opening and price limit. Some words are dropped, and half of the
    time the rest is shuffled.
    """
    words = read_wishes(instruction).query.split() or ["products"]
    kept = sorted(rng.sample(range(len(words)), rng.randint((len(words) + 2) // 3, len(words))))
    if rng.random() < 0.5:
        rng.shuffle(kept)
    return " ".join(words[i] for i in kept)
