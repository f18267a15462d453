"""The example in JavaScript, behind the env service."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable

import pytest

from a3t_env.sessions import SessionManager
from tests.support.examples import EXAMPLES
from tests.support.remote_play import play

NODE = shutil.which("node")


@pytest.mark.skipif(NODE is None, reason="node is not on the PATH; the example is in JavaScript")
async def test_a_server_of_60_lines_in_javascript_is_an_environment(manager_of: Callable[..., SessionManager]) -> None:
    program = EXAMPLES / "environments/sort_words.mjs"
    assert len(program.read_text(encoding="utf-8").splitlines()) <= 60
    server = subprocess.Popen([str(NODE), str(program), "0"], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        manager = manager_of(f"game=http://127.0.0.1:{int(server.stdout.readline())}")
        assert manager.environments.get("game").info().splits == {"train": 40, "test": 10}
        assert [await sorted_by_swaps(manager) for _ in range(2)] == [True, True]
    finally:
        server.terminate()
        server.wait(10)


async def sorted_by_swaps(manager: SessionManager) -> bool:
    """Sort the words of one task by the actions that there are; every step is sent twice and made once."""
    session = await manager.create(play("train-003"))
    words = session.observation.split(": ")[1].split()
    for place in range(4):
        found = words.index(min(words[place:]))
        action, step = f"swap {place + 1} {found + 1}", (await manager.info(session.id)).steps
        result = await manager.step(session.id, action, step)
        assert await manager.step(session.id, action, step) == result
        words[place], words[found] = words[found], words[place]
        assert result.observation.split() == words
        if result.done:
            return result.success
    return False
