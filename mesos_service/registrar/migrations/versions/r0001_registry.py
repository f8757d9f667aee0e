"""The first registry: who leads, agents, frameworks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0001"
down_revision = None


def upgrade() -> None:
    """Make the tables, and the one row that says who leads: nobody yet."""
    leadership = op.create_table(
        "leadership",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("election", sa.BigInteger),
        sa.Column("leader", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(leadership, [{"id": 1, "epoch": 0, "election": None, "leader": "", "version": 0}])
    op.create_table(
        "admitted_agents",
        sa.Column("agent_id", sa.Text, primary_key=True),
        sa.Column("description", sa.Text, nullable=False),
    )
    for name, key in (
        ("unreachable_agents", "agent_id"),
        ("gone_agents", "agent_id"),
        ("removed_frameworks", "framework_id"),
    ):
        op.create_table(
            name,
            sa.Column(key, sa.Text, primary_key=True),
            sa.Column("since", sa.Double, nullable=False),
        )
    op.create_table(
        "frameworks",
        sa.Column("framework_id", sa.Text, primary_key=True),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("info", sa.Text, nullable=False),
    )
