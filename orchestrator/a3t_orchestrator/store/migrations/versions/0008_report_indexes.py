"""Adds indexes that have all columns that a report adds up, so that a report reads no table rows of a large run."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"

_PHASE = ["run", "round", "phase", "split"]
_TALLIED = [
    "task_type",
    "stop_reason",
    "success",
    "reward",
    "n_steps",
    "n_sampled",
    "n_sampled_coin",
    "n_sampled_invalid",
    "n_made_up",
    "prompt_tokens",
    "completion_tokens",
]


def upgrade() -> None:
    op.drop_index("ix_trajectories_phase", "trajectories")
    op.create_index("ix_trajectories_phase", "trajectories", _PHASE + _TALLIED)
    op.create_index("ix_trajectories_outcome", "trajectories", ["run", "phase", "success", "round", "task_id"])


def downgrade() -> None:
    op.drop_index("ix_trajectories_outcome", "trajectories")
    op.drop_index("ix_trajectories_phase", "trajectories")
    op.create_index("ix_trajectories_phase", "trajectories", _PHASE)
