"""Actions drawn from the action space, for exploration."""

from __future__ import annotations

import random

from .session import ShopSession
from .wishes import read_wishes

__all__ = ["sample_action", "sample_query"]

_TRIES = 16


def sample_action(session: ShopSession, seed: int, avoid: str | None = None) -> str:
    """A click, uniform over what can be clicked; where there is only the search bar, a search made of the
    instruction's words. The same for equal seeds and states; never `avoid` where there is another action."""
    rng = random.Random(f"{seed} {session.page.url}")
    clicks = [] if session.page.has_search_bar else session.actions()
    others = [action for action in clicks if action != avoid]
    if others or clicks:
        return rng.choice(others or clicks)
    drawn = [f"search[{sample_query(session.goal.instruction, rng)}]" for _ in range(_TRIES)]
    return next((action for action in drawn if action != avoid), drawn[0])


def sample_query(instruction: str, rng: random.Random) -> str:
    """Words of the instruction (its opening and price limit left out), some dropped, in half of the cases shuffled."""
    words = read_wishes(instruction).query.split() or ["products"]
    kept = sorted(rng.sample(range(len(words)), rng.randint((len(words) + 2) // 3, len(words))))
    if rng.random() < 0.5:
        rng.shuffle(kept)
    return " ".join(words[i] for i in kept)
