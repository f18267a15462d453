"""The store's first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

Json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "runs",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("environment", sa.String(length=32), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("phase", sa.String(length=32), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("recipe", Json, nullable=False),
        sa.Column("recipe_sha256", sa.String(length=64), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("commit", sa.String(length=64), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("details", Json, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_index("ix_runs_created_at", "runs", ["created_at"])

    op.create_table(
        "events",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("run", sa.String(length=128), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("level", sa.String(length=8), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("data", Json, nullable=False),
        sa.ForeignKeyConstraint(["run"], ["runs.name"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_events_run", "events", ["run", "id"])

    op.create_table(
        "jobs",
        sa.Column("run", sa.String(length=128), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.String(length=128), nullable=True),
        sa.Column("version", sa.String(length=128), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("request", Json, nullable=False),
        sa.Column("progress", Json, nullable=False),
        sa.Column("error", Json, nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["runs.name"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run", "round"),
    )
    op.create_table(
        "rounds",
        sa.Column("run", sa.String(length=128), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("version", sa.String(length=128), nullable=True),
        sa.Column("seconds", Json, nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["run"], ["runs.name"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run", "round"),
    )
    op.create_table(
        "run_tasks",
        sa.Column("run", sa.String(length=128), nullable=False),
        sa.Column("split", sa.String(length=64), nullable=False),
        sa.Column("task_id", sa.String(length=512), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("task_type", sa.String(length=128), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["runs.name"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run", "split", "task_id"),
    )
    op.create_table(
        "trajectories",
        sa.Column("id", sa.String(length=24), nullable=False),
        sa.Column("run", sa.String(length=128), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("phase", sa.String(length=32), nullable=False),
        sa.Column("environment", sa.String(length=32), nullable=False),
        sa.Column("engine", sa.String(length=64), nullable=True),
        sa.Column("split", sa.String(length=64), nullable=False),
        sa.Column("task_id", sa.String(length=512), nullable=False),
        sa.Column("task_type", sa.String(length=128), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("sample", sa.Integer(), nullable=False),
        sa.Column("policy_version", sa.String(length=256), nullable=True),
        sa.Column("preamble", sa.Text(), nullable=False),
        sa.Column("steps", Json, nullable=False),
        sa.Column("final_observation", sa.Text(), nullable=False),
        sa.Column("reward", sa.Double(), nullable=False),
        sa.Column("success", sa.Boolean(), nullable=False),
        sa.Column("stop_reason", sa.String(length=16), nullable=False),
        sa.Column("details", Json, nullable=False),
        sa.Column("annotated", sa.Boolean(), nullable=False),
        sa.Column("n_steps", sa.Integer(), nullable=False),
        sa.Column("n_sampled", sa.Integer(), nullable=False),
        sa.Column("n_invalid", sa.Integer(), nullable=False),
        sa.Column("prompt_tokens", sa.Integer(), nullable=False),
        sa.Column("completion_tokens", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("actions_sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["runs.name"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_trajectories_created_at", "trajectories", ["created_at"])
    op.create_index("ix_trajectories_listing", "trajectories", ["run", "round", "kind", "success"])
    op.create_index("ix_trajectories_phase", "trajectories", ["run", "round", "phase", "split"])
    op.create_index("ix_trajectories_task", "trajectories", ["run", "task_id"])

    op.create_table(
        "work_items",
        sa.Column("id", sa.String(length=24), nullable=False),
        sa.Column("run", sa.String(length=128), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("phase", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("split", sa.String(length=64), nullable=False),
        sa.Column("task_id", sa.String(length=512), nullable=False),
        sa.Column("task_type", sa.String(length=128), nullable=False),
        sa.Column("sample", sa.Integer(), nullable=False),
        sa.Column("policy_version", sa.String(length=256), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("worker", sa.String(length=128), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["runs.name"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_work_items_lease", "work_items", ["state", "lease_until"])
    op.create_index("ix_work_items_phase", "work_items", ["run", "round", "phase", "state"])

    op.create_table(
        "training_members",
        sa.Column("run", sa.String(length=128), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("trajectory_id", sa.String(length=24), nullable=False),
        sa.Column("success", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["runs.name"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["trajectory_id"], ["trajectories.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run", "round", "trajectory_id"),
    )


def downgrade() -> None:
    op.drop_table("training_members")
    op.drop_index("ix_work_items_phase", "work_items")
    op.drop_index("ix_work_items_lease", "work_items")

    op.drop_table("work_items")
    op.drop_index("ix_trajectories_task", "trajectories")
    op.drop_index("ix_trajectories_phase", "trajectories")
    op.drop_index("ix_trajectories_listing", "trajectories")
    op.drop_index("ix_trajectories_created_at", "trajectories")

    op.drop_table("trajectories")
    op.drop_table("run_tasks")
    op.drop_table("rounds")
    op.drop_table("jobs")
    op.drop_index("ix_events_run", "events")

    op.drop_table("events")
    op.drop_index("ix_runs_created_at", "runs")

    op.drop_table("runs")
