"""Plays a chunk as a worker does, and dies by SIGKILL in the transaction that stores the first success of hindsight:
`python -m tests.support.killed_worker DATABASE ENV POLICY ACTRE TOKEN ITEM …`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterable

from sqlalchemy.orm import Session

from a3t_contracts.schemas import Trajectory
from a3t_orchestrator.settings import OrchestratorSettings
from a3t_orchestrator.store import Store, add_trajectories
from a3t_orchestrator.worker import chunk


def _add_and_die(session: Session, episodes: Iterable[tuple[Trajectory, str]], *, annotated: bool = True) -> int:
    add_trajectories(session, episodes, annotated=annotated)
    session.flush()
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def main(database: str, env: str, policy: str, actre: str, token: str, *items: str) -> None:
    """Play the items of the run "r"."""
    chunk.add_trajectories = _add_and_die  # type: ignore[attr-defined]
    settings = OrchestratorSettings.model_validate(
        {"env_url": env, "policy_url": policy, "actre_url": actre, "token": token}
    )
    asyncio.run(chunk.run_chunk(Store(database), settings, "r", items, "killed"))


if __name__ == "__main__":
    main(*sys.argv[1:])
