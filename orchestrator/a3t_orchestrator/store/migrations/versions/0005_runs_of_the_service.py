"""Adds columns and tables for runs that the orchestrator service drives: what users asked for, leases, and progress."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("runs", sa.Column("wanted", sa.String(16), nullable=False, server_default="running"))
    op.add_column("runs", sa.Column("source", sa.String(128), nullable=True))
    op.add_column("runs", sa.Column("idempotency_key", sa.String(255), nullable=True))
    op.create_index("ix_runs_idempotency_key", "runs", ["idempotency_key"], unique=True)
    op.create_table(
        "run_leases",
        sa.Column("run", sa.String(128), sa.ForeignKey("runs.name", ondelete="CASCADE"), primary_key=True),
        sa.Column("holder", sa.String(64), nullable=False, server_default=""),
        sa.Column("machine", sa.String(255), nullable=False, server_default=""),
        sa.Column("pid", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("created", sa.Float(), nullable=False, server_default="0"),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "run_progress",
        sa.Column("run", sa.String(128), sa.ForeignKey("runs.name", ondelete="CASCADE"), primary_key=True),
        sa.Column("data", JSON, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("run_progress")
    op.drop_table("run_leases")
    op.drop_index("ix_runs_idempotency_key", "runs")
    for column in ("idempotency_key", "source", "wanted"):
        op.drop_column("runs", column)
