"""`python -m a3t_env.seed_data`: generate games where there is no data yet; what a fresh deployment starts with.

A3T_SEED_GAMES games for training and a fifth as many held out; 0 does nothing. Games that are there are left alone.
"""

from __future__ import annotations

import os
import sys

from a3t_contracts.cli import guarded
from a3t_contracts.errors import InvalidInputError
from a3t_contracts.logging import configure_logging, get_logger
from a3t_contracts.program import program_parser
from a3t_contracts.settings import CommonSettings

from .alfworld.cli import generate
from .alfworld.data.store import GameStore
from .cli import data_home

__all__ = ["seed"]

DEFAULT_GAMES = 400


def seed(games: int) -> bool:
    """Generate `games` training games unless there are some; whether it did."""
    log = get_logger(__name__)
    splits = GameStore(data_home("alfworld")).index().splits()
    if splits or games == 0:
        log.info("seed.skipped", splits=splits)
        return False
    generate(games=games, heldout=None, seed=0, verb_form="move", as_json=True)
    log.info("seed.done", games=games)
    return True


def main(arguments: list[str] | None = None) -> None:
    """Read the command line and the environment, and seed."""
    program_parser(
        "python -m a3t_env.seed_data",
        "Generates ALFWorld games where there are none yet, and ends. Games that are there are left alone.",
        CommonSettings,
        notes=f"  A3T_SEED_GAMES={DEFAULT_GAMES}\n      Games for training, and a fifth as many held out; 0 makes none",
    ).parse_args(arguments)
    configure_logging("games")
    text = os.environ.get("A3T_SEED_GAMES", str(DEFAULT_GAMES))
    if not text.isdigit():
        raise InvalidInputError(f"A3T_SEED_GAMES={text!r} is no number of games.")
    seed(int(text))


if __name__ == "__main__":
    sys.exit(guarded(main))
