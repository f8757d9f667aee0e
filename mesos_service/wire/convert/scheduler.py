"""The scheduler API between the wire and the core: calls inward, events outward."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypedDict, assert_never

from msgspec import structs

from mesos_service.core import events
from mesos_service.core import scheduler_messages as messages
from mesos_service.core.resource_messages import ResourceOperation
from mesos_service.core.trace import TraceParent
from mesos_service.domain.frameworks import Quantities
from mesos_service.domain.ids import AgentId, ExecutorId, FrameworkId, OfferId, OperationId, Role, TaskId
from mesos_service.domain.offers import DEFAULT_FILTERS, Filters
from mesos_service.wire import common
from mesos_service.wire import offers as wire_offers
from mesos_service.wire import scheduler as wire
from mesos_service.wire.agents import MasterInfo
from mesos_service.wire.convert.infos import executor_from_wire, framework_from_wire, status_to_wire, task_from_wire
from mesos_service.wire.convert.operations import operation_from_wire
from mesos_service.wire.convert.values import duration_from_wire, resources_from_wire, resources_to_wire
from mesos_service.wire.frameworks import FrameworkInfo

# -- calls ---------------------------------------------------------------------------------------------------


class CallOrigin(TypedDict):
    """What every call brings beside its body; the fields of the core's messages."""

    request: int
    principal: str | None
    stimulus: str
    caller_trace: TraceParent | None


class CallContext(CallOrigin):
    """The same with the stream that a call names, which SUBSCRIBE may not."""

    stream_id: str | None


def call_from_wire(call: wire.Call, context: CallContext) -> messages.SchedulerMessage:
    """A call that ``wire.validate`` has passed, in the core's words."""
    if call.type == "SUBSCRIBE":
        assert call.subscribe is not None, "validation saw to it"
        return messages.Subscribe(
            framework=framework_from_wire(
                _of_principal(call.subscribe.framework_info, context), call.subscribe.offer_constraints
            ),
            suppressed_roles=tuple(Role(role) for role in call.subscribe.suppressed_roles),
            mode=call.subscribe.mode,
            fencing_token=call.subscribe.fencing_token,
            lease_seconds=call.subscribe.lease_seconds,
            request=context["request"],
            principal=context["principal"],
            stimulus=context["stimulus"],
            caller_trace=context["caller_trace"],
        )
    assert call.framework_id is not None and call.type is not None, "validation saw to it"
    convert = _CALLS.get(call.type)
    if convert is None:
        return messages.Unhandled(framework_id=FrameworkId(call.framework_id.value), type=call.type, **context)
    return convert(call, FrameworkId(call.framework_id.value), context)


def _of_principal(info: FrameworkInfo, context: CallContext) -> FrameworkInfo:
    """Who has proved who he is need not say so again (Mesos sets ``FrameworkInfo.principal`` then)."""
    principal = context["principal"]
    return info if principal is None or info.principal is not None else structs.replace(info, principal=principal)


def _accept(call: wire.Call, framework_id: FrameworkId, context: CallContext) -> messages.SchedulerMessage:
    accept = call.accept
    assert accept is not None
    return messages.Accept(
        framework_id=framework_id,
        **context,
        offer_ids=tuple(OfferId(one.value) for one in accept.offer_ids),
        operations=tuple(_operation(one) for one in accept.operations),
        filters=_filters(accept.filters),
    )


def _operation(operation: wire_offers.OfferOperation) -> messages.AcceptOperation:
    operation_id = OperationId(operation.id.value) if operation.id is not None else None
    if operation.type == "LAUNCH" and operation.launch is not None:
        return messages.LaunchOperation(
            tuple(task_from_wire(task) for task in operation.launch.task_infos), operation_id
        )
    if operation.type == "LAUNCH_GROUP" and operation.launch_group is not None:
        return messages.LaunchGroupOperation(
            executor_from_wire(operation.launch_group.executor),
            tuple(task_from_wire(task) for task in operation.launch_group.task_group.tasks),
            operation_id,
        )
    read = operation_from_wire(operation)
    if read is not None:
        return ResourceOperation(read[0], operation_id, read[1])
    return messages.UnsupportedOperation(operation.type or "UNKNOWN", operation_id, operation)


def _filters(filters: wire_offers.Filters | None) -> Filters:
    return DEFAULT_FILTERS if filters is None else Filters(filters.refuse_seconds)


def _decline(call: wire.Call, framework_id: FrameworkId, context: CallContext) -> messages.SchedulerMessage:
    decline = call.decline
    assert decline is not None
    return messages.Decline(
        framework_id=framework_id,
        **context,
        offer_ids=tuple(OfferId(one.value) for one in decline.offer_ids),
        filters=_filters(decline.filters),
    )


