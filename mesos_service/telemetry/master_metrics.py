"""What a master's ``/metrics/snapshot`` tells, under Mesos' names (Mesos docs, monitoring; recorded in ``tests``).

Counters are fed by facts and by the adapters that carry calls and events; gauges are read from the state when somebody
asks. A name is here only when it is really counted: parts that do not exist have no metrics.
"""

from __future__ import annotations

from bisect import bisect
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Final
from urllib.parse import quote

from mesos_service.core import link
from mesos_service.core.effects import Note
from mesos_service.core.master.state import Framework, MasterState
from mesos_service.domain.ids import FrameworkId
from mesos_service.domain.tasks import TaskState
from mesos_service.telemetry.allocation import PassTimings, allocator_gauges
from mesos_service.telemetry.counters import (
    ACTIVE,
    FactCounters,
    Snapshot,
    Source,
    add_scalars,
    resource_gauges,
    short_name,
)
from mesos_service.telemetry.messages import (
    CALL_MESSAGES,
    CALLS,
    EVENTS,
    INVALID,
    NEVER,
    OPERATIONS,
    UPLINK_MESSAGES,
)
from mesos_service.telemetry.operation_counts import OperationCounts
from mesos_service.telemetry.system import system_metrics

MASTER_FACTS: Final = {
    "allocator/mesos/allocation_runs": "allocation.ran",
    "master/slave_registrations": "agent.registered",
    "master/slave_reregistrations": "agent.reregistered",
    "master/slave_removals/reason_unregistered": "agent.unregistered",
    "master/slave_removals/reason_registered": "agent.replaced",
    "master/slave_removals/reason_unhealthy": "agent.unreachable",
    "master/slave_unreachable_scheduled": "agent.removal_scheduled",
    "master/slave_unreachable_canceled": "agent.removal_cancelled",
    "master/slave_unreachable_completed": "agent.unreachable",
    "master/recovery_slave_removals": "agent.not_returned",
    "master/allocator_failures": "allocator.failed",
}
MASTER_TERMINAL: Final = (
    TaskState.DROPPED,
    TaskState.ERROR,
    TaskState.FAILED,
    TaskState.FINISHED,
    TaskState.GONE,
    TaskState.GONE_BY_OPERATOR,
    TaskState.KILLED,
    TaskState.LOST,
)
_FORGOTTEN: Final = "-"
"""In place of the ids of all frameworks that nobody remembers."""
_FRAMEWORKS: Final = "master/frameworks/"
MASTER_ACTIVE: Final = (*ACTIVE, TaskState.UNREACHABLE)


