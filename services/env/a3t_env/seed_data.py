"""Makes tasks for environments that have none, in a new deployment: `python -m a3t_env.seed_data`.

A3T_SEED_GAMES is the number of training tasks for each environment that can generate tasks; 0 makes none. Existing
tasks are not changed.
"""

from __future__ import annotations

import os
import sys

from a3t_contracts.cli import guarded
from a3t_contracts.errors import InvalidInputError
from a3t_contracts.logging import configure_logging, get_logger
from a3t_contracts.program import program_parser
from a3t_contracts.settings import CommonSettings

from .cli.commands import installed_commands

__all__ = ["seed"]

DEFAULT_GAMES = 400


def seed(games: int) -> bool:
    """Make about `games` training tasks for each environment without tasks. Returns whether any were made."""
    log = get_logger(__name__)
    seeds = {name: commands.seed for name, commands in installed_commands().items() if commands.seed is not None}
    made = [name for name, make in seeds.items() if games > 0 and make(games)]
    log.info("seed.done" if made else "seed.skipped", environments=made, games=games)
    return bool(made)


def main(arguments: list[str] | None = None) -> None:
    """Read the command line and the environment, and make the tasks."""
    program_parser(
        "python -m a3t_env.seed_data",
        "Makes tasks for environments that have none yet, then exits. Existing tasks are not changed.",
        CommonSettings,
        notes=f"  A3T_SEED_GAMES={DEFAULT_GAMES}\n      Number of training tasks; a fifth as many held-out tasks are "
        f"made, too. 0 makes none",
    ).parse_args(arguments)
    configure_logging("games")
    text = os.environ.get("A3T_SEED_GAMES", str(DEFAULT_GAMES))
    if not text.isdigit():
        raise InvalidInputError(f"A3T_SEED_GAMES={text!r} is not a number of games.")
    seed(int(text))


if __name__ == "__main__":
    sys.exit(guarded(main))
