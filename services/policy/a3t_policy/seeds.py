"""Seeds of the completions of one request."""

from __future__ import annotations

import hashlib

__all__ = ["derived_seed"]


def derived_seed(seed: int | None, index: int) -> int | None:
    """The seed of completion `index` of a request. The first completion (index 0) has the request's seed."""
    if seed is None or index == 0:
        return seed
    return int.from_bytes(hashlib.sha256(f"{seed}/{index}".encode()).digest()[:6], "big")
