"""Adds how the agent of a trajectory read its history. Before this migration it was always plain text."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("trajectories", sa.Column("prompt", sa.String(16), nullable=False, server_default="plain"))


def downgrade() -> None:
    op.drop_column("trajectories", "prompt")