class MasterMetrics:
    """A master's counters, and its gauges on demand. Everything belongs to the loop's thread."""

    def __init__(self, sources: Iterable[Source] = (), unprocessed: Callable[[str], int] | None = None) -> None:
        self._counters = FactCounters()
        self._operations = OperationCounts()
        self._passes = PassTimings()
        self._calls: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._asked: defaultdict[tuple[str, str], int] = defaultdict(int)
        """Operations in ACCEPT calls."""
        self._events: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._uplink: defaultdict[type[link.Uplink], int] = defaultdict(int)
        self._first_subscriptions = 0
        self._sources = tuple(sources)
        self._unprocessed = unprocessed
        """How many calls of a principal were received and are not processed."""

    def note(self, note: Note) -> None:
        """Count a fact of the core."""
        self._counters.note(note)
        self._operations.note(note)
        self._passes.note(note)

    def call(self, call_type: str, framework_id: FrameworkId | None, operations: Iterable[str] = ()) -> None:
        """Count a scheduler call that was understood, by Mesos' name of its type, and the operations in it."""
        self._calls[framework_id or "", call_type] += 1
        for operation in operations:
            self._asked[framework_id or "", operation] += 1

    def event(self, event_type: str, framework_id: FrameworkId) -> None:
        """Count an event put on a framework's stream."""
        self._events[framework_id, event_type] += 1

    def uplink(self, message: link.Uplink) -> None:
        """Count a message of an agent."""
        self._uplink[type(message)] += 1

    def snapshot(self, state: MasterState, now: float) -> Snapshot:
        """All metrics by name, sorted as Mesos sorts them. ``now`` is unix seconds. Linear in agents, tasks and
        frameworks."""
        return dict(one for one in self.told(state, now) if one is not None)

    def told(self, state: MasterState, now: float) -> Iterator[tuple[str, float] | None]:
        """:meth:`snapshot` one by one, for who lets others have a turn in between: of a thousand frameworks there are
        tens of thousands. A ``None`` is a step of work, of some agent, role or framework, that had to be done first.

        What is summed up is of the first steps; what is of single frameworks is read when they are told.
        """
        self._forget_frameworks(state)
        found = {
            **self._counters.named(MASTER_FACTS),
            **self._operations.snapshot(state),
            **self._passes.snapshot(),
            **self._counters.terminal_updates("master/tasks", MASTER_TERMINAL),
            **self._messages(),
            **self._reasons(),
            **system_metrics(),
        }
        found["master/slave_removals"] = sum(
            found[f"master/slave_removals/reason_{reason}"] for reason in ("registered", "unhealthy", "unregistered")
        )
        # Mesos has no reason for those.
        found["master/slave_removals"] += self._counters.facts.get("agent.machine_down", 0)
        for name, (fact, messages) in INVALID.items():
            found[f"master/invalid_{name}"] = invalid = float(self._counters.facts.get(fact, 0))
            # What came and was not refused.
            found[f"master/valid_{name}"] = found[f"master/messages_{messages}"] - invalid
        found |= dict.fromkeys(NEVER, 0.0)
        for source in self._sources:
            found.update(source())
        ends = self._counters.ends_by_framework(MASTER_TERMINAL)
        frameworks = {
            f"{_FRAMEWORKS}{quote(framework.info.name, safe='')}/{framework.framework_id}/": framework
            for framework in (*state.frameworks.values(), *state.completed_frameworks.values())
        }
        yield None
        found |= yield from _master_gauges(state, now)
        for framework in frameworks.values():
            self._principal(framework, found)
            yield None
        others = sorted(found)
        # The names of one framework stand together, as all of them begin with what no other's begin with.
        place = bisect(others, _FRAMEWORKS)
        yield from ((name, found[name]) for name in others[:place])
        for prefix, framework in sorted(frameworks.items(), key=itemgetter(0)):
            of_framework = self._framework(framework, prefix, ends.get(framework.framework_id, {}))
            yield from sorted(of_framework.items())
        yield from ((name, found[name]) for name in others[place:])

    def _messages(self) -> Snapshot:
        called: defaultdict[str, int] = defaultdict(int)
        for (_, call_type), count in self._calls.items():
            called[call_type] += count
        messages = {f"master/messages_{name}": float(called[call]) for call, name in CALL_MESSAGES.items()}
        first = self._calls.get(("", "SUBSCRIBE"), 0)
        messages["master/messages_register_framework"] = float(first)
        messages["master/messages_reregister_framework"] = float(called["SUBSCRIBE"] - first)
        for kind, name in UPLINK_MESSAGES.items():
            messages[f"master/messages_{name}"] = float(self._uplink[kind])
        return messages

    def _reasons(self) -> Snapshot:
        """Such as ``master/task_error/source_master/reason_task_invalid``; there once it has happened."""
        reasons: defaultdict[str, float] = defaultdict(float)
        for (_, state, source, reason), count in self._counters.updates.items():
            if source and reason and state in MASTER_TERMINAL:
                reasons[f"master/{state}/{source}/{reason}".lower()] += count
        return reasons

    def _framework(self, framework: Framework, prefix: str, ends: Mapping[TaskState, int]) -> Snapshot:
        framework_id = framework.framework_id
        calls = {name: self._calls.get((framework_id, name), 0) for name in CALLS}
        events = {name: self._events.get((framework_id, name), 0) for name in EVENTS}
        operations = {name: self._asked.get((framework_id, name), 0) for name in OPERATIONS}
        found: Snapshot = {
            f"{prefix}subscribed": float(framework.connected),
            f"{prefix}calls": float(sum(calls.values())),
            f"{prefix}events": float(sum(events.values())),
            f"{prefix}operations": float(sum(operations.values())),
            f"{prefix}offers/sent": float(framework.offers_sent),
            f"{prefix}offers/accepted": float(framework.offers_accepted),
            f"{prefix}offers/declined": float(framework.offers_declined),
            f"{prefix}offers/rescinded": float(framework.offers_rescinded),
        }
        found |= {f"{prefix}calls/{name.lower()}": float(count) for name, count in calls.items()}
        found |= {f"{prefix}events/{name.lower()}": float(count) for name, count in events.items()}
        found |= {f"{prefix}operations/{name.lower()}": float(count) for name, count in operations.items()}
        for role in framework.info.roles:
            found[f"{prefix}roles/{quote(role, safe='')}/suppressed"] = float(role in framework.suppressed)
        for state, count in _by_state([framework], (*MASTER_ACTIVE, TaskState.UNKNOWN)).items():
            found[f"{prefix}tasks/active/task_{short_name(state)}"] = float(count)
        for state in MASTER_TERMINAL:
            found[f"{prefix}tasks/terminal/task_{short_name(state)}"] = float(ends.get(state, 0))
        return found

    def _principal(self, framework: Framework, found: Snapshot) -> None:
        """All calls of a principal's frameworks; each is processed as it is received, unless there are rate limits."""
        principal = framework.info.principal
        if principal is not None:
            received = f"frameworks/{quote(principal, safe='')}/messages_received"
            if received not in found and self._unprocessed is not None:
                found[received] = float(self._unprocessed(principal))
            calls = sum(self._calls.get((framework.framework_id, name), 0) for name in CALLS)
            for name in ("received", "processed"):
                metric = f"frameworks/{quote(principal, safe='')}/messages_{name}"
                found[metric] = found.get(metric, 0.0) + calls

    def _forget_frameworks(self, state: MasterState) -> None:
        """Fold what is counted for frameworks nobody remembers into the nameless sum, so that totals stay."""
        known = state.frameworks.keys() | state.completed_frameworks.keys()
        for counts in (self._calls, self._events, self._asked):
            for key in [key for key in counts if key[0] not in ("", _FORGOTTEN) and key[0] not in known]:
                # A repeated SUBSCRIBE must not turn into a first one: what has no name keeps a mark.
                counts[_FORGOTTEN, key[1]] += counts.pop(key)
        updates = self._counters.updates
        for told in [told for told in updates if told[0] and told[0] not in known]:
            updates["", told[1], told[2], told[3]] += updates.pop(told)


