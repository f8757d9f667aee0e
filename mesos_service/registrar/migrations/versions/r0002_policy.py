"""What operators decide by call: quota and weights of roles."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0002"
down_revision = "r0001"


def upgrade() -> None:
    """Two more tables, empty: until an operator has called, there is no quota, and weights are the flag's."""
    op.create_table(
        "quotas",
        sa.Column("role", sa.Text, primary_key=True),
        sa.Column("config", sa.Text, nullable=False),
    )
    op.create_table(
        "weights",
        sa.Column("role", sa.Text, primary_key=True),
        sa.Column("weight", sa.Double, nullable=False),
    )
