"""Reservations and volumes are made and ended by frameworks (M-OP-03, M-OP-04, M-OP-05; X14c, X14e).

An operation takes effect in the master's books at once, before its agent has heard of it, so that a launch behind it
in the same ACCEPT may use what it makes; in Mesos' words, it is applied speculatively. The agent is told in the same
order, and does the same. Should the word be lost with the connection, then so is all that came behind it, and what the
agent says of its resources when it registers again is what holds: master and agent agree again then.
"""

from __future__ import annotations

from mesos_service.core.link import ApplyOperation, OperationStatus
from mesos_service.core.master import books, operation_validation, operations
from mesos_service.core.master.launching import Launch
from mesos_service.core.master.state import Agent, Framework, OperationRecord
from mesos_service.core.master.turn import Turn
from mesos_service.core.resource_messages import ResourceOperation
from mesos_service.domain.agents import AGENT_OPERATION_FEEDBACK
from mesos_service.domain.ids import FrameworkId, OperationId, Role, refuse_id
from mesos_service.domain.operations import (
    GrowVolume,
    Operation,
    ShrinkVolume,
    conversions,
    convert,
    mapped,
    name_of,
)
from mesos_service.domain.randomness import random_uuid
from mesos_service.domain.resources import Resources, ResourcesError


class Conversions:
    """All such operations of one ACCEPT, on what its launches leave.

    ``resized`` is what grown and shrunk volumes have become: it cannot be used in the same call (M-OP-05).
    """

    __slots__ = ("_agent", "_converted", "_done", "_framework", "_launch", "_role", "_turn", "resized")

    def __init__(self, turn: Turn, framework: Framework, agent: Agent, role: Role, launch: Launch) -> None:
        self._turn = turn
        self._framework = framework
        self._agent = agent
        self._role = role
        self._launch = launch
        self._converted = Resources.EMPTY
        self._done = False
        self.resized = Resources.EMPTY

    def apply(self, asked: ResourceOperation) -> None:
        """Do it, or say why not; whatever comes behind it goes on (X14c)."""
        reason = self._apply(asked)
        if reason is not None:
            operations.refuse(self._turn, self._framework, asked, reason)

    def finish(self, available: Resources) -> None:
        """Tell the allocator, when all is done; ``available`` is what the offers held."""
        if self._done:
            after = self._launch.taken.non_shared() + self._launch.left + self.resized
            # A task may have its volume mounted elsewhere; what the allocator is told is as the agent has it.
            after = after.unallocated().spelt_as_in(self._agent.total).allocated_to(self._role)
            books.tell_converted(self._turn, self._framework.framework_id, self._agent, available, after)

    def split(self, left: Resources) -> tuple[Resources, Resources]:
        """What is left, in two: what operations have changed, which goes back without a filter, and the rest (X14e)."""
        changed = self._converted - left.shortage(self._converted)
        return changed + self.resized, left - changed

    def _apply(self, asked: ResourceOperation) -> str | None:
        turn, agent, role = self._turn, self._agent, self._role
        reason = self._refuse(asked)
        if reason is not None:
            return reason
        operation = mapped(asked.operation, lambda resources: resources.allocated_to(role))
        changes = conversions(operation)
        try:
            left = convert(self._launch.left, changes)
        except ResourcesError as short:
            return str(short)
        for change in changes:
            books.convert_offered(agent, change)
            # What one conversion has made, another may consume.
            consumed = change.consumed - self._converted.shortage(change.consumed)
            self._converted = self._converted - consumed + change.converted
        if isinstance(operation, GrowVolume | ShrinkVolume):
            made = changes[-1].converted
            self._converted, left = self._converted - made, left - made
            self.resized = self.resized + made
        self._launch.left = left
        self._done = True
        unallocated = mapped(operation, Resources.unallocated)
        tell_agent(turn, agent, unallocated, self._framework.framework_id, asked.operation_id)
        return None

    def _refuse(self, asked: ResourceOperation) -> str | None:
        framework, agent = self._framework, self._agent
        if asked.operation_id is not None:
            reason = refuse_id(asked.operation_id)
            if reason is not None:
                return f"has an invalid ID: {reason}"
            if (framework.framework_id, asked.operation_id) in self._turn.state.operations:
                return "has an ID that another operation of the framework has"
            if AGENT_OPERATION_FEEDBACK not in agent.info.capabilities:
                return f"has an ID, but agent {agent.agent_id} does not have the capability {AGENT_OPERATION_FEEDBACK}"
        return (
            asked.refusal
            or operation_validation.refuse_of_framework(asked.operation, framework, self._role)
            or operation_validation.refuse(asked.operation, agent, framework.info.principal)
            or operation_validation.refuse_destroying(asked.operation, self._launch.taken)
        )


# -- to the agent --------------------------------------------------------------------------------------------


def tell_agent(
    turn: Turn,
    agent: Agent,
    operation: Operation,
    framework_id: FrameworkId | None,
    operation_id: OperationId | None,
) -> None:
    """Send the operation, which is in the books already, and remember it until the agent has answered."""
    record = OperationRecord(
        uuid=random_uuid(turn.state.random),
        agent_id=agent.agent_id,
        operation=operation,
        framework_id=framework_id,
        operation_id=operation_id,
        status=OperationStatus(state="OPERATION_PENDING"),
    )
    operations.enter(turn.state, agent, record)
    turn.tell_agent(
        agent,
        ApplyOperation(uuid=record.uuid, operation=operation, framework_id=framework_id, operation_id=operation_id),
    )
    turn.note(
        "operation.applied",
        agent_id=agent.agent_id,
        framework_id=framework_id or "",
        type=name_of(operation),
        operation_id=operation_id or "",
    )
