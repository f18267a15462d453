"""Moves the steps of trajectories to a separate table, so that lists, filters and reports read small rows.

Both tables get a number, and triggers of sampled actions are counted. The tables are created again, because PostgreSQL
does not free the space of a dropped column, and SQLite cannot add a primary key.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"

Json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_BEFORE = "id, run, round, phase, environment, engine, split, task_id, task_type, seed, kind, sample, policy_version"
_AFTER = "reward, success, stop_reason, annotated, n_steps, n_sampled"
_END = "n_invalid, n_made_up, prompt_tokens, completion_tokens, seconds, actions_sha256, created_at"
_KEPT = f"{_BEFORE}, multiline, {_AFTER}, {_END}"
_LARGE = "preamble, steps, final_observation, details"
_OLD_INDEXES = ("created_at", "listing", "phase", "task")


def upgrade() -> None:
    for name in _OLD_INDEXES:
        op.drop_index(f"ix_trajectories_{name}", "trajectories")
    op.rename_table("trajectories", "old_trajectories")
    op.create_table(
        "trajectories",
        sa.Column("number", Number, autoincrement=True, nullable=False),
        *_columns(),
        sa.Column("n_sampled_coin", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("n_sampled_invalid", sa.Integer(), nullable=False, server_default="0"),
        sa.ForeignKeyConstraint(["run"], ["runs.name"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("id"),
    )
    op.create_table(
        "trajectory_steps",
        sa.Column("number", Number, autoincrement=False, nullable=False),
        *_large(),
        sa.ForeignKeyConstraint(["number"], ["trajectories.number"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("number"),
    )
    coin, invalid = (_count(trigger) for trigger in ("coin", "invalid"))
    op.execute(
        f"INSERT INTO trajectories ({_KEPT}, n_sampled_coin, n_sampled_invalid) "
        f"SELECT {_KEPT}, {coin}, {invalid} FROM old_trajectories ORDER BY created_at, id"
    )
    op.execute(
        f"INSERT INTO trajectory_steps (number, {_LARGE}) SELECT number, {_LARGE} "
        "FROM old_trajectories JOIN trajectories USING (id) ORDER BY number"
    )
    _members_again()
    op.drop_table("old_trajectories")
    _indexes()
    op.create_index("ix_trajectories_created_at", "trajectories", ["created_at", "number"])
    op.create_index("ix_trajectories_run_created_at", "trajectories", ["run", "created_at", "number"])
    op.create_index("ix_training_members_trajectory", "training_members", ["trajectory_id"])


def downgrade() -> None:
    op.drop_index("ix_training_members_trajectory", "training_members")
    for name in (*_OLD_INDEXES, "run_created_at"):
        op.drop_index(f"ix_trajectories_{name}", "trajectories")
    op.rename_table("trajectories", "old_trajectories")
    op.create_table(
        "trajectories",
        *_columns(),
        *_large(),
        sa.ForeignKeyConstraint(["run"], ["runs.name"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    columns = f"{_KEPT}, {_LARGE}"
    op.execute(
        f"INSERT INTO trajectories ({columns}) SELECT {columns} "
        "FROM old_trajectories JOIN trajectory_steps USING (number) ORDER BY number"
    )
    _members_again()
    op.drop_table("trajectory_steps")
    op.drop_table("old_trajectories")
    _indexes()
    op.create_index("ix_trajectories_created_at", "trajectories", ["created_at"])


def _columns() -> list[sa.Column[object]]:
    """Return the columns that the table has before and after the migration."""
    return [
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
        sa.Column("multiline", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("reward", sa.Double(), nullable=False),
        sa.Column("success", sa.Boolean(), nullable=False),
        sa.Column("stop_reason", sa.String(length=16), nullable=False),
        sa.Column("annotated", sa.Boolean(), nullable=False),
        sa.Column("n_steps", sa.Integer(), nullable=False),
        sa.Column("n_sampled", sa.Integer(), nullable=False),
        sa.Column("n_invalid", sa.Integer(), nullable=False),
        sa.Column("n_made_up", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("prompt_tokens", sa.Integer(), nullable=False),
        sa.Column("completion_tokens", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("actions_sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    ]


def _large() -> list[sa.Column[object]]:
    return [
        sa.Column("preamble", sa.Text(), nullable=False),
        sa.Column("steps", Json, nullable=False),
        sa.Column("final_observation", sa.Text(), nullable=False),
        sa.Column("details", Json, nullable=False),
    ]


def _indexes() -> None:
    op.create_index("ix_trajectories_listing", "trajectories", ["run", "round", "kind", "success"])
    op.create_index("ix_trajectories_phase", "trajectories", ["run", "round", "phase", "split"])
    op.create_index("ix_trajectories_task", "trajectories", ["run", "task_id"])


def _members_again() -> None:
    """Copy training sets to a table that refers to the new table, because dropping the old one would delete them."""
    op.rename_table("training_members", "old_members")
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
    columns = "run, round, trajectory_id, success"
    op.execute(f"INSERT INTO training_members ({columns}) SELECT {columns} FROM old_members")
    op.drop_table("old_members")


def _count(trigger: str) -> str:
    """Return SQL for the number of steps whose action was sampled by this trigger."""
    if op.get_bind().dialect.name == "sqlite":
        of_steps, found = "json_each(steps) AS step", "json_extract(step.value, '$.trigger')"
    else:
        of_steps, found = "jsonb_array_elements(steps) AS step(value)", "step.value->>'trigger'"
    return f"(SELECT count(*) FROM {of_steps} WHERE {found} = '{trigger}')"
