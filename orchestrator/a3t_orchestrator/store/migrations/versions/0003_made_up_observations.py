"""Adds how many turns of a trajectory were cut in front of an observation that the policy made up."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    column = sa.Column("n_made_up", sa.Integer(), nullable=False, server_default="0")
    op.add_column("trajectories", column)


def downgrade() -> None:
    op.drop_column("trajectories", "n_made_up")
