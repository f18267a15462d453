"""Nothing is left behind: episodes by the thousand in one process."""

from __future__ import annotations

import gc
from pathlib import Path

import psutil
import pytest

from a3t_contracts.schemas import SessionCreate
from a3t_env.alfworld.environment import AlfworldEnvironment
from a3t_env.alfworld.generator import TRAIN_SPLIT, add_generated
from a3t_env.environments import Environments
from a3t_env.sessions import SessionLimits, SessionManager


async def _soak(home: Path, warm: int, more: int) -> tuple[int, int]:
    """Resident bytes after `warm` episodes and after `more` on top; three steps an episode, the latest 32 open."""
    add_generated(home, TRAIN_SPLIT, 12)
    environment = AlfworldEnvironment(home)
    tasks = [task.id for task in environment.tasks(TRAIN_SPLIT)]
    manager = SessionManager(Environments({"alfworld": lambda: environment}), SessionLimits(max_sessions=64))
    this, left_open, figures = psutil.Process(), [], []
    files = this.num_fds()
    for episodes in (warm, more):
        for number in range(episodes):
            request = SessionCreate(environment="alfworld", task_id=tasks[number % len(tasks)], include_actions=True)
            opened = await manager.create(request)
            for index, action in enumerate((opened.actions or [])[:3]):
                await manager.step(opened.id, action, index, include_actions=True)
            left_open.append(opened.id)
            if len(left_open) > 32:
                await manager.close(left_open.pop(0))
        gc.collect()
        figures.append(this.memory_info().rss)
    for session_id in left_open:
        await manager.close(session_id)
    assert len(manager) == 0
    await manager.aclose()
    assert this.num_fds() <= files + 1
    return figures[0], figures[1]


async def test_episodes_leave_no_session_no_file_and_no_memory(tmp_path: Path) -> None:
    before, after = await _soak(tmp_path, warm=1000, more=2000)
    assert after < before * 1.05


@pytest.mark.slow
@pytest.mark.timeout(3600)
async def test_a_hundred_thousand_episodes_leave_no_memory(tmp_path: Path) -> None:
    before, after = await _soak(tmp_path, warm=10_000, more=90_000)
    assert after < before * 1.05
