"""Migrations over rows that an older version wrote; on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import column, insert, text
from sqlalchemy import table as quoted

from a3t_contracts.schemas import Source, Trigger
from a3t_orchestrator.store import EpisodeFilter, Store, get_trajectory, list_trajectories, training_members
from a3t_orchestrator.store.database import alembic_config
from tests.support.postgres import PostgresServer

RUN = {
    "name": "old", "environment": "e", "status": "finished", "phase": "", "round": 1, "recipe": "{}",
    "recipe_sha256": "", "seed": 0, "commit": "", "details": "{}",
    "created_at": "2026-01-01 00:00:00", "updated_at": "2026-01-01 00:00:00",
}  # fmt: skip
STEPS = [
    {"index": 0, "observation": "A room.", "thought": "Look.", "action": "look", "source": "policy",
     "reason_by": "policy", "valid": True},
    {"index": 1, "observation": "A lamp.", "action": "take lamp", "source": "sampled", "reason_by": "actre",
     "valid": True, "trigger": "coin"},
    {"index": 2, "observation": "You have it.", "action": "drop lamp", "source": "sampled", "reason_by": "actre",
     "valid": False, "trigger": "invalid"},
]  # fmt: skip


def row(number: int, created_at: str) -> dict[str, Any]:
    return {
        "id": f"{number:024x}", "run": "old", "round": 1, "phase": "compose", "environment": "e", "engine": None,
        "split": "train", "task_id": f"t{number}", "task_type": "x", "seed": 1, "kind": "composed", "sample": 0,
        "policy_version": "v", "preamble": "before", "multiline": False, "steps": json.dumps(STEPS),
        "final_observation": "The end.", "reward": 1.0, "success": True, "stop_reason": "success",
        "details": '{"a": 1}', "annotated": True, "n_steps": 3, "n_sampled": 2, "n_invalid": 1, "n_made_up": 0,
        "prompt_tokens": 5, "completion_tokens": 6, "seconds": 1.5, "actions_sha256": "", "created_at": created_at,
    }  # fmt: skip


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A database of version 0003 with two trajectories in a training set."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'a3t.db'}"
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.fresh_database()
    opened = Store(url)
    opened.upgrade("0003")
    with opened.session() as session:
        rows = [row(1, "2026-01-01 00:00:02"), row(2, "2026-01-01 00:00:01")]
        members = [{"run": "old", "round": 1, "trajectory_id": r["id"], "success": True} for r in rows]
        for table, values in (("runs", [RUN]), ("trajectories", rows), ("training_members", members)):
            session.execute(insert(quoted(table, *map(column, values[0]))), values)
    yield opened
    opened.close()


def test_an_upgrade_keeps_trajectories_and_training_sets(store: Store) -> None:
    store.upgrade()
    store.require_current()
    with store.session() as session:
        listed = list_trajectories(session, EpisodeFilter(run="old"))
        assert [r.task_id for r in listed] == ["t2", "t1"], "in order of making"
        assert [(r.number, r.n_sampled_coin, r.n_sampled_invalid) for r in listed] == [(1, 1, 1), (2, 1, 1)]
        whole = get_trajectory(session, f"{1:024x}")
        assert (whole.preamble, whole.final_observation, whole.metadata) == ("before", "The end.", {"a": 1})
        assert [s.action for s in whole.steps] == ["look", "take lamp", "drop lamp"]
        assert (whole.steps[2].source, whole.steps[2].trigger) == (Source.sampled, Trigger.invalid)
        assert [m.trajectory_id for m in training_members(session, "old", 1)] == [f"{n:024x}" for n in (1, 2)]


def test_the_way_back_keeps_them_too(store: Store) -> None:
    store.upgrade()
    with store.engine.begin() as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.downgrade(config, "0003")
        found = connection.execute(text("SELECT id, final_observation, n_steps FROM trajectories ORDER BY id")).all()
        assert [tuple(r) for r in found] == [(f"{n:024x}", "The end.", 3) for n in (1, 2)]
        assert connection.execute(text("SELECT count(*) FROM training_members")).scalar() == 2
    store.upgrade()
    with store.session() as session:
        assert len(get_trajectory(session, f"{2:024x}").steps) == 3
