"""What operators decide about agents: out of use, draining, drained."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0003"
down_revision = "r0002"


def upgrade() -> None:
    """One more table, empty: every agent is in use."""
    op.create_table(
        "deactivated_agents",
        sa.Column("agent_id", sa.Text, primary_key=True),
        sa.Column("since", sa.Double, nullable=False),
        sa.Column("drain", sa.Text),
        sa.Column("drained", sa.Boolean, nullable=False),
    )
