"""A real env and a real ActRe service in this process, over games that were generated for the test."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from a3t_actre.app import create_app as create_actre
from a3t_actre.settings import ActReSettings
from a3t_contracts.clients import ActReClient, EnvClient
from a3t_contracts.schemas import Trajectory
from a3t_env.app import create_app as create_env
from a3t_env.settings import EnvSettings
from a3t_pretrain.corpus import write_corpus

TOKEN = "a3t-development"


@pytest.fixture(scope="session")
def games_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with twelve generated games."""
    home = tmp_path_factory.mktemp("pretrain-home")
    program = [
        str(Path(sys.executable).with_name("a3t")),
        "data",
        "generate",
        "alfworld",
        "--games",
        "12",
        "--heldout",
        "0",
    ]
    subprocess.run(program, env={**os.environ, "A3T_HOME": str(home)}, check=True, capture_output=True)
    return home


@pytest.fixture
async def services(games_home: Path) -> AsyncIterator[tuple[EnvClient, ActReClient]]:
    async with AsyncExitStack() as stack:
        env_app = create_env(EnvSettings(home=games_home))
        actre_app = create_actre(ActReSettings(home=games_home))
        for app in (env_app, actre_app):
            await stack.enter_async_context(app.router.lifespan_context(app))
        env = EnvClient("http://env", TOKEN, transport=httpx.ASGITransport(app=env_app))
        actre = ActReClient("http://actre", TOKEN, transport=httpx.ASGITransport(app=actre_app))
        yield await stack.enter_async_context(env), await stack.enter_async_context(actre)


@pytest.fixture
def exercises(services: tuple[EnvClient, ActReClient]) -> Callable[..., Awaitable[list[Trajectory]]]:
    """Writes so many exercises, played and explained."""
    env, actre = services

    async def write(count: int, seed: int = 0) -> list[Trajectory]:
        return [t async for t in write_corpus(env, actre, "generated_train", count, seed, lambda *_: None)]

    return write
