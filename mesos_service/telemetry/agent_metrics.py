"""What an agent's ``/metrics/snapshot`` tells; see :mod:`~mesos_service.telemetry.master_metrics`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mesos_service.core.agent.state import AgentState, ExecutorState
from mesos_service.core.effects import Note
from mesos_service.domain.tasks import TaskState
from mesos_service.telemetry.counters import (
    ACTIVE,
    FactCounters,
    Snapshot,
    Source,
    add_scalars,
    resource_gauges,
    short_name,
)
from mesos_service.telemetry.messages import NEVER_ON_AGENTS
from mesos_service.telemetry.system import system_metrics

AGENT_FACTS: Final = {
    "slave/executors_preempted": "executor.preempted",
    "slave/executors_terminated": "executor.terminated",
    "slave/container_launch_errors": "container.launch_failed",
    "slave/valid_status_updates": "task.updated",
    "slave/invalid_status_updates": "update.ignored",
    "slave/invalid_framework_messages": "message.dropped",
    "slave/valid_framework_messages": "message.passed",
}
AGENT_TERMINAL: Final = (TaskState.FAILED, TaskState.FINISHED, TaskState.GONE, TaskState.KILLED, TaskState.LOST)


class AgentMetrics:
    """An agent's counters, and its gauges on demand. Everything belongs to the loop's thread."""

    def __init__(self, sources: Iterable[Source] = ()) -> None:
        self._counters = FactCounters()
        self._sources = list(sources)

    def add(self, source: Source) -> None:
        """Show what this one counts too."""
        self._sources.append(source)

    def note(self, note: Note) -> None:
        """Count a fact of the core."""
        self._counters.note(note)

    def snapshot(self, state: AgentState, now: float) -> Snapshot:
        """All metrics by name, sorted as Mesos sorts them. ``now`` is unix seconds. Linear in executors and tasks."""
        total: dict[str, int] = {}
        used: dict[str, int] = {}
        add_scalars(total, state.total)
        add_scalars(total, state.oversubscribed)
        executors = dict.fromkeys(ExecutorState, 0)
        tasks = dict.fromkeys(ACTIVE, 0)
        for framework in state.frameworks.values():
            for executor in framework.executors.values():
                executors[executor.state] += 1
                if executor.state is not ExecutorState.TERMINATED:
                    add_scalars(used, executor.resources)
                for held in (executor.queued, executor.launched):
                    for task in held.values():
                        if task.state in tasks:
                            tasks[task.state] += 1
        found: Snapshot = {
            "slave/registered": float(state.registered),
            "slave/uptime_secs": now - state.started_at,
            "slave/frameworks_active": float(len(state.frameworks)),
            "slave/executors_registering": float(executors[ExecutorState.REGISTERING]),
            "slave/executors_running": float(executors[ExecutorState.RUNNING]),
            "slave/executors_terminating": float(executors[ExecutorState.TERMINATING]),
            **{f"slave/tasks_{short_name(task_state)}": float(count) for task_state, count in tasks.items()},
            **resource_gauges("slave", total, used),
            **self._counters.named(AGENT_FACTS),
            **self._counters.terminal_updates("slave/tasks", AGENT_TERMINAL),
            **dict.fromkeys(NEVER_ON_AGENTS, 0.0),
            **system_metrics(),
        }
        for source in self._sources:
            found.update(source())
        return dict(sorted(found.items()))
