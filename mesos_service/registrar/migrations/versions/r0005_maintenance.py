"""What operators decide about machines: the maintenance schedule."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0005"
down_revision = "r0004"


def upgrade() -> None:
    """One more table, empty: no maintenance is planned."""
    op.create_table(
        "machines",
        sa.Column("machine", sa.Text, primary_key=True),
        sa.Column("mode", sa.Text, nullable=False),
        sa.Column("window_number", sa.Integer, nullable=False),
        sa.Column("unavailable_from", sa.BigInteger, nullable=False),
        sa.Column("unavailable_for", sa.BigInteger),
    )
