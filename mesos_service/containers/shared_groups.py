"""What several containers share: control groups of the executor that they belong to (M-AG-23).

The built-in executor of task groups has no process, and so no container. Its control groups come with the first of its
containers, are bounded by what all of them and the executor have together, and go with the last of them (Mesos docs,
"Nested containers and task groups").
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce

from mesos_service.containers.container import Container, asked, outcome
from mesos_service.domain.ids import ContainerId
from mesos_service.domain.resources import Resources
from mesos_service.plugins.isolator import ContainerConfig, ContainerState, Isolator, Usage


@dataclass(slots=True, eq=False)
class _Shared:
    own: Resources
    """The executor's."""
    sandbox: str
    members: dict[ContainerId, Resources] = field(default_factory=dict)
    prepared: set[Isolator] = field(default_factory=set)
    recovered: bool = False
    """Whether an agent before this one made it, for those isolators that it had."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Bounds are set, and groups end, one after another: nobody joins what is just ending."""
    users: int = 0
    """Who have the lock, or wait for it."""

    def config(self) -> ContainerConfig:
        return ContainerConfig(sandbox=self.sandbox, resources=self.together())

    def together(self) -> Resources:
        return reduce(lambda total, one: total + one, self.members.values(), self.own)


class SharedGroups:
    """Of all executors of one agent, by the containers' ids of those. ``isolators`` are all that there are."""

    def __init__(self, isolators: Sequence[Isolator]) -> None:
        self._isolators = tuple(one for one in isolators if one.shareable)
        self._shared: dict[ContainerId, _Shared] = {}

    def __contains__(self, container_id: ContainerId) -> bool:
        return container_id in self._shared

    async def join(self, container: Container) -> None:
        """Room is made for one more, before its own ``prepare``. Raises :class:`LaunchFailed`."""
        plan = container.plan
        if plan.shared is None:
            return
        group = plan.shared.container_id
        shared = self._shared.setdefault(group, _Shared(plan.shared.resources, str(plan.sandbox.parent)))
        shared.members[plan.container_id] = plan.resources
        shared.users += 1
        try:
            async with shared.lock:
                for isolator in self._isolators:
                    if isolator in shared.prepared or (shared.recovered and isolator.fence(group) is not None):
                        await asked(isolator, "update", isolator.update(group, shared.together(), {}))
                    else:
                        await asked(isolator, "prepare", isolator.prepare(group, shared.config()))
                    shared.prepared.add(isolator)
        finally:
            shared.users -= 1

    async def leave(self, container: Container) -> list[str]:
        """Nothing of it is left, and it has been cleaned up; what went wrong, as text."""
        plan = container.plan
        shared = None if plan.shared is None else self._shared.get(plan.shared.container_id)
        if plan.shared is None or shared is None or shared.members.pop(plan.container_id, None) is None:
            return []
        group = plan.shared.container_id
        failures: list[str] = []
        shared.users += 1
        try:
            async with shared.lock:
                if shared.members:
                    for isolator in self._isolators:
                        work = isolator.update(group, shared.together(), {})
                        failures += await outcome(work, f"Isolator '{isolator.name}' failed to update")
                else:
                    shared.prepared.clear()
                    shared.recovered = False
                    for isolator in reversed(self._isolators):
                        work = isolator.cleanup(group)
                        failures += await outcome(work, f"Isolator '{isolator.name}' failed to clean up")
        finally:
            shared.users -= 1
            if not shared.users and not shared.members:
                del self._shared[group]
        return failures

    def recover(self, containers: Mapping[ContainerId, Container]) -> None:
        """Know those again that an agent before has left."""
        for container_id, container in containers.items():
            plan = container.plan
            if plan.shared is not None:
                fresh = _Shared(plan.shared.resources, str(plan.sandbox.parent), recovered=True)
                shared = self._shared.setdefault(plan.shared.container_id, fresh)
                shared.members[container_id] = plan.resources

    def states(self, isolator: Isolator, pids: Mapping[ContainerId, int]) -> list[ContainerState]:
        """What an isolator is to know again of them; ``pids`` are the members'."""
        if isolator not in self._isolators:
            return []
        return [
            ContainerState(container_id=group, pid=pids[next(iter(shared.members))], config=shared.config())
            for group, shared in self._shared.items()
        ]

    async def usage(self, container_id: ContainerId) -> Usage:
        """What was measured of all who share this executor's groups; nothing where nobody does."""
        usage = Usage()
        if container_id in self:
            for isolator in self._isolators:
                usage = usage.merged(await isolator.usage(container_id))
        return usage


def seen_by(isolator: Isolator, container: Container, config: ContainerConfig) -> ContainerConfig:
    """To an isolator of what is shared, a member is nested in its executor, and who has groups of its own in nobody."""
    shared = container.plan.shared
    if not isolator.shareable:
        return config
    if container.plan.own_groups:
        return replace(config, parent=None)
    if shared is None:
        return config
    return replace(config, parent=shared.container_id, shares=True)
