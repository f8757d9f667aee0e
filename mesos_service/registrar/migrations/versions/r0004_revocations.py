"""Revocations under way."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0004"
down_revision = "r0003"


def upgrade() -> None:
    """One more table, empty: nothing is being revoked."""
    op.create_table(
        "revocations",
        sa.Column("revocation_id", sa.Text, primary_key=True),
        sa.Column("framework_id", sa.Text, nullable=False),
        sa.Column("task_id", sa.Text, nullable=False),
        sa.Column("agent_id", sa.Text, nullable=False),
        sa.Column("beneficiary", sa.Text, nullable=False),
        sa.Column("decided_at", sa.Double, nullable=False),
    )
