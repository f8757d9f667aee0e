"""One moment of a master's memory, kept to be rendered while that memory goes on changing.

Taken in one go, so that whatever is made of it fits together. It costs a look at each agent and each task that is not
over, and no more than that: what they refer to never changes and is shared, and of a task only what may change is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Final, NamedTuple, TypeVar

from mesos_service.core.master.state import Agent, Framework, MasterState, Standby, Task
from mesos_service.domain.agents import AgentInfo, Deactivation
from mesos_service.domain.executors import ExecutorInfo
from mesos_service.domain.frameworks import FrameworkInfo
from mesos_service.domain.ids import AgentId, ExecutorId, FrameworkId, MasterId, OfferId
from mesos_service.domain.offers import Offer
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TaskInfo, TaskState, TaskStatus


class TaskThen(NamedTuple):
    """What is shown of a ``Task``, under the same names, as are those that follow."""

    info: TaskInfo
    framework_id: FrameworkId
    agent_id: AgentId
    executor_id: ExecutorId | None
    state: TaskState
    statuses: tuple[TaskStatus, ...]
    shown: TaskStatus | None


class AgentThen(NamedTuple):
    agent_id: AgentId
    info: AgentInfo
    registered_at: float
    reregistered_at: float | None
    total: Resources
    active: bool
    used: Mapping[FrameworkId, Resources]
    offers: Mapping[OfferId, Offer]


K = TypeVar("K")
V = TypeVar("V")

ShownTask = Task | TaskThen
ShownAgent = Agent | AgentThen

_STATE: Final[Callable[[Task], TaskState]] = attrgetter("state")
_STATUSES: Final[Callable[[Task], tuple[TaskStatus, ...]]] = attrgetter("statuses")
_SHOWN: Final[Callable[[Task], TaskStatus | None]] = attrgetter("shown")
_AGENT: Final = attrgetter(*AgentThen._fields[:-2])
_NO_RESOURCES: Final[Mapping[FrameworkId, Resources]] = {}
_NO_OFFERS: Final[Mapping[OfferId, Offer]] = {}


class TasksThen(Collection[TaskThen]):
    """Tasks of one framework. Columns, as a record of each would take three times as long."""

    __slots__ = ("_shown", "_states", "_statuses", "_tasks")

    def __init__(self, tasks: Iterable[Task]) -> None:
        self._tasks: Final = tuple(tasks)
        self._states: Final = tuple(map(_STATE, self._tasks))
        self._statuses: Final = tuple(map(_STATUSES, self._tasks))
        self._shown: Final = tuple(map(_SHOWN, self._tasks))

    def __len__(self) -> int:
        return len(self._tasks)

    def __iter__(self) -> Iterator[TaskThen]:
        for task, state, statuses, shown in zip(self._tasks, self._states, self._statuses, self._shown, strict=True):
            yield TaskThen(task.info, task.framework_id, task.agent_id, task.executor_id, state, statuses, shown)

    def __contains__(self, one: object) -> bool:
        return one in tuple(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameworkThen:
    """``completed_tasks`` are over: nothing of them changes any more."""

    framework_id: FrameworkId
    info: FrameworkInfo
    connected: bool
    recovered: bool
    registered_at: float
    reregistered_at: float | None
    unregistered_at: float | None
    fencing_token: int | None
    standbys: tuple[Standby, ...]
    offers: tuple[Offer, ...]
    executors: Mapping[AgentId, tuple[ExecutorInfo, ...]]
    tasks: TasksThen
    unreachable_tasks: TasksThen
    completed_tasks: tuple[Task, ...]

    def all_tasks(self) -> Iterator[ShownTask]:
        """Every task that is remembered of it."""
        yield from self.tasks
        yield from self.unreachable_tasks
        yield from self.completed_tasks


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """``agents`` and ``frameworks`` are all there were, or those that were asked for."""

    master_id: MasterId
    started_at: float
    elected_at: float
    agents: Mapping[AgentId, AgentThen]
    recovered: Mapping[AgentId, AgentInfo]
    deactivated: Mapping[AgentId, Deactivation]
    unreachable: int
    frameworks: tuple[FrameworkThen, ...]
    completed_frameworks: tuple[FrameworkThen, ...]


def snapshot(
    state: MasterState,
    *,
    agents: bool = True,
    frameworks: bool = True,
    agent_id: AgentId | None = None,
    framework_id: FrameworkId | None = None,
) -> Snapshot:
    """This moment; where an id is given, only of the agent or framework that has it."""
    return Snapshot(
        master_id=state.master_id,
        started_at=state.started_at,
        elected_at=state.elected_at,
        agents={one: _agent(agent) for one, agent in _chosen(state.agents, agent_id).items()} if agents else {},
        recovered=dict(_chosen(state.recovered, agent_id)),
        deactivated=dict(state.deactivated),
        unreachable=len(state.unreachable),
        frameworks=_frameworks(_chosen(state.frameworks, framework_id)) if frameworks else (),
        completed_frameworks=_frameworks(_chosen(state.completed_frameworks, framework_id)) if frameworks else (),
    )


def _agent(agent: Agent) -> AgentThen:
    used, offers = agent.used, agent.offers
    return AgentThen._make(
        (*_AGENT(agent), dict(used) if used else _NO_RESOURCES, dict(offers) if offers else _NO_OFFERS)
    )


def _chosen(found: Mapping[K, V], one: K | None) -> Mapping[K, V]:
    if one is None:
        return found
    return {one: found[one]} if one in found else {}


def _frameworks(found: Mapping[FrameworkId, Framework]) -> tuple[FrameworkThen, ...]:
    return tuple(map(_framework, found.values()))


def _framework(framework: Framework) -> FrameworkThen:
    return FrameworkThen(
        framework_id=framework.framework_id,
        info=framework.info,
        connected=framework.connected,
        recovered=framework.recovered,
        registered_at=framework.registered_at,
        reregistered_at=framework.reregistered_at,
        unregistered_at=framework.unregistered_at,
        fencing_token=framework.generation if framework.fenced or framework.standbys else None,
        standbys=tuple(map(_standby, framework.standbys.values())),
        offers=tuple(framework.offers.values()),
        executors={agent_id: tuple(found.values()) for agent_id, found in framework.executors.items()},
        tasks=TasksThen(framework.tasks.values()),
        unreachable_tasks=TasksThen(framework.unreachable_tasks.values()),
        completed_tasks=tuple(framework.completed_tasks),
    )


def _standby(standby: Standby) -> Standby:
    return standby if standby.lease is None else replace(standby, lease=replace(standby.lease))
