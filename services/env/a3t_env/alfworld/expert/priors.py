"""How often objects of a type are in receptacles of a type, as a small table.

The shipped table was counted over training games only, by `python -m a3t_env.alfworld.expert.make_priors FOLDER`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files

__all__ = ["PRIORS_TABLE", "Priors", "load_priors"]

PRIORS_TABLE = "priors.json"


class Priors:
    """Object type → receptacle type → share of such receptacles that hold such an object (0 to 1)."""

    def __init__(self, shares: Mapping[str, Mapping[str, float]]) -> None:
        self._shares = shares

    def of(self, wanted: str) -> Mapping[str, float]:
        """Shares for one object type; empty for an unknown one."""
        return self._shares.get(wanted, {})


@lru_cache(maxsize=1)
def load_priors() -> Priors:
    """Read the shipped table."""
    return Priors(json.loads(files(__package__).joinpath(PRIORS_TABLE).read_text()))