def _answer_inverse_offers(
    call: wire.Call, framework_id: FrameworkId, context: CallContext
) -> messages.SchedulerMessage:
    answer = call.accept_inverse_offers if call.type == "ACCEPT_INVERSE_OFFERS" else call.decline_inverse_offers
    assert answer is not None
    return messages.AnswerInverseOffers(
        framework_id=framework_id,
        **context,
        offer_ids=tuple(OfferId(one.value) for one in answer.inverse_offer_ids),
        accepted=call.type == "ACCEPT_INVERSE_OFFERS",
        filters=_filters(answer.filters),
    )


def _acknowledge(call: wire.Call, framework_id: FrameworkId, context: CallContext) -> messages.SchedulerMessage:
    acknowledge = call.acknowledge
    assert acknowledge is not None
    return messages.Acknowledge(
        framework_id=framework_id,
        **context,
        agent_id=AgentId(acknowledge.agent_id.value),
        task_id=TaskId(acknowledge.task_id.value),
        uuid=acknowledge.uuid,
    )


def _revive(call: wire.Call, framework_id: FrameworkId, context: CallContext) -> messages.SchedulerMessage:
    return messages.Revive(
        framework_id=framework_id,
        **context,
        roles=tuple(Role(role) for role in call.revive.roles) if call.revive is not None else (),
    )


def _suppress(call: wire.Call, framework_id: FrameworkId, context: CallContext) -> messages.SchedulerMessage:
    return messages.Suppress(
        framework_id=framework_id,
        **context,
        roles=tuple(Role(role) for role in call.suppress.roles) if call.suppress is not None else (),
    )


def _teardown(call: wire.Call, framework_id: FrameworkId, context: CallContext) -> messages.SchedulerMessage:
    return messages.Teardown(
        framework_id=framework_id,
        **context,
    )


def _kill(call: wire.Call, framework_id: FrameworkId, context: CallContext) -> messages.SchedulerMessage:
    kill = call.kill
    assert kill is not None
    return messages.Kill(
        framework_id=framework_id,
        **context,
        task_id=TaskId(kill.task_id.value),
        agent_id=AgentId(kill.agent_id.value) if kill.agent_id is not None else None,
        grace_seconds=duration_from_wire(kill.kill_policy.grace_period) if kill.kill_policy is not None else None,
    )


def _shutdown(call: wire.Call, framework_id: FrameworkId, context: CallContext) -> messages.SchedulerMessage:
    shutdown = call.shutdown
    assert shutdown is not None
    return messages.Shutdown(
        framework_id=framework_id,
        **context,
        executor_id=ExecutorId(shutdown.executor_id.value),
        agent_id=AgentId(shutdown.agent_id.value),
    )


def _reconcile(call: wire.Call, framework_id: FrameworkId, context: CallContext) -> messages.SchedulerMessage:
    reconcile = call.reconcile
    assert reconcile is not None
    return messages.Reconcile(
        framework_id=framework_id,
        **context,
        tasks=tuple(
            (TaskId(one.task_id.value), AgentId(one.agent_id.value) if one.agent_id is not None else None)
            for one in reconcile.tasks
        ),
    )


def _reconcile_operations(
    call: wire.Call, framework_id: FrameworkId, context: CallContext
) -> messages.SchedulerMessage:
    reconcile = call.reconcile_operations
    assert reconcile is not None
    return messages.ReconcileOperations(
        framework_id=framework_id,
        **context,
        operations=tuple(
            (OperationId(one.operation_id.value), AgentId(one.agent_id.value) if one.agent_id is not None else None)
            for one in reconcile.operations
        ),
    )


def _acknowledge_operation_status(
    call: wire.Call, framework_id: FrameworkId, context: CallContext
) -> messages.SchedulerMessage:
    acknowledge = call.acknowledge_operation_status
    assert acknowledge is not None and acknowledge.agent_id is not None, "validation saw to it"
    return messages.AcknowledgeOperationStatus(
        framework_id=framework_id,
        **context,
        agent_id=AgentId(acknowledge.agent_id.value),
        operation_id=OperationId(acknowledge.operation_id.value),
        uuid=acknowledge.uuid,
    )


def _message(call: wire.Call, framework_id: FrameworkId, context: CallContext) -> messages.SchedulerMessage:
    message = call.message
    assert message is not None
    return messages.MessageCall(
        framework_id=framework_id,
        **context,
        agent_id=AgentId(message.agent_id.value),
        executor_id=ExecutorId(message.executor_id.value),
        data=message.data,
    )


def _request(call: wire.Call, framework_id: FrameworkId, context: CallContext) -> messages.SchedulerMessage:
    asked: list[Quantities] = []
    for one in call.request.requests if call.request is not None else ():
        resources, refusal = resources_from_wire(one.resources)
        if refusal is None:
            asked.append(resources.quantities())
    return messages.Request(
        framework_id=framework_id,
        **context,
        requests=tuple(asked),
    )