def _master_gauges(state: MasterState, now: float) -> Generator[None, None, Snapshot]:
    total: dict[str, int] = {}
    used: dict[str, int] = {}
    offered: dict[str, int] = {}
    agents, frameworks = tuple(state.agents.values()), tuple(state.frameworks.values())
    offers = tuple(state.offers.values())
    found: Snapshot = {
        "master/elected": float(state.elected_at > 0),
        "master/uptime_secs": now - state.started_at,
        "master/outstanding_offers": float(len(offers)),
        "master/slaves_active": float(sum(agent.active for agent in agents)),
        "master/slaves_inactive": float(sum(not agent.active for agent in agents)),
        "master/slaves_connected": float(sum(agent.connected for agent in agents)),
        "master/slaves_disconnected": float(sum(not agent.connected for agent in agents)),
        "master/slaves_unreachable": float(len(state.unreachable)),
        "master/slaves_recovered": float(len(state.recovered)),
        "master/frameworks_active": float(sum(framework.connected for framework in frameworks)),
        "master/frameworks_inactive": float(sum(not framework.connected for framework in frameworks)),
        "master/frameworks_connected": float(sum(framework.connected for framework in frameworks)),
        "master/frameworks_disconnected": float(sum(not framework.connected for framework in frameworks)),
        "master/frameworks_starving": float(len(state.starving)),
        "registrar/queued_operations": float(len(state.persisting)),
    }
    held = tuple((agent.total, tuple(agent.used.values())) for agent in agents)
    counted = dict.fromkeys(MASTER_ACTIVE, 0)
    for framework in frameworks:
        # At once: a task that moves on in between would be counted in two states.
        for task_state, count in _by_state([framework], MASTER_ACTIVE).items():
            counted[task_state] += count
        yield
    found |= {f"master/tasks_{short_name(task_state)}": float(count) for task_state, count in counted.items()}
    for its_total, its_used in held:
        add_scalars(total, its_total)
        for resources in its_used:
            add_scalars(used, resources)
        yield
    for offer in offers:
        add_scalars(offered, offer.resources)
        yield
    found |= yield from allocator_gauges(state, total, used, offered)
    return found | resource_gauges("master", total, used)


def _by_state(frameworks: Iterable[Framework], states: Iterable[TaskState]) -> dict[TaskState, int]:
    counted = dict.fromkeys(states, 0)
    for framework in frameworks:
        for tasks in (framework.tasks, framework.unreachable_tasks):
            for task in tasks.values():
                if task.state in counted:
                    counted[task.state] += 1
    return counted
