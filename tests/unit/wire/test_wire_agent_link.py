"""The words between agents and master, as bytes."""

from __future__ import annotations

import json
from typing import get_args

import msgspec
import pytest

from mesos_service.wire import agent_link as link
from mesos_service.wire.agents import AgentInfo
from mesos_service.wire.common import AgentID, ExecutorID, OperationID, TaskID
from mesos_service.wire.encode import encode_fragment
from mesos_service.wire.errors import WireError
from mesos_service.wire.frameworks import FrameworkInfo
from mesos_service.wire.offers import OfferOperation, OfferOperationReserve
from mesos_service.wire.resources import Resource, ResourceReservationInfo, ResourceRevocableInfo, ValueScalar
from mesos_service.wire.tasks import ExecutorInfo, TaskInfo, TaskStatus

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
FRAMEWORK = FrameworkInfo(user="u", name="n")
TASK = TaskInfo(name="n", task_id=TaskID(value="t"), agent_id=AgentID(value="S0"))
STATUS = TaskStatus(task_id=TaskID(value="t"), state="TASK_RUNNING", uuid=b"0123456789abcdef")
EXECUTOR = ExecutorInfo(executor_id=ExecutorID(value="e"), type="DEFAULT")
AGENT = link.AgentDescription(info=AgentInfo(hostname="h"), ip="127.0.0.1", version="1")
RESERVED = Resource(
    name="cpus",
    type="SCALAR",
    scalar=ValueScalar(value=1.5),
    reservations=(ResourceReservationInfo(type="DYNAMIC", role="r", principal="p"),),
)
LENT = Resource(name="cpus", type="SCALAR", scalar=ValueScalar(value=2.0), revocable=ResourceRevocableInfo())
OPERATION = OfferOperation(
    type="RESERVE", id=OperationID(value="op"), reserve=OfferOperationReserve(resources=(RESERVED,))
)
OPERATION_STATUS = link.OperationStatus(state="OPERATION_FINISHED", uuid=b"fedcba9876543210", converted=(RESERVED,))

UPLINK: list[link.Uplink] = [
    link.Register(agent=AGENT, registration="r1"),
    link.Register(agent=AGENT, registration="r1", oversubscribed=(LENT,)),
    link.Reregister(
        agent=AGENT,
        registration="r2",
        tasks=(
            link.TaskReport(framework_id="F", info=TASK, state="TASK_RUNNING", executor_id="t", statuses=(STATUS,)),
        ),
        frameworks=(FRAMEWORK,),
        total=(RESERVED,),
        oversubscribed=(LENT,),
        operations=(
            link.OperationReport(
                uuid=b"0123456789abcdef", framework_id="F", operation=OPERATION, status=OPERATION_STATUS
            ),
        ),
    ),
    link.Unregister(),
    link.UpdateStatus(framework_id="F", status=STATUS, executor_id="t", latest_state="TASK_FINISHED"),
    link.UpdateOperation(uuid=b"0123456789abcdef", status=OPERATION_STATUS),
    link.ExitedExecutor(framework_id="F", executor_id="e", status=1792),
    link.MessageFromExecutor(framework_id="F", executor_id="e", data=b"\x00\xff"),
    link.Pong(traceparent=TRACE),
    link.AgentUpdated(agent=AGENT),
    link.OversubscriptionChanged(oversubscribed=(LENT,)),
]
DOWNLINK: list[link.Downlink] = [
    link.Registered(registration="r1", agent_id="S0"),
    link.Reregistered(registration="r2", agent_id="S0", asked=(link.TaskReference(framework_id="F", task_id="t"),)),
    link.RunTask(framework=FRAMEWORK, task=TASK, traceparent=TRACE),
    link.RunTaskGroup(framework=FRAMEWORK, executor=EXECUTOR, tasks=(TASK, TASK)),
    link.ApplyOperation(uuid=b"0123456789abcdef", framework_id="F", operation=OPERATION),
    link.AcknowledgeOperation(uuid=b"0123456789abcdef", status_uuid=b"fedcba9876543210"),
    link.KillTask(framework_id="F", task_id="t", grace_seconds=3.0),
    link.ShutdownExecutor(framework_id="F", executor_id="e"),
    link.ShutdownFramework(framework_id="F"),
    link.AcknowledgeUpdate(framework_id="F", task_id="t", uuid=b"0123456789abcdef"),
    link.MessageToAgent(framework_id="F", executor_id="e", data=b""),
    link.FrameworkUpdated(framework=FRAMEWORK),
    link.ReconcileTasks(tasks=(link.TaskReference(framework_id="F", task_id="t"),)),
    link.Ping(connected=False),
    link.ShutdownAgent(message="gone"),
    link.LinkRefused(message="not leading"),
]


def test_every_message_is_tried_here() -> None:
    assert {type(one) for one in UPLINK} == set(get_args(link.Uplink))
    assert {type(one) for one in DOWNLINK} == set(get_args(link.Downlink))


def test_several_agents_share_one_call() -> None:
    call = link.LinkMessages(
        link_id="L",
        batches=(
            link.UplinkBatch(messages=tuple(UPLINK[:1])),
            link.UplinkBatch(agent_id="S0", messages=tuple(UPLINK)),
        ),
    )
    assert link.decode_link_call(link.encode_link_call(call)) == call


def test_a_stream_is_asked_for_by_name() -> None:
    assert link.decode_link_call(b'{"type":"SUBSCRIBE","link_id":"L"}') == link.SubscribeLink(link_id="L")


@pytest.mark.parametrize("message", DOWNLINK, ids=lambda one: type(one).__name__)
def test_records_name_their_agent(message: link.Downlink) -> None:
    record = link.encode_downlink("S0", [message, link.Ping()])
    assert link.decode_downlink(record) == link.DownlinkBatch(agent_id="S0", messages=(message, link.Ping()))


def test_types_are_distinct_words_in_upper_case() -> None:
    for union in (link.Uplink, link.Downlink):
        tags = [one.__struct_config__.tag for one in get_args(union)]
        assert len(set(tags)) == len(tags)
        assert all(isinstance(tag, str) and tag == tag.upper() for tag in tags)


def test_a_framework_that_is_encoded_already_reads_like_any_other() -> None:
    encoded = link.EncodedRunTask(framework=encode_fragment(FRAMEWORK), task=TASK, traceparent=TRACE)
    plain = link.RunTask(framework=FRAMEWORK, task=TASK, traceparent=TRACE)
    assert link.encode_downlink("S0", [encoded]) == link.encode_downlink("S0", [plain])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"type":"SUBSCRIBE"}',
        b'{"link_id":"L"}',
        b'{"type":"NOPE","link_id":"L"}',
        b'{"type":"MESSAGES","link_id":"L","batches":[{"messages":[{"type":"PING"}]}]}',
        b'{"type":"MESSAGES","link_id":"L","batches":[{"messages":[{"type":"EXITED_EXECUTOR"}]}]}',
        b'{"type":"MESSAGES","link_id":"L","batches":' + b"[" * 10_000,
    ],
)
def test_what_is_not_a_call_is_refused(body: bytes) -> None:
    with pytest.raises(WireError) as caught:
        link.decode_link_call(body)
    assert caught.value.status == 400


def test_what_is_not_a_record_is_the_masters_fault() -> None:
    for record in (b"{}", b'{"messages":[{"type":"PONG"}]}', b"x"):
        with pytest.raises(WireError) as caught:
            link.decode_downlink(record)
        assert caught.value.status == 502


def test_messages_are_small() -> None:
    assert json.loads(msgspec.json.encode(link.Pong())) == {"type": "PONG"}
