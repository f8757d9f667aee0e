"""The master's ``/state-summary``: counts in place of tasks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Final

from mesos_service.domain.ids import AgentId, FrameworkId
from mesos_service.domain.tasks import TaskState
from mesos_service.wire.agents import MasterInfo
from mesos_service.wire.render import legacy_shapes as shapes
from mesos_service.wire.render.holdings import Holdings
from mesos_service.wire.render.legacy_master import agent_head, extended, framework_head
from mesos_service.wire.render.snapshot import Snapshot
from mesos_service.wire.sliced import sliced

SUMMARY_STATES: Final = (
    TaskState.STAGING,
    TaskState.STARTING,
    TaskState.RUNNING,
    TaskState.KILLING,
    TaskState.FINISHED,
    TaskState.KILLED,
    TaskState.FAILED,
    TaskState.LOST,
    TaskState.ERROR,
    TaskState.UNREACHABLE,
)
"""What ``/state-summary`` counts; other states are in none of its counts (recorded)."""


class _Counts:
    def __init__(self, state: Snapshot) -> None:
        self._state = state
        self._done = False
        self.by_agent: defaultdict[AgentId, dict[str, int]] = defaultdict(_no_tasks)
        self.by_framework: defaultdict[FrameworkId, dict[str, int]] = defaultdict(_no_tasks)
        self.agents: defaultdict[FrameworkId, dict[AgentId, None]] = defaultdict(dict)
        self.frameworks: defaultdict[AgentId, dict[FrameworkId, None]] = defaultdict(dict)

    def counted(self) -> Iterator[None]:
        """A step for each task; none where that has been done. Those of frameworks that are over do not count
        (recorded): an agent on which nothing of them is left has nothing to do with them."""
        if self._done:
            return
        for framework in self._state.frameworks:
            for one in framework.all_tasks():
                for counts in (self.by_agent[one.agent_id], self.by_framework[one.framework_id]):
                    if one.state in counts:
                        counts[one.state] += 1
                self.agents[one.framework_id][one.agent_id] = None
                self.frameworks[one.agent_id][one.framework_id] = None
                yield
        self._done = True


def _no_tasks() -> dict[str, int]:
    return {state.value: 0 for state in SUMMARY_STATES}


def state_summary_answer(state: Snapshot, master: MasterInfo, flags: Mapping[str, str]) -> shapes.StateSummaryAnswer:
    """``/state-summary``."""
    holdings, counts = Holdings(state), _Counts(state)

    def agents() -> Iterator[shapes.AgentSummary | None]:
        yield from counts.counted()
        for agent in state.agents.values():
            yield extended(
                shapes.AgentSummary,
                agent_head(state, agent),
                **counts.by_agent[agent.agent_id],
                framework_ids=tuple(counts.frameworks[agent.agent_id]),
            )

    def frameworks() -> Iterator[shapes.FrameworkSummary | None]:
        yield from counts.counted()
        yield from holdings.added_up()
        for framework in state.frameworks:
            yield extended(
                shapes.FrameworkSummary,
                framework_head(framework, holdings),
                **counts.by_framework[framework.framework_id],
                slave_ids=tuple(counts.agents[framework.framework_id]),
            )

    return shapes.StateSummaryAnswer(
        hostname=master.hostname or "",
        cluster=flags.get("cluster"),
        slaves=sliced(agents),
        frameworks=sliced(frameworks),
    )
