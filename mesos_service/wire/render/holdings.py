"""What each framework holds and is offered, on all agents together."""

from __future__ import annotations

from collections.abc import Iterator

from mesos_service.domain.ids import FrameworkId
from mesos_service.domain.resources import Resources
from mesos_service.wire.render.snapshot import Snapshot


class Holdings:
    """Summed once for all frameworks, when :meth:`added_up` is gone through."""

    def __init__(self, state: Snapshot) -> None:
        self._state = state
        self._used: dict[FrameworkId, Resources] = {}
        self._offered: dict[FrameworkId, Resources] = {}
        self._done = False

    def added_up(self) -> Iterator[None]:
        """A step for each agent and each offer (``sliced``); none where that has been done."""
        if self._done:
            return
        for agent in self._state.agents.values():
            for framework_id, resources in agent.used.items():
                _add(self._used, framework_id, resources)
            yield
        for framework in self._state.frameworks:
            for offer in framework.offers:
                _add(self._offered, framework.framework_id, offer.resources)
                yield
        self._done = True

    def used(self, framework_id: FrameworkId) -> Resources:
        return self._used.get(framework_id, Resources.EMPTY)

    def offered(self, framework_id: FrameworkId) -> Resources:
        return self._offered.get(framework_id, Resources.EMPTY)


def _add(sums: dict[FrameworkId, Resources], framework_id: FrameworkId, resources: Resources) -> None:
    before = sums.get(framework_id)
    sums[framework_id] = before + resources if before else resources
