"""Adds whether an episode's agent read observations with their line breaks. In WebShop it always did."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    with op.batch_alter_table("trajectories") as batch:
        batch.add_column(sa.Column("multiline", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute("UPDATE trajectories SET multiline = (environment = 'webshop')")


def downgrade() -> None:
    with op.batch_alter_table("trajectories") as batch:
        batch.drop_column("multiline")
