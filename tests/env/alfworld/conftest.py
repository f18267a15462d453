"""Games that every ALFWorld test can have: generated, from the packaged floor plans."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from a3t_env.alfworld.data.store import GameStore
from a3t_env.alfworld.environment import AlfworldEnvironment
from a3t_env.alfworld.generator import GeneratedGame, generate_games, stage


@pytest.fixture(scope="session")
def generated() -> list[GeneratedGame]:
    """Two games of each task type."""
    return list(generate_games("generated_train", 12, seed=5))


@pytest.fixture(scope="session")
def alfworld_home(tmp_path_factory: pytest.TempPathFactory, generated: list[GeneratedGame]) -> Path:
    """A data folder with generated_train (both verb forms), made once; not to be changed."""
    folder = tmp_path_factory.mktemp("alfworld-data")
    with GameStore(folder).batch() as batch:
        for game in generated:
            stage(batch, game.split, game)
        for game in generate_games("generated_train", 6, seed=6, verb_form="put"):
            stage(batch, "generated_put", game)
        batch.commit()
    return folder


@pytest.fixture
def environment(alfworld_home: Path) -> Iterator[AlfworldEnvironment]:
    """The environment over these games."""
    environment = AlfworldEnvironment(alfworld_home)
    yield environment
    environment.close()
