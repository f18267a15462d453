"""Games of two environments for clients of other libraries: a shipped one with data, and a person's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from a3t_contracts.settings import DEVELOPMENT_TOKEN
from a3t_env.alfworld.data.store import GameStore
from a3t_env.alfworld.generator import generate_games, stage
from a3t_env.app import create_app
from a3t_env.settings import EnvSettings
from tests.support.examples import EXAMPLES
from tests.support.live_server import live_server

AUTHORIZED = {"Authorization": f"Bearer {DEVELOPMENT_TOKEN}"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with six generated games; not to be changed."""
    folder = tmp_path_factory.mktemp("home")
    with GameStore(folder / "data" / "alfworld").batch() as batch:
        for game in generate_games("generated_train", 6, seed=5):
            stage(batch, game.split, game)
        batch.commit()
    return folder


def settings_of(home: Path, **changed: object) -> EnvSettings:
    """Settings of a service with the games and the environment `guess`."""
    plugins = f"guess={EXAMPLES}/environments/guess.py:Guess"
    return EnvSettings.model_validate({"home": home, "env_plugins": plugins, **changed})


@pytest.fixture(scope="module")
def service(home: Path) -> Iterator[str]:
    """The base URL of a running env service."""
    with live_server(create_app(settings_of(home))) as url:
        yield url
