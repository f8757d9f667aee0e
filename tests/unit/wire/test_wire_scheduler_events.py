"""Events that are rarely sent, and the calls about them, between the core's words and the wire's."""

from __future__ import annotations

import json

from mesos_service.core.events import UpdateOperationStatus
from mesos_service.core.resource_messages import ResourceOperation
from mesos_service.core.scheduler_messages import (
    Accept,
    AcknowledgeOperationStatus,
    ReconcileOperations,
    UnsupportedOperation,
)
from mesos_service.domain.ids import AgentId, OperationId
from mesos_service.domain.operations import name_of
from mesos_service.wire.convert.operations import exact_operation, operation_to_wire
from mesos_service.wire.convert.scheduler import CallContext, call_from_wire, event_to_wire
from mesos_service.wire.decode import read_scheduler_call
from mesos_service.wire.encode import encode_event

CONTEXT = CallContext(request=7, stream_id="stream", principal=None, stimulus="call-7", caller_trace=None)


def printed(event: UpdateOperationStatus) -> object:
    return json.loads(encode_event(event_to_wire(event, None)))


def test_m_se_07_a_refused_operation_is_printed_as_recorded() -> None:
    """Neither uuid nor agent: there is nothing to acknowledge, and nobody to acknowledge it to."""
    assert printed(UpdateOperationStatus(OperationId("op-bad"), "OPERATION_ERROR", "why")) == {
        "type": "UPDATE_OPERATION_STATUS",
        "update_operation_status": {
            "status": {"operation_id": {"value": "op-bad"}, "state": "OPERATION_ERROR", "message": "why"}
        },
    }


def test_m_se_07_an_unknown_operation_is_printed_with_the_agent_that_was_named() -> None:
    event = UpdateOperationStatus(OperationId("op"), "OPERATION_UNKNOWN", "why", AgentId("S0"))
    assert printed(event) == {
        "type": "UPDATE_OPERATION_STATUS",
        "update_operation_status": {
            "status": {
                "operation_id": {"value": "op"},
                "state": "OPERATION_UNKNOWN",
                "message": "why",
                "agent_id": {"value": "S0"},
            }
        },
    }


def test_m_se_07_operations_keep_their_kind_and_id() -> None:
    reserved = {
        "name": "disk",
        "type": "SCALAR",
        "scalar": {"value": 8},
        "reservations": [{"type": "DYNAMIC", "role": "r"}],
    }
    volume = {**reserved, "disk": {"persistence": {"id": "v"}, "volume": {"mode": "RW", "container_path": "data"}}}
    operations = [
        {"type": "RESERVE", "id": {"value": "op"}, "reserve": {"resources": [reserved], "source": []}},
        {"type": "UNRESERVE", "unreserve": {"resources": [reserved]}},
        {"type": "CREATE", "create": {"volumes": [volume]}},
        {"type": "DESTROY", "destroy": {"volumes": [volume]}},
        {"type": "GROW_VOLUME", "grow_volume": {"volume": volume, "addition": reserved}},
        {"type": "SHRINK_VOLUME", "shrink_volume": {"volume": volume, "subtract": {"value": 2}}},
        {"type": "RESERVE", "reserve": {"resources": [{**reserved, "scalar": {"value": -1}}]}},
        {"type": "CREATE_DISK", "create_disk": {"source": reserved, "target_type": "MOUNT"}},
    ]
    body = {
        "type": "ACCEPT",
        "framework_id": {"value": "F"},
        "accept": {"offer_ids": [{"value": "O"}], "operations": operations},
    }
    call = call_from_wire(read_scheduler_call(json.dumps(body).encode()), CONTEXT)
    assert isinstance(call, Accept)
    *done, refused, unsupported = call.operations
    assert [name_of(one.operation) for one in done if isinstance(one, ResourceOperation)] == [
        one["type"] for one in operations[:6]
    ]
    assert [one.operation_id for one in call.operations] == ["op", *[None] * 7]
    assert [one.refusal for one in done if isinstance(one, ResourceOperation)] == [None] * 6
    for one in done:
        assert isinstance(one, ResourceOperation)
        assert exact_operation(operation_to_wire(one.operation)) == one.operation
    assert isinstance(refused, ResourceOperation)
    assert refused.refusal is not None and "value <= 0" in refused.refusal
    assert isinstance(unsupported, UnsupportedOperation)
    assert unsupported.type == "CREATE_DISK"


def test_m_se_07_reconciliation_of_operations_names_them_with_their_agents() -> None:
    body = {
        "type": "RECONCILE_OPERATIONS",
        "framework_id": {"value": "F"},
        "reconcile_operations": {
            "operations": [
                {"operation_id": {"value": "a"}, "agent_id": {"value": "S0"}},
                {"operation_id": {"value": "b"}},
            ]
        },
    }
    call = call_from_wire(read_scheduler_call(json.dumps(body).encode()), CONTEXT)
    assert isinstance(call, ReconcileOperations)
    assert (call.request, call.framework_id, call.stream_id) == (7, "F", "stream")
    assert call.operations == (("a", "S0"), ("b", None))


def test_m_sc_15_an_acknowledgement_names_the_operation_and_the_status() -> None:
    body = {
        "type": "ACKNOWLEDGE_OPERATION_STATUS",
        "framework_id": {"value": "F"},
        "acknowledge_operation_status": {
            "agent_id": {"value": "S0"},
            "uuid": "AAAAAAAAQACAAAAAAAAAAA==",
            "operation_id": {"value": "a"},
        },
    }
    call = call_from_wire(read_scheduler_call(json.dumps(body).encode()), CONTEXT)
    assert isinstance(call, AcknowledgeOperationStatus)
    assert (call.agent_id, call.operation_id, call.uuid[6] >> 4, len(call.uuid)) == ("S0", "a", 4, 16)
