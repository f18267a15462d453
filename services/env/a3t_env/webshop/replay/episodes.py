"""Recorded episodes, step by step."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..game.session import ShopSession, ShopStep
from ..game.shop import Shop
from .report import Agreement, json_lines

__all__ = ["replay_episodes"]

_FIELDS = ("obs", "rich", "url", "bar", "click", "r", "d")
_REFUSED = "a second purchase in one episode is refused, where the original pays again"


def replay_episodes(shop: Shop, reference: Path, pay_once: bool) -> Iterable[Agreement]:
    """Compare the observations in all modes, clickables, reward and done of every step, and the reward parts of
    purchases.

    Steps whose reward depends on the tagger are compared, too: the rule finds the same nouns as the recording did.
    """
    steps, parts = Agreement("steps of episodes", 0.995), Agreement("reward parts of purchases")
    for episode in json_lines(reference, "episodes*.jsonl"):
        goal = shop.synthetic.goal(episode["goal"])
        session = ShopSession(
            shop, goal, str(episode["goal"]), show_attributes=episode["show_attrs"], pay_once=pay_once
        )
        _replay_one(session, episode, steps, parts)
    return steps, parts


def _replay_one(session: ShopSession, episode: dict[str, Any], steps: Agreement, parts: Agreement) -> None:
    bought, reason = False, None
    for number, recorded in enumerate(episode["steps"]):
        where = f"episode {episode['id']}, step {number}: {recorded['a']!r}"
        did = _do(session, recorded["a"])
        bought = bought and recorded["a"] is not None
        if recorded.get("d") and bought and not did.valid:
            reason = _REFUSED
        same = steps.compare(where, _seen(session, did), {k: recorded[k] for k in _FIELDS if k in recorded}, reason)
        if "info" in recorded and reason is None:
            parts.compare(where, did.bought.parts() if did.bought else {}, recorded["info"])
        bought = bought or bool(recorded.get("d"))
        # After a refused purchase, both are on different pages until a search or a reset leads to the same page again.
        reason = None if same else reason


def _do(session: ShopSession, action: str | None) -> ShopStep:
    if action is None:
        session.reset()
        return ShopStep()
    return session.step(action)


def _seen(session: ShopSession, did: ShopStep) -> dict[str, Any]:
    page = session.page
    return {
        "obs": session.observation("text"),
        "rich": session.observation("text_rich"),
        "url": page.url,
        "bar": page.has_search_bar,
        "click": list(page.clickables),
        "r": did.reward,
        "d": did.done,
    }
