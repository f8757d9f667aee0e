"""Answers of ``/api/v1/explain``, which Mesos does not have (N01, N02)."""

from __future__ import annotations

from typing import Literal

from mesos_service.wire.base import Message, printed


class ExplainRemedy(Message, kw_only=True):
    """One change after which this gate lets an offer pass. ``arguments`` are what it takes, amounts in Mesos' units."""

    action: str
    by: Literal["framework", "operator", "time"]
    detail: str
    arguments: dict[str, str | float] = printed({})


class ExplainExample(Message, kw_only=True):
    """One agent, or without ``agent_id`` the whole cluster; ``until`` is unix seconds."""

    agent_id: str | None = None
    hostname: str | None = None
    culprit: str
    detail: str
    until: float | None = None
    remedies: tuple[ExplainRemedy, ...] = printed(())


class ExplainObstacle(Message, kw_only=True):
    """What kept offers away on ``agents`` agents; 0 where it is the whole cluster."""

    reason: str
    agents: int
    lasting: bool
    wakes_on: tuple[str, ...]
    examples: tuple[ExplainExample, ...]


class ExplainRole(Message, kw_only=True):
    """``offered``: agents of which the pass granted something to the framework in this role."""

    role: str
    offered: int
    obstacles: tuple[ExplainObstacle, ...] = printed(())


class ExplainOnAgent(Message, kw_only=True):
    """One framework in one role: ``offered`` something of the agent by the pass, or kept from it by ``reason``."""

    framework_id: str
    framework_name: str
    role: str
    offered: bool
    reason: str | None = None
    culprit: str | None = None
    detail: str | None = None
    lasting: bool | None = None
    wakes_on: tuple[str, ...] = ()
    until: float | None = None
    remedies: tuple[ExplainRemedy, ...] = ()


class ExplainAgentAnswer(Message, kw_only=True):
    """Times are unix seconds; ``at`` is that of the pass which decided."""

    agent_id: str
    hostname: str
    allocator: str
    at: float
    summary: str
    roles: tuple[ExplainOnAgent, ...] = printed(())


class ExplainFrameworkAnswer(Message, kw_only=True):
    """Times are unix seconds; ``at`` is that of the pass which decided."""

    framework_id: str
    framework_name: str
    allocator: str
    at: float
    summary: str
    agents: int
    offers: int
    last_offered_at: float | None = None
    roles: tuple[ExplainRole, ...]
