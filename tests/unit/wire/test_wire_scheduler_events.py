"""Events that are rarely sent, and the calls about them, between the core's words and the wire's."""

from __future__ import annotations

import json

from mesos_service.core.events import UpdateOperationStatus
from mesos_service.core.messages import Accept, ReconcileOperations, Unhandled, UnsupportedOperation
from mesos_service.domain.ids import AgentId, OperationId
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
    body = {
        "type": "ACCEPT",
        "framework_id": {"value": "F"},
        "accept": {
            "offer_ids": [{"value": "O"}],
            "operations": [
                {"type": "RESERVE", "id": {"value": "op"}, "reserve": {"resources": []}},
                {"type": "DESTROY", "destroy": {"volumes": []}},
            ],
        },
    }
    call = call_from_wire(read_scheduler_call(json.dumps(body).encode()), CONTEXT)
    assert isinstance(call, Accept)
    assert [(one.type, one.operation_id) for one in call.operations if isinstance(one, UnsupportedOperation)] == [
        ("RESERVE", "op"),
        ("DESTROY", None),
    ]


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


def test_acknowledgements_of_operations_are_accepted_without_effect() -> None:
    """Nothing of ours asks for one."""
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
    assert isinstance(call, Unhandled)
    assert call.type == "ACKNOWLEDGE_OPERATION_STATUS"