def _update_framework(call: wire.Call, framework_id: FrameworkId, context: CallContext) -> messages.SchedulerMessage:
    update = call.update_framework
    assert update is not None
    return messages.UpdateFramework(
        framework_id=framework_id,
        **context,
        framework=framework_from_wire(_of_principal(update.framework_info, context), update.offer_constraints),
        suppressed_roles=tuple(Role(role) for role in update.suppressed_roles),
    )


def _heartbeat(call: wire.Call, framework_id: FrameworkId, context: CallContext) -> messages.SchedulerMessage:
    return messages.SchedulerHeartbeat(framework_id=framework_id, **context)


_CALLS: Mapping[str, Callable[[wire.Call, FrameworkId, CallContext], messages.SchedulerMessage]] = {
    "ACCEPT": _accept,
    "DECLINE": _decline,
    "ACKNOWLEDGE": _acknowledge,
    "REVIVE": _revive,
    "SUPPRESS": _suppress,
    "TEARDOWN": _teardown,
    "KILL": _kill,
    "SHUTDOWN": _shutdown,
    "RECONCILE": _reconcile,
    "RECONCILE_OPERATIONS": _reconcile_operations,
    "ACKNOWLEDGE_OPERATION_STATUS": _acknowledge_operation_status,
    "MESSAGE": _message,
    "REQUEST": _request,
    "UPDATE_FRAMEWORK": _update_framework,
    "HEARTBEAT": _heartbeat,
    "ACCEPT_INVERSE_OFFERS": _answer_inverse_offers,
    "DECLINE_INVERSE_OFFERS": _answer_inverse_offers,
}

# -- events --------------------------------------------------------------------------------------------------

Event = (
    events.Subscribed
    | events.Promoted
    | events.Heartbeat
    | events.Rescind
    | events.RescindInverseOffer
    | events.Update
    | events.UpdateOperationStatus
    | events.Message
    | events.Failure
    | events.Error
)


def event_to_wire(event: Event, master: MasterInfo | None) -> wire.Event:
    """Every event but OFFERS and INVERSE_OFFERS, which take what only a master knows of its agents.

    ``master`` is for SUBSCRIBED.
    """
    match event:
        case events.Update():
            return wire.Event(type="UPDATE", update=wire.EventUpdate(status=status_to_wire(event.status)))
        case events.Heartbeat():
            return wire.Event(type="HEARTBEAT")
        case events.Rescind():
            offer_id = common.OfferID(value=event.offer_id)
            return wire.Event(type="RESCIND", rescind=wire.EventRescind(offer_id=offer_id))
        case events.RescindInverseOffer():
            offer_id = common.OfferID(value=event.offer_id)
            return wire.Event(
                type="RESCIND_INVERSE_OFFER",
                rescind_inverse_offer=wire.EventRescindInverseOffer(inverse_offer_id=offer_id),
            )
        case events.Subscribed():
            return wire.Event(
                type="SUBSCRIBED",
                subscribed=wire.EventSubscribed(
                    framework_id=common.FrameworkID(value=event.framework_id),
                    heartbeat_interval_seconds=event.heartbeat_interval_seconds,
                    master_info=master,
                    mode=event.mode,
                    fencing_token=event.fencing_token,
                ),
            )
        case events.Promoted():
            return wire.Event(
                type="PROMOTED",
                promoted=wire.EventPromoted(
                    framework_id=common.FrameworkID(value=event.framework_id), fencing_token=event.fencing_token
                ),
            )
        case events.UpdateOperationStatus():
            return wire.Event(
                type="UPDATE_OPERATION_STATUS",
                update_operation_status=wire.EventUpdateOperationStatus(
                    status=wire_offers.OperationStatus(
                        operation_id=common.OperationID(value=event.operation_id),
                        state=event.state,
                        # An end that went well says nothing, not even in no words (as recorded of Mesos).
                        message=event.message or None,
                        converted_resources=resources_to_wire(event.converted),
                        uuid=None if event.uuid is None else common.UUID(value=event.uuid),
                        agent_id=None if event.agent_id is None else common.AgentID(value=event.agent_id),
                    )
                ),
            )
        case events.Message():
            return wire.Event(
                type="MESSAGE",
                message=wire.EventMessage(
                    agent_id=common.AgentID(value=event.agent_id),
                    executor_id=common.ExecutorID(value=event.executor_id),
                    data=event.data,
                ),
            )
        case events.Failure():
            return wire.Event(
                type="FAILURE",
                failure=wire.EventFailure(
                    agent_id=common.AgentID(value=event.agent_id),
                    executor_id=None if event.executor_id is None else common.ExecutorID(value=event.executor_id),
                    status=event.status,
                ),
            )
        case events.Error():
            return wire.Event(type="ERROR", error=wire.EventError(message=event.message))
        case _:
            assert_never(event)
