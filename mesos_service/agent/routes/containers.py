"""What runs on an agent, and what it uses: ``/containers``, ``/monitor/statistics``, GET_CONTAINERS.

Asking takes time, as each container is looked at in the machine; one that ends meanwhile is left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, cast

from mesos_service.agent.routes.reads import AgentReads
from mesos_service.containers.container import Phase
from mesos_service.core.agent.state import AgentState, ContainerPhase, Executor
from mesos_service.domain.ids import ContainerId
from mesos_service.plugins.isolator import USAGE_FIELDS, Usage
from mesos_service.wire import agent_operator as operator
from mesos_service.wire import common, containers
from mesos_service.wire.base import Message
from mesos_service.wire.statistics import ResourceStatistics

Statistics = dict[str, float | int]


class LegacyContainerId(Message, kw_only=True):
    value: str


class LegacyStatus(Message, kw_only=True):
    container_id: LegacyContainerId
    executor_pid: int | None = None


class ContainerAnswer(Message, kw_only=True):
    """One executor's container; ``statistics`` are named as in Mesos' ``ResourceStatistics``, sorted by name."""

    container_id: str
    executor_id: str
    executor_name: str
    framework_id: str
    source: str
    statistics: Statistics
    status: LegacyStatus


class StatisticsAnswer(Message, kw_only=True):
    executor_id: str
    executor_name: str
    framework_id: str
    source: str
    statistics: Statistics


@dataclass(frozen=True, slots=True)
class Measured:
    """One container, and what was measured in it."""

    container_id: ContainerId
    executor: Executor | None
    """``None``: it belongs to nobody."""
    around: tuple[ContainerId, ...]
    """The containers that it is nested in, the innermost first."""
    usage: Usage
    pid: int | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which executors' containers are asked for: those with these ids, as far as they are given."""

    container_id: str | None = None
    framework_id: str | None = None
    executor_id: str | None = None

    def has(self, executor: Executor) -> bool:
        """Whether an executor's is one of them."""
        asked = (self.container_id, self.framework_id, self.executor_id)
        its = (executor.container_id, executor.framework_id, executor.info.executor_id)
        return all(one is None or one == other for one, other in zip(asked, its, strict=True))


EVERY: Final = Wanted()


@dataclass(frozen=True, slots=True)
class _Entry:
    container_id: ContainerId
    executor: Executor | None
    around: tuple[ContainerId, ...]
    members: tuple[ContainerId, ...]
    """Whose usage is this one's: itself, or the tasks' containers of an executor that has no process of its own."""


class PendingOperation(Message, kw_only=True):
    """Something that a container waits for."""

    operation: str
    args: dict[str, str]


class PendingAnswer(Message, kw_only=True):
    """Of ``/containerizer/debug``."""

    pending: tuple[PendingOperation, ...]


def pending_answer(service: AgentReads) -> PendingAnswer:
    """One for each container that is on its way up or down; Mesos names the part of the containerizer that is waited
    for, and we the step that it is at."""
    containerizer = service.containerizer
    phases = ((one, containerizer.phase(one)) for one in containerizer.containers())
    return PendingAnswer(
        pending=tuple(
            PendingOperation(operation=f"containerizer::{phase.lower()}", args={"containerId": str(container_id)})
            for container_id, phase in phases
            if phase is not None and phase is not Phase.RUNNING
        )
    )


async def measure(
    service: AgentReads, *, nested: bool = False, standalone: bool = False, wanted: Wanted = EVERY
) -> list[Measured]:
    """The ``wanted`` executors' containers that have been launched, with ``nested`` those of task groups behind each,
    and what operators and checks have nested in them; with ``standalone`` those that belong to no executor, too."""
    entries = [one for one in _entries(service.state, nested) if one.executor is None or wanted.has(one.executor)]
    if standalone:
        entries += [_Entry(one, None, (), (one,)) for one in service.standalone.running()]
    if nested:
        entries = [one for entry in entries for one in (entry, *_guests(service, entry))]
    measured = await asyncio.gather(*(_measure(service, entry) for entry in entries))
    return [one for one in measured if one is not None]


def _entries(state: AgentState, nested: bool) -> Iterator[_Entry]:
    for framework in state.frameworks.values():
        for executor in framework.executors.values():
            own = executor.container_id
            launched = [
                container_id
                for container_id in _containers_of(state, executor)
                if state.containers[container_id].phase is not ContainerPhase.LAUNCHING
            ]
            if not launched:
                continue
            yield _Entry(own, executor, (), (own,) if own in launched else tuple(launched))
            for container_id in launched if nested else ():
                if container_id != own:
                    yield _Entry(container_id, executor, (own,), (container_id,))


