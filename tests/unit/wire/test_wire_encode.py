"""How messages are printed: order, defaults, what is left out, and only ASCII in streams."""

from __future__ import annotations

import json

import msgspec
import pytest

from mesos_service.wire import offers, operator, scheduler
from mesos_service.wire.common import URL, Address, AgentID, FrameworkID, OfferID, TaskID
from mesos_service.wire.containers import CommandInfo, CommandInfoURI, EnvironmentVariable
from mesos_service.wire.encode import (
    HEARTBEAT,
    EncodedOffer,
    ascii_json,
    encode_event,
    encode_fragment,
    encode_message,
    encode_offers,
)
from mesos_service.wire.frameworks import FrameworkInfo
from mesos_service.wire.resources import (
    Resource,
    ResourceAllocationInfo,
    ValueLimit,
    ValueRange,
    ValueRanges,
    ValueScalar,
)
from mesos_service.wire.tasks import TaskInfo, TaskStatus


def test_unset_fields_and_empty_lists_are_left_out() -> None:
    assert encode_event(scheduler.Event(type="HEARTBEAT")) == HEARTBEAT
    assert encode_message(scheduler.EventOffers()) == b"{}"
    assert encode_message(operator.ResponseGetRoles()) == b"{}"


def test_defaults_of_the_proto_file_are_printed() -> None:
    assert encode_message(CommandInfo(value="x")) == b'{"shell":true,"value":"x"}'
    assert encode_message(CommandInfoURI(value="x")) == b'{"value":"x","extract":true}'
    assert encode_message(EnvironmentVariable(name="A", value="b")) == b'{"name":"A","type":"VALUE","value":"b"}'
    assert encode_message(FrameworkInfo(user="u", name="n")) == (
        b'{"user":"u","name":"n","failover_timeout":0.0,"checkpoint":false}'
    )
    assert encode_message(offers.Filters()) == b'{"refuse_seconds":5.0}'


def test_lists_of_tasks_agents_frameworks_and_executors_are_printed_when_empty() -> None:
    assert json.loads(encode_message(operator.ResponseGetTasks())) == {
        "tasks": [],
        "unreachable_tasks": [],
        "completed_tasks": [],
    }
    assert json.loads(encode_message(operator.ResponseGetAgents())) == {"agents": [], "recovered_agents": []}
    assert json.loads(encode_message(operator.ResponseGetExecutors())) == {"executors": []}
    assert json.loads(encode_message(operator.ResponseGetFrameworks())) == {
        "frameworks": [],
        "completed_frameworks": [],
    }


def test_fields_stand_in_the_order_of_the_proto_file() -> None:
    status = TaskStatus(
        uuid=b"0123456789abcdef",
        state="TASK_RUNNING",
        timestamp=1.5,
        task_id=TaskID(value="t"),
        source="SOURCE_EXECUTOR",
        agent_id=AgentID(value="S"),
        data=b"\x00\xff",
    )
    assert encode_message(status) == (
        b'{"task_id":{"value":"t"},"state":"TASK_RUNNING","source":"SOURCE_EXECUTOR","data":"AP8=",'
        b'"agent_id":{"value":"S"},"timestamp":1.5,"uuid":"MDEyMzQ1Njc4OWFiY2RlZg=="}'
    )


def test_scalars_are_printed_as_doubles_and_ranges_as_integers() -> None:
    ports = Resource(name="ports", type="RANGES", ranges=ValueRanges(range=(ValueRange(begin=1, end=2),)))
    assert encode_message(ports) == b'{"name":"ports","type":"RANGES","ranges":{"range":[{"begin":1,"end":2}]}}'
    cpus = Resource(name="cpus", type="SCALAR", scalar=ValueScalar(value=4.0))
    assert encode_message(cpus) == b'{"name":"cpus","type":"SCALAR","scalar":{"value":4.0}}'


def test_an_infinite_limit_survives() -> None:
    limits = {"mem": ValueLimit(value="Infinity")}
    task = TaskInfo(name="n", task_id=TaskID(value="t"), agent_id=AgentID(value="S"), limits=limits)
    assert msgspec.json.decode(encode_message(task), type=TaskInfo) == task
    assert b'"limits":{"mem":{"value":"Infinity"}}' in encode_message(task)


@pytest.mark.parametrize("text", ["plain", "é", "日本", "𝄞 and 💥", "\x7f", "\u2028", 'q"\\\n\té', "\uffff\U00010000"])
def test_streams_are_ascii_on_one_line(text: str) -> None:
    event = scheduler.Event(type="ERROR", error=scheduler.EventError(message=text))
    encoded = encode_event(event)
    assert encoded.isascii()
    assert b"\n" not in encoded
    assert json.loads(encoded)["error"]["message"] == text
    assert msgspec.json.decode(encoded, type=scheduler.Event) == event


def test_ascii_is_passed_through_untouched() -> None:
    assert ascii_json(b'{"a":"\\u00e9"}') == b'{"a":"\\u00e9"}'
    assert ascii_json('{"é":"𝄞"}'.encode()) == b'{"\\u00e9":"\\ud834\\udd1e"}'


@pytest.mark.parametrize("full", [True, False])
def test_offers_made_of_fragments_equal_offers_made_of_messages(full: bool) -> None:
    url = URL(scheme="http", address=Address(hostname="hôte", ip="127.0.0.1", port=5051), path="/slave(1)")
    resources = (Resource(name="cpus", type="SCALAR", scalar=ValueScalar(value=4.0)),)
    allocation = ResourceAllocationInfo(role="r")
    offer_id, framework_id, agent_id = OfferID(value="O"), FrameworkID(value="F"), AgentID(value="S")
    plain = offers.Offer(
        id=offer_id,
        framework_id=framework_id,
        agent_id=agent_id,
        hostname="hôte",
        url=url if full else None,
        resources=resources if full else (),
        allocation_info=allocation if full else None,
    )
    made = EncodedOffer(
        id=offer_id,
        framework_id=framework_id,
        agent_id=agent_id,
        hostname="hôte",
        url=encode_fragment(url) if full else None,
        resources=encode_fragment(resources) if full else None,
        allocation_info=encode_fragment(allocation) if full else None,
    )
    event = scheduler.Event(type="OFFERS", offers=scheduler.EventOffers(offers=(plain, plain)))
    assert encode_offers([made, made]) == encode_event(event)


def test_the_encoded_offer_has_the_fields_of_the_offer() -> None:
    assert EncodedOffer.__struct_fields__ == offers.Offer.__struct_fields__
