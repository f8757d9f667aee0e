"""The tables as this version writes them; ``migrations`` says how a database gets there.

A row for each agent and framework, so that a batch writes only what it changed, however many there are.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Double, Integer, MetaData, Table, Text

METADATA: Final = MetaData()

LEADERSHIP: Final = Table(
    "leadership",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False, comment="always 1: there is one row"),
    Column("epoch", BigInteger, nullable=False, comment="one more with each leader; a write names its own"),
    Column("election", BigInteger, comment="czxid of the leader's ZooKeeper node; NULL when no election has been"),
    Column("leader", Text, nullable=False, comment="for people"),
    Column("version", BigInteger, nullable=False, comment="one more with each transaction"),
)

ADMITTED: Final = Table(
    "admitted_agents",
    METADATA,
    Column("agent_id", Text, primary_key=True),
    Column("description", Text, nullable=False, comment="JSON, as agents send it over their link"),
)

UNREACHABLE: Final = Table(
    "unreachable_agents",
    METADATA,
    Column("agent_id", Text, primary_key=True),
    Column("since", Double, nullable=False, comment="unix seconds"),
)

GONE: Final = Table(
    "gone_agents",
    METADATA,
    Column("agent_id", Text, primary_key=True),
    Column("since", Double, nullable=False, comment="unix seconds"),
)

DEACTIVATED: Final = Table(
    "deactivated_agents",
    METADATA,
    Column("agent_id", Text, primary_key=True),
    Column("since", Double, nullable=False, comment="unix seconds"),
    Column("drain", Text, comment="DrainConfig as JSON; NULL where its tasks may run on"),
    Column("drained", Boolean, nullable=False),
)

FRAMEWORKS: Final = Table(
    "frameworks",
    METADATA,
    Column("framework_id", Text, primary_key=True),
    Column("generation", BigInteger, nullable=False),
    Column("info", Text, nullable=False, comment="FrameworkInfo as JSON"),
)

MACHINES: Final = Table(
    "machines",
    METADATA,
    Column("machine", Text, primary_key=True, comment="MachineID as JSON"),
    Column("mode", Text, nullable=False, comment="DRAINING or DOWN"),
    Column("window_number", Integer, nullable=False, comment="which window of the schedule it is in"),
    Column("unavailable_from", BigInteger, nullable=False, comment="unix time in nanoseconds"),
    Column("unavailable_for", BigInteger, comment="nanoseconds; NULL is for ever"),
)

QUOTAS: Final = Table(
    "quotas",
    METADATA,
    Column("role", Text, primary_key=True),
    Column("config", Text, nullable=False, comment="QuotaConfig as JSON"),
)

REVOCATIONS: Final = Table(
    "revocations",
    METADATA,
    Column("revocation_id", Text, primary_key=True),
    Column("framework_id", Text, nullable=False),
    Column("task_id", Text, nullable=False),
    Column("agent_id", Text, nullable=False),
    Column("beneficiary", Text, nullable=False, comment="the role whose guarantee it is for"),
    Column("decided_at", Double, nullable=False, comment="unix seconds"),
)

WEIGHTS: Final = Table(
    "weights",
    METADATA,
    Column("role", Text, primary_key=True),
    Column("weight", Double, nullable=False),
)

REMOVED_FRAMEWORKS: Final = Table(
    "removed_frameworks",
    METADATA,
    Column("framework_id", Text, primary_key=True),
    Column("since", Double, nullable=False, comment="unix seconds"),
)
