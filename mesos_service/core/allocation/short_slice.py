"""A part of each agent that is kept for short tasks (A54; Mesos paper, section 4.4).

Long tasks that hold all of a cluster make everybody else wait for as long as they run. So a share of each agent's
unreserved processors, memory and disk is offered only to frameworks which have said, role by role, that all their tasks
are short; the master sees to it that they are, and the agent ends them when their time is over. Whoever waits for the
slice waits no longer than that.

What is kept of an agent is its slice less what short tasks hold there, offers included. It is worked out whenever that
changes, save when all that is free is granted at once: nothing is left then that could be kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mesos_service.core.allocation.entries import AgentBook, FrameworkBook, by_role
from mesos_service.core.allocation.shapes import Kept, countable
from mesos_service.domain.ids import FrameworkId

SLICED: Final = ("cpus", "mem", "disk")
"""Others, such as GPUs, cannot be parted at any place."""


class ShortSlice:
    """``share`` (0 to 1) of each agent."""

    def __init__(self, share: float) -> None:
        self._share = share

    def __bool__(self) -> bool:
        return self._share > 0

    def kept_on(self, agent: AgentBook, frameworks: Mapping[FrameworkId, FrameworkBook]) -> Kept:
        """Thousandths by name that are for short tasks and not held by any; no zeros."""
        kept = {name: int(amount * self._share) for name, amount in countable(agent.total) if name in SLICED}
        for holdings in (agent.offered, agent.allocated):
            for framework_id, resources in holdings.items():
                framework = frameworks.get(framework_id)
                if framework is None or not framework.view.short_tasks:
                    continue
                for role, part in by_role(resources):
                    if role in framework.view.short_tasks:
                        for name, amount in countable(part.unallocated()):
                            if name in kept:
                                kept[name] -= amount
        return tuple((name, amount) for name, amount in kept.items() if amount > 0)
