"""Starts the two services that a corpus needs, as child processes on free ports with a separate data folder."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from a3t_contracts.child import bound
from a3t_contracts.clients import ActReClient, EnvClient, ServiceClient
from a3t_contracts.errors import UnavailableError
from a3t_contracts.settings import CommonSettings

from .settings import PretrainSettings

__all__ = ["generate_data", "own_services"]

_START_SECONDS = 120.0
_CATALOGUE_SEED = 77_000


def generate_data(home: Path, settings: PretrainSettings) -> None:
    """Generate the games or products for the exercises, with `home` as A3T_HOME.

    Household: games in the floor plans of `generated_train`, a quarter of them with the older wording "put". Shop: a
    catalogue with other products than `a3t data generate webshop` makes by default. Raises UnavailableError, with the
    end of the command's output.
    """
    if settings.environment == "webshop":
        _generate(home, "webshop", {"--products": settings.games, "--seed": settings.seed + _CATALOGUE_SEED})
        return
    old = settings.games // 4
    for number, wording, offset in ((settings.games - old, "move", 0), (old, "put", 1)):
        if number:
            options: dict[str, int | str] = {
                "--games": number,
                "--heldout": 0,
                "--seed": settings.seed + offset,
                "--verb-form": wording,
            }
            _generate(home, "alfworld", options)


@asynccontextmanager
async def own_services(home: Path) -> AsyncIterator[tuple[EnvClient, ActReClient]]:
    """Run the env and ActRe services during the block, and yield clients of them."""
    token = CommonSettings().token.get_secret_value()
    with _Child("a3t_env", home) as env_url, _Child("a3t_actre", home) as actre_url:
        async with EnvClient(env_url, token) as env, ActReClient(actre_url, token) as actre:
            await _ready(env)
            await _ready(actre)
            yield env, actre


class _Child:
    """`python -m MODULE` on a free port. It is terminated at the end of the block, or when this process dies."""

    def __init__(self, module: str, home: Path) -> None:
        self._port = _free_port()
        environ = {
            **os.environ,
            "A3T_HOME": str(home),
            "A3T_HOST": "127.0.0.1",
            "A3T_PORT": str(self._port),
            "A3T_LOG_LEVEL": "WARNING",
        }
        self._process = subprocess.Popen(bound([sys.executable, "-m", module]), env=environ)  # noqa: S603

    def __enter__(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def __exit__(self, *exc: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


async def _ready(client: ServiceClient) -> None:
    deadline = asyncio.get_running_loop().time() + _START_SECONDS
    while True:
        try:
            await client.ready()
            return
        except UnavailableError:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _generate(home: Path, environment: str, options: Mapping[str, int | str]) -> None:
    arguments = ["data", "generate", environment, *(str(word) for option in options.items() for word in option)]
    program = [str(Path(sys.executable).with_name("a3t")), *arguments]
    done = subprocess.run(program, env={**os.environ, "A3T_HOME": str(home)}, capture_output=True, text=True)  # noqa: S603
    if done.returncode:
        raise UnavailableError(f"`a3t {' '.join(arguments)}` failed: {done.stderr.strip()[-400:]}")
