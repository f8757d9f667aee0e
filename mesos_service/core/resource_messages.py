"""Operations on resources as they are asked for: within an ACCEPT, and by operators."""

from __future__ import annotations

from dataclasses import dataclass

from mesos_service.domain.ids import AgentId, OperationId
from mesos_service.domain.operations import Operation


@dataclass(frozen=True, slots=True)
class ResourceOperation:
    """RESERVE, CREATE and their like (M-OP-03 to M-OP-05)."""

    operation: Operation
    operation_id: OperationId | None = None
    """Whoever gives one is told what became of it (M-SC-15)."""
    refusal: str | None = None
    """Why its resources could not be read; they are empty then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorOperation:
    """RESERVE_RESOURCES, CREATE_VOLUMES and their like (M-OM-09, M-OM-10), on what nobody uses.

    Answered 202 when the agent has been told, 400 where the call makes no sense, 409 where too little is free.
    """

    request: int
    agent_id: AgentId
    operation: Operation
    refusal: str | None = None
    """As in :class:`ResourceOperation`."""
    principal: str | None = None
    stimulus: str = ""
