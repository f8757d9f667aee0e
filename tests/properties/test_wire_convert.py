"""What is converted to the wire and back is what it was, through the bytes (N19, X40-X42)."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesos_service.core import link
from mesos_service.core.trace import TraceParent
from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.attributes import Attribute
from mesos_service.domain.frameworks import MULTI_ROLE, PARTITION_AWARE, FrameworkInfo
from mesos_service.domain.ids import AgentId, ContainerId, ExecutorId, FrameworkId, Role, TaskId
from mesos_service.domain.resource import DiskInfo, Persistence, Reservation, Resource, ResourceKey, Volume
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import ContainerStatus, Source, TaskInfo, TaskState, TaskStatus
from mesos_service.domain.values import Ranges
from mesos_service.wire import agent_link
from mesos_service.wire import resources as wire
from mesos_service.wire.convert import agent_text
from mesos_service.wire.convert.link import (
    agent_description_to_wire,
    downlink_from_wire,
    downlink_to_wire,
    uplink_from_wire,
    uplink_to_wire,
)
from mesos_service.wire.convert.values import resources_from_wire, resources_to_wire

names = st.sampled_from(["cpus", "mem", "disk", "bandwidth"])
roles = st.sampled_from(["a", "a/b", "c"])
text = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=20)
milli = st.integers(1, 10**12)


@st.composite
def keys(draw: st.DrawFn, name: str) -> ResourceKey:
    stack: tuple[Reservation, ...] = ()
    if draw(st.booleans()):
        stack = (Reservation("STATIC" if draw(st.booleans()) else "DYNAMIC", "a", draw(st.none() | text)),)
        if draw(st.booleans()):
            stack = (*stack, Reservation("DYNAMIC", "a/b", None, (("k", draw(st.none() | text)),)))
    return ResourceKey(name, draw(st.none() | roles), stack)


@st.composite
def bundles(draw: st.DrawFn) -> Resources:
    items = [Resource(draw(keys(name)), draw(milli)) for name in draw(st.lists(names, unique=True))]
    if draw(st.booleans()):
        begin = draw(st.integers(0, 2**40))
        items.append(Resource(draw(keys("ports")), Ranges.of([(begin, begin + draw(st.integers(0, 2**20)))])))
    if draw(st.booleans()):
        items.append(Resource(draw(keys("zones")), frozenset(draw(st.lists(text, min_size=1)))))
    return Resources.of(items)


@given(bundles())
def test_n19_resources_survive_the_wire_to_the_thousandth(resources: Resources) -> None:
    sent = msgspec.json.encode(resources_to_wire(resources))
    read, refusal = resources_from_wire(msgspec.json.decode(sent, type=tuple[wire.Resource, ...]))
    assert (read, refusal) == (resources, None)


@given(bundles())
def test_resources_for_readers_without_refinement_keep_their_top_reservation(resources: Resources) -> None:
    def top(stack: tuple[Reservation, ...]) -> tuple[Reservation, ...]:
        """The old spelling has one level, and of a static one it says the role alone."""
        return tuple(Reservation("STATIC", one.role) if one.type == "STATIC" else one for one in stack[-1:])

    flat = Resources.of(
        item._replace(key=item.key._replace(reservations=top(item.key.reservations))) for item in resources
    )
    sent = msgspec.json.encode(resources_to_wire(flat, refined=False))
    read, refusal = resources_from_wire(msgspec.json.decode(sent, type=tuple[wire.Resource, ...]))
    assert (read, refusal) == (flat, None)


statuses = st.builds(
    TaskStatus,
    task_id=text.map(TaskId),
    state=st.sampled_from(TaskState),
    source=st.none() | st.sampled_from(Source),
    reason=st.none() | st.just("REASON_EXECUTOR_TERMINATED"),
    message=st.none() | text,
    agent_id=st.none() | text.map(AgentId),
    executor_id=st.none() | text.map(ExecutorId),
    timestamp=st.none() | st.floats(0, 2e9),
    uuid=st.none() | st.binary(min_size=16, max_size=16),
    healthy=st.none() | st.booleans(),
    data=st.none() | st.binary(max_size=50),
    container=st.none()
    | st.builds(
        ContainerStatus,
        container_id=text.map(ContainerId),
        parent_id=st.none() | text.map(ContainerId),
        executor_pid=st.none() | st.integers(1, 2**22),
        ip_addresses=st.lists(st.just("127.0.0.1"), max_size=2).map(tuple),
    ),
)
traces = st.none() | st.just(TraceParent("00-" + "1" * 32 + "-" + "2" * 16 + "-01"))
agents = st.builds(
    AgentInfo,
    hostname=text,
    port=st.integers(1, 65535),
    agent_id=st.none() | text.map(AgentId),
    resources=bundles(),
    attributes=st.lists(
        st.builds(Attribute, text, st.integers(-(10**9), 10**9) | text | st.just(Ranges.of([(1, 5)])))
    ).map(tuple),
    version=text,
    capabilities=st.just(frozenset({"MULTI_ROLE", "AGENT_DRAINING"})),
)
tasks = st.builds(
    TaskInfo, task_id=text.map(TaskId), agent_id=text.map(AgentId), name=text, resources=bundles(), command=st.none()
)
framework_ids = text.map(FrameworkId)
uplinks: st.SearchStrategy[link.Uplink] = st.one_of(
    st.builds(link.Register, agent=agents, registration=text, oversubscribed=bundles()),
    st.builds(
        link.Reregister,
        agent=agents,
        registration=text,
        tasks=st.lists(
            st.builds(
                link.TaskReport,
                framework_id=framework_ids,
                info=tasks,
                state=st.sampled_from(TaskState),
                executor_id=text.map(ExecutorId),
                statuses=st.lists(statuses, max_size=2).map(tuple),
            ),
            max_size=2,
        ).map(tuple),
    ),
    st.builds(
        link.UpdateStatus,
        framework_id=framework_ids,
        status=statuses,
        executor_id=st.none() | text.map(ExecutorId),
        latest_state=st.none() | st.sampled_from(TaskState),
        trace=traces,
    ),
    st.builds(link.ExitedExecutor, framework_id=framework_ids, executor_id=text.map(ExecutorId), status=st.integers(0)),
    st.builds(link.MessageFromExecutor, framework_id=framework_ids, executor_id=text.map(ExecutorId), data=st.binary()),
    st.builds(link.AgentUpdated, agent=agents),
    st.builds(link.OversubscriptionChanged, bundles()),
    st.just(link.Pong()),
    st.just(link.Unregister()),
)


def bare(value: object) -> object:
    """What a message says, as plain values to compare: without the wire messages that are carried along."""
    if dataclasses.is_dataclass(value):
        said = {one.name: bare(getattr(value, one.name)) for one in dataclasses.fields(value) if one.repr}
        return type(value).__name__, said
    return [bare(one) for one in value] if isinstance(value, tuple) else value


@given(uplinks.filter(lambda one: not isinstance(one, link.ExitedExecutor) or one.status < 2**31))
def test_what_an_agent_says_arrives_as_it_was_said(message: link.Uplink) -> None:
    call = agent_link.LinkMessages(
        link_id="l", batches=(agent_link.UplinkBatch(agent_id="a", messages=(uplink_to_wire(message),)),)
    )
    read = agent_link.decode_link_call(agent_link.encode_link_call(call))
    assert isinstance(read, agent_link.LinkMessages)
    assert bare(uplink_from_wire(read.batches[0].messages[0])) == bare(message)


frameworks = st.builds(
    FrameworkInfo,
    name=text,
    user=text,
    framework_id=framework_ids.filter(bool),
    roles=st.lists(roles.map(Role), unique=True).map(tuple),
    capabilities=st.just(frozenset({MULTI_ROLE, PARTITION_AWARE})),
    failover_timeout_seconds=st.floats(0, 1e6),
    checkpoint=st.booleans(),
    principal=st.none() | text,
)
references = st.lists(st.tuples(framework_ids, text.map(TaskId)), max_size=3).map(tuple)
downlinks: st.SearchStrategy[link.Downlink] = st.one_of(
    st.builds(link.Registered, registration=text, agent_id=text.map(AgentId)),
    st.builds(link.Reregistered, registration=text, agent_id=text.map(AgentId), asked=references),
    st.builds(link.RunTask, framework=frameworks, task=tasks, trace=traces),
    st.builds(
        link.KillTask,
        framework_id=framework_ids,
        task_id=text.map(TaskId),
        grace_seconds=st.none() | st.floats(0, 1e6),
    ),
    st.builds(link.ShutdownExecutor, framework_id=framework_ids, executor_id=text.map(ExecutorId)),
    st.builds(link.ShutdownFramework, framework_ids),
    st.builds(
        link.AcknowledgeUpdate,
        framework_id=framework_ids,
        task_id=text.map(TaskId),
        uuid=st.binary(min_size=16, max_size=16),
    ),
    st.builds(link.MessageToAgent, framework_id=framework_ids, executor_id=text.map(ExecutorId), data=st.binary()),
    st.builds(link.FrameworkUpdated, frameworks),
    st.builds(link.ReconcileTasks, tasks=references),
    st.builds(link.Ping, st.booleans()),
    st.builds(link.ShutdownAgent, text),
)


@given(downlinks)
def test_what_a_master_says_arrives_as_it_was_said(message: link.Downlink) -> None:
    record = agent_link.encode_downlink("a", (downlink_to_wire(message),))
    read = agent_link.decode_downlink(record)
    assert bare(downlink_from_wire(read.messages[0])) == bare(message)


kinds = st.builds(
    AgentInfo,
    hostname=text,
    ip=text,
    port=st.sampled_from([5051, 80]),
    agent_id=st.none() | text.map(AgentId),
    resources=bundles()
    | st.sampled_from(
        [
            Resources.parse("cpus:24;mem:4096;ports:[31000-32000]"),
            Resources.parse("cpus:8070605040302.01;mem:4096"),
            Resources.of([Resource(ResourceKey("disk", disk=DiskInfo(persistence=Persistence("v", "p"))), 1)]),
            Resources.of([Resource(ResourceKey("disk", disk=DiskInfo(persistence=Persistence("v", "q"))), 1)]),
            Resources.of([Resource(ResourceKey("disk", disk=DiskInfo(volume=Volume("p"))), 1)]),
            Resources.of([Resource(ResourceKey("disk", disk=DiskInfo(volume=Volume("q"))), 1)]),
            Resources.of([Resource(ResourceKey("disk", shared=True), 1)] * 2),
        ]
    ),
    attributes=st.lists(
        st.builds(
            Attribute,
            text,
            st.integers(-(10**9), 10**9)
            | st.sampled_from([agent_text._NAME, agent_text._ID, agent_text._MILLI])
            | text
            | st.just(Ranges.of([(1, 5)])),
        ),
        max_size=2,
    ).map(tuple),
    region=st.none() | text,
    zone=st.none() | text,
    version=text | st.just(agent_text._ADDRESS),
    capabilities=st.frozensets(st.sampled_from(["MULTI_ROLE", "AGENT_DRAINING"])),
)


@given(st.lists(st.tuples(kinds, text, bundles()), max_size=4))
def test_the_short_way_to_an_agents_json_is_the_long_one(drawn: list[tuple[AgentInfo, str, Resources]]) -> None:
    """Also where an agent says what stands for something else in the pattern of its kind, or others were before it."""
    for agent, name, resources in drawn:
        for one in (
            agent,
            dataclasses.replace(agent, hostname=name, agent_id=AgentId(name)),
            dataclasses.replace(agent, hostname=agent_text._NAME, ip=agent_text._ADDRESS, resources=resources),
        ):
            assert agent_text.agent_description_json(one) == msgspec.json.encode(agent_description_to_wire(one))


def test_kinds_of_agents_are_bounded_and_most_go_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0

    def counting(agent: AgentInfo) -> agent_link.AgentDescription:
        nonlocal asked
        asked += 1
        return agent_description_to_wire(agent)

    monkeypatch.setattr(agent_text, "agent_description_to_wire", counting)
    for number in range(100):
        amounts = Resources.parse(f"cpus:{number + 1};mem:{number + 7};ports:[1-9]")
        like = AgentInfo(hostname=f"h{number}", agent_id=AgentId(f"a{number}"), resources=amounts, version="counted")
        agent_text.agent_description_json(like)
    assert asked == 1
    for number in range(agent_text.KINDS_MAX + 5):
        agent_text.agent_description_json(AgentInfo(hostname="h", agent_id=AgentId("a"), version=f"kind {number}"))
    assert len(agent_text._kinds) <= agent_text.KINDS_MAX
