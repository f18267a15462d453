"""Generated TextWorld games, one of each type to train on and one held out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from a3t_env.textworld.challenges import CHALLENGES
from a3t_env.textworld.environment import TextWorldEnvironment
from a3t_env.textworld.store import add_games

PATIENCE = 600.0
COUNTS = {"train": 3, "heldout": 1}


@pytest.fixture(scope="session")
def textworld_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with four games."""
    folder = tmp_path_factory.mktemp("textworld")
    added = add_games(folder, COUNTS, list(CHALLENGES), seed=3)
    assert added.games == COUNTS
    return folder


@pytest.fixture(scope="session")
def textworld(textworld_home: Path) -> Iterator[TextWorldEnvironment]:
    """The environment, with a process for two episodes."""
    environment = TextWorldEnvironment(textworld_home, 2, load_seconds=PATIENCE, step_seconds=PATIENCE)
    yield environment
    environment.close()
