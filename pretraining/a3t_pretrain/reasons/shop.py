"""Reads the instructions of exercises in the shop (see `..webshop.errands`, which writes them)."""

from __future__ import annotations

import re
from dataclasses import replace

from a3t_actre.environments.webshop.view import Wishes, read_wishes

__all__ = ["exercise_wishes"]

_ERRAND = re.compile(
    r"^(?:(?i:(?:search|look) for) )?(.+?)(?:, and (?:look around|(?:open|buy|read the \w+ of) (.+)))?$"
)
"""Groups: what to search for; the title of a product, or words that name no product. `read_wishes` has removed the
other ways to begin a line.
"""
_UNNAMED = ("one", "the first one")


def exercise_wishes(instruction: str) -> Wishes:
    """Read what an exercise asks for. Options and price limit are worded as in the shop's goals, the rest is not."""
    wishes = read_wishes(instruction)
    errand = _ERRAND.match(wishes.thing)
    if errand is None:
        return wishes
    return replace(wishes, thing=errand[1], title="" if errand[2] in (None, *_UNNAMED) else errand[2])