def _guests(service: AgentReads, entry: _Entry) -> Iterator[_Entry]:
    for container_id in service.containerizer.nested_in(entry.container_id):
        guest = _Entry(container_id, entry.executor, (entry.container_id, *entry.around), (container_id,))
        yield guest
        yield from _guests(service, guest)


def _containers_of(state: AgentState, executor: Executor) -> Iterator[ContainerId]:
    candidates = [executor.container_id]
    for tasks in (executor.queued, executor.launched, executor.terminated):
        candidates += [task.container_id for task in tasks.values() if task.container_id is not None]
    return (container_id for container_id in dict.fromkeys(candidates) if container_id in state.containers)


async def _measure(service: AgentReads, entry: _Entry) -> Measured | None:
    containerizer = service.containerizer
    usages = [await containerizer.usage(container_id) for container_id in entry.members]
    known = set(containerizer.containers())
    if not known.intersection(entry.members):
        return None
    status = await containerizer.status(entry.container_id)
    # Its value is an ``int`` by the containerizer's word; isolators add keys of their own.
    pid = cast("int | None", status.get("executor_pid"))
    # What tasks have together is their executor's, whatever they were promised one by one.
    usage = summed(usages).merged(await containerizer.shared.usage(entry.container_id))
    return Measured(entry.container_id, entry.executor, entry.around, usage, pid)


def summed(usages: Sequence[Usage]) -> Usage:
    """The usage of several containers together; of times the latest, of what nobody measured nothing."""
    if len(usages) == 1:
        return usages[0]
    total: Statistics = {}
    for usage in usages:
        for name, value in usage.measured().items():
            total[name] = max(total.get(name, 0.0), value) if name == "timestamp" else total.get(name, 0) + value
    fields = {name: total[name] for name in USAGE_FIELDS if name in total}
    # By their names the fields are what ``Usage`` takes: sums of integers are integers.
    return Usage(**fields)  # type: ignore[arg-type]


# -- answers -------------------------------------------------------------------------------------------------


def container_answers(measured: Sequence[Measured]) -> list[ContainerAnswer]:
    """``/containers``."""
    return [
        ContainerAnswer(
            container_id=one.container_id,
            executor_id=one.executor.info.executor_id,
            executor_name=one.executor.info.name,
            framework_id=one.executor.framework_id,
            source=one.executor.info.source,
            statistics=_sorted(one.usage),
            status=LegacyStatus(container_id=LegacyContainerId(value=one.container_id), executor_pid=one.pid),
        )
        for one in measured
        if one.executor is not None
    ]


def statistics_answers(measured: Sequence[Measured]) -> list[StatisticsAnswer]:
    """``/monitor/statistics``."""
    return [
        StatisticsAnswer(
            executor_id=one.executor.info.executor_id,
            executor_name=one.executor.info.name,
            framework_id=one.executor.framework_id,
            source=one.executor.info.source,
            statistics=_sorted(one.usage),
        )
        for one in measured
        if one.executor is not None
    ]


def _sorted(usage: Usage) -> Statistics:
    return dict(sorted(usage.measured().items()))


def get_containers(measured: Sequence[Measured]) -> operator.ResponseGetContainers | None:
    """GET_CONTAINERS; without containers there is nothing at all (recorded)."""
    found = tuple(map(_container, measured))
    return operator.ResponseGetContainers(containers=found) if found else None


def _container(one: Measured) -> operator.ResponseGetContainersContainer:
    # A nested container says whose it is by its parent alone (recorded); one by itself is nobody's.
    owner = None if one.around else one.executor
    parent: common.ContainerID | None = None
    for outer in reversed(one.around):
        parent = common.ContainerID(value=outer, parent=parent)
    return operator.ResponseGetContainersContainer(
        framework_id=None if owner is None else common.FrameworkID(value=owner.framework_id),
        executor_id=None if owner is None else common.ExecutorID(value=owner.info.executor_id),
        executor_name=None if owner is None else owner.info.name,
        container_id=common.ContainerID(value=one.container_id),
        container_status=containers.ContainerStatus(
            container_id=common.ContainerID(value=one.container_id, parent=parent), executor_pid=one.pid
        ),
        resource_statistics=_statistics(one.usage),
    )


def _statistics(usage: Usage) -> ResourceStatistics:
    return ResourceStatistics(**{"timestamp": 0.0, **usage.measured()})  # type: ignore[arg-type]  # names and units are the same
