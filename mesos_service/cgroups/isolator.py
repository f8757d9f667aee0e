"""What isolators by control groups have in common: finding a hierarchy, making groups in it, and ending them.

An isolator of this kind says which controllers it needs, in the words of both versions, and what it writes for a
container (:meth:`CgroupIsolator.settings`); the rest is here. Isolators whose controllers share a hierarchy share a
container's group: the first makes it, and the first that cleans up removes it.

Version 1: ``MOUNT/ROOT/CONTAINER`` in each hierarchy. Version 2: the limits are those of ``MOUNT/ROOT/CONTAINER``, and
the processes are in ``leaf`` below it (M-AG-06). A nested container is in the group of the one it is nested in, and one
that shares its executor's in that (M-AG-23).
"""

from __future__ import annotations

import logging
import os
from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from mesos_service.cgroups.book import open_book
from mesos_service.cgroups.group import PROCESSES_FILE, THREADS_FILE, Group
from mesos_service.cgroups.hierarchy import Hierarchy, find, known_to_kernel, mounted
from mesos_service.cgroups.steps import Make, Step, Write, perform
from mesos_service.domain.errors import ConfigurationError, OperatingFault
from mesos_service.domain.ids import ContainerId
from mesos_service.domain.resources import Resources
from mesos_service.plugins.isolator import ContainerConfig, ContainerState, Host, Isolator, LaunchInfo

SUBTREE_FILE = "cgroup.subtree_control"
TYPE_FILE = "cgroup.type"
"""Of version 2; the root of all has none."""

log = logging.getLogger(__name__)


class CgroupConfig(BaseModel):
    """The agent's flags of these names, and where the machine is seen."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cgroups_hierarchy: Path = Path("/sys/fs/cgroup")
    cgroups_root: str = "mesos"
    cgroups_destroy_timeout: float = 60.0
    """Seconds."""
    runtime_dir: Path = Path("/run/mesos-service")
    rootfs: Path = Path("/")
    """Where the machine's root directory is; tests have one of their own."""


class CgroupIsolator(Isolator):
    """Base of the isolators ``cgroups/...``.

    Made only where they can work: raises :class:`ConfigurationError` otherwise, which says what is missing.
    """

    Config: ClassVar[type[Any] | None] = CgroupConfig
    nesting = True
    shareable = True
    isolates_before_exec = False
    v1_controllers: ClassVar[tuple[str, ...]]
    """All of these are needed, be it in one hierarchy or in several."""
    v2_controller: ClassVar[str | None]
    """``None`` where version 2 has no such thing; empty where it needs none for it."""

    def __init__(self, host: Host, config: Any = None) -> None:  # Any: an instance of Config
        super().__init__(host, config if config is not None else (self.Config or CgroupConfig)())
        settings: CgroupConfig = self.config
        self.hierarchies = self.choose(settings)
        self.version = next(iter(self.hierarchies.values())).version
        self._trees = tuple(dict.fromkeys(self.hierarchies.values()))
        """Each hierarchy once: a mount may have several of the controllers."""
        self._book = open_book(settings.runtime_dir / "isolators" / "cgroups")
        self._parents: dict[ContainerId, ContainerId] = {}
        """Of nested containers, the ones they are nested in."""
        self._sharing: set[ContainerId] = set()
        """Of those in ``_parents``, the tasks that share the groups of an executor."""
        self._roots = {tree: tree.mount / settings.cgroups_root for tree in self._trees}
        self._require_handing_on()
        self._is_prepared = False
        """Whether the groups above those of containers were made."""
        self._groups: dict[tuple[Hierarchy, ContainerId], Group] = {}
        """Of the containers that were prepared or recovered, as making such a thing takes longer than a system call."""

    # -- what there is ---------------------------------------------------------------------------------------
    def choose(self, settings: CgroupConfig) -> Mapping[str, Hierarchy]:
        """Hierarchies by controller. All of version 1, or the one of version 2."""
        there = mounted(settings.rootfs, settings.cgroups_hierarchy)
        chosen = {name: found for name in self.v1_controllers if (found := find(there, 1, name)) is not None}
        if len(chosen) < len(self.v1_controllers):
            of_v2 = None if self.v2_controller is None else find(there, 2, self.v2_controller)
            if of_v2 is None:
                raise ConfigurationError(self._sentence(settings, there, chosen))
            chosen = dict.fromkeys(self.v1_controllers, of_v2)
        for hierarchy in chosen.values():
            self._look_at_place(hierarchy, settings.cgroups_root)
        return chosen

    def _require_handing_on(self) -> None:
        """Raises :class:`ConfigurationError` where version 2 will not hand on the controller to groups of containers.

        It does so only where no processes are in the group itself, save in the root of all ("no internal processes").
        """
        for tree in self._trees:
            if tree.version == 1 or not self.v2_controller:
                continue
            for level in (tree.mount, *_levels(tree.mount, self._roots[tree])):
                group = Group(level, 2)
                occupied = group.text(TYPE_FILE) is not None and group.text(PROCESSES_FILE)
                if occupied and _hand_on(level, self.v2_controller):
                    raise ConfigurationError(
                        f"Isolator '{self.name}' needs groups below {level} that have the controller"
                        f" '{self.v2_controller}', and version 2 of control groups gives them none while processes are"
                        " in that group itself: move those to a group below it (under systemd by DelegateSubgroup=), or"
                        " name another --cgroups_root"
                    )

    def _look_at_place(self, hierarchy: Hierarchy, root: str) -> None:
        """Whether groups can be made there, by root or by whom the group ``--cgroups_root`` was given to (N29)."""
        levels = [one for one in _levels(hierarchy.mount, hierarchy.mount / root) if os.path.isdir(one)]  # noqa: PTH112
        place = levels[-1] if levels else hierarchy.mount
        if not os.access(place, os.W_OK):
            raise ConfigurationError(
                f"Isolator '{self.name}' cannot make control groups in {place}: it takes root, and a mount that can be"
                f" written to, or that the group '{root}' (--cgroups_root) there was given to this user"
            )
        given = place != hierarchy.mount and not os.access(hierarchy.mount / SUBTREE_FILE, os.W_OK)
        if hierarchy.version == 2 and self.v2_controller and given:
            has = Group(place, 2).text("cgroup.controllers") or ""
            if self.v2_controller not in has.split():
                raise ConfigurationError(
                    f"Isolator '{self.name}' needs the control group controller '{self.v2_controller}', and {place} was"
                    " given to this user without it"
                )

    def _sentence(self, settings: CgroupConfig, there: Sequence[Hierarchy], chosen: Collection[str]) -> str:
        place = settings.cgroups_hierarchy
        if not there:
            return (
                f"Isolator '{self.name}' needs control groups, and none are mounted at or below {place}"
                " (--cgroups_hierarchy)"
            )
        [missing, *_] = [name for name in self.v1_controllers if name not in chosen]
        start = f"Isolator '{self.name}' needs the control group controller '{missing}', which is not mounted below"
        if self.v2_controller is None and find(there, 1, "") is None:
            return f"{start} {place}, and version 2 has none like it: take the isolator out of --isolation"
        if known_to_kernel(settings.rootfs, missing) is False:
            return f"{start} {place}, and this kernel does not have or enable it"
        return f"{start} {place} (--cgroups_hierarchy); mount it there, or take the isolator out of --isolation"

    def group(self, container_id: ContainerId, controller: str | None = None) -> Group:
        """The group that a container's processes are in, of the first controller or the one named."""
        return self._group_in(self.hierarchies[controller or self.v1_controllers[0]], container_id)

    def _group_in(self, hierarchy: Hierarchy, container_id: ContainerId) -> Group:
        while container_id in self._parents:
            container_id = self._parents[container_id]
        known = self._groups.get((hierarchy, container_id))
        return known or Group(self._roots[hierarchy] / container_id, hierarchy.version)

    # -- what is written -------------------------------------------------------------------------------------
    @abstractmethod
    def settings(self, group: Group, resources: Resources, limits: Mapping[str, int], *, running: bool) -> list[Write]:
        """What to write for these resources and limits; ``running`` when there are processes in the group.

        ``group`` is the one of the first controller.
        """

    def plan(self, container_id: ContainerId, config: ContainerConfig) -> list[Step]:
        """All that :meth:`prepare` does."""
        steps: list[Step] = []
        for hierarchy in self._trees:
            root = self._roots[hierarchy]
            if hierarchy.version == 2:
                steps += _hand_on(hierarchy.mount, self.v2_controller)
                for level in _levels(hierarchy.mount, root):
                    steps += self._made(level)
                    steps += _hand_on(level, self.v2_controller)
            else:
                for level in _levels(hierarchy.mount, root):
                    steps += self._made(level)
        return [*steps, *self._own(container_id, config)]

    def _own(self, container_id: ContainerId, config: ContainerConfig) -> list[Step]:
        """The part of it that is about the container's own groups."""
        steps: list[Step] = []
        for hierarchy in self._trees:
            group = self._group_in(hierarchy, container_id)
            steps.append(Make(group.path))
            if group.home != group.path:
                steps.append(Make(group.home))
        return [*steps, *self.settings(self.group(container_id), config.resources, config.limits, running=False)]

    def _made(self, group: Path) -> list[Step]:
        return [] if os.path.isdir(group) else [Make(group), *self.above(group)]  # noqa: PTH112 - for every task

    def above(self, group: Path) -> list[Write]:
        """What to write to a group that is made above those of all containers."""
        return []

    def joins(self, container_id: ContainerId) -> tuple[str, ...]:
        """The files by which the first process moves itself into the groups; what it forks is born there.

        Whoever writes ``0`` to ``tasks`` of version 1 moves the one thread that it is, and the kernel waits for nobody.
        Moving another process, or one with all its threads, waits until every processor has passed a quiet state.
        """
        groups = [self._group_in(hierarchy, container_id) for hierarchy in self._trees]
        return tuple(f"{group.home}/{THREADS_FILE if group.version == 1 else PROCESSES_FILE}" for group in groups)

    def explain(self, container_id: ContainerId, config: ContainerConfig) -> Sequence[str]:
        """Every directory and every write, in order; the last of them are the first process's own."""
        steps: list[Step] = [] if config.parent is not None else self.plan(container_id, config)
        return [str(step) for step in [*steps, *(Write(Path(join), "0") for join in self.joins(container_id))]]

    # -- Isolator --------------------------------------------------------------------------------------------
    async def recover(self, states: Sequence[ContainerState], orphans: Collection[ContainerId]) -> None:
        """Know the living again, and end the groups of containers that never got a process."""
        for state in states:
            self.remember(state.container_id, state.config)
            if state.config.parent is None and not self._is_ours(state.container_id):
                log.warning(
                    "Container %s was launched without isolator '%s', and goes on without it",
                    state.container_id,
                    self.name,
                )
        living = {state.container_id for state in states} | set(orphans)
        for hierarchy in self._trees:
            for container_id in set(self._book.containers(hierarchy.name)) - living:
                log.info("Container %s of an agent before never ran: ending its control groups", container_id)
                await self.end(container_id, [hierarchy])

    def remember(self, container_id: ContainerId, config: ContainerConfig) -> None:
        """A container is there, new or recovered."""
        # What an agent gave groups of its own, before there were shared ones, keeps them until it ends.
        if config.parent is not None and not (config.shares and self._is_ours(container_id)):
            self._parents[container_id] = config.parent
            if config.shares:
                self._sharing.add(container_id)
            return
        for hierarchy in self._trees:
            self._groups[hierarchy, container_id] = self._group_in(hierarchy, container_id)

    async def prepare(self, container_id: ContainerId, config: ContainerConfig) -> LaunchInfo | None:
        """Make the groups and set their bounds."""
        self.remember(container_id, config)
        if config.parent is not None:
            return LaunchInfo(joins=self.joins(container_id))
        groups = [self._group_in(one, container_id) for one in self._trees]
        self._book.claim(container_id, {one.name: group.path for one, group in zip(self._trees, groups, strict=True)})
        try:
            # What is above them was looked at for one before, and has not gone since, in all likelihood.
            perform(self._own(container_id, config) if self._is_prepared else self.plan(container_id, config))
        except OperatingFault as fault:
            if not isinstance(fault.__cause__, FileNotFoundError):
                raise
            # Another agent that ended has just removed the group above.
            perform(self.plan(container_id, config))
        self._is_prepared = True
        return LaunchInfo(joins=self.joins(container_id))

    async def update(self, container_id: ContainerId, resources: Resources, limits: Mapping[str, int]) -> None:
        """Set the bounds anew; nothing happens for a container whose groups are not ours, or that is nested."""
        if container_id not in self._parents and self._is_ours(container_id):
            perform(self.settings(self.group(container_id), resources, limits, running=True))

    async def cleanup(self, container_id: ContainerId) -> None:
        """End the groups with whoever is in them; those of a nested container are its parent's."""
        if self._parents.pop(container_id, None) is not None:
            self._sharing.discard(container_id)
            return
        await self.end(container_id, [one for one in self._trees if self._book.has(one.name, container_id)])
        for hierarchy in self._trees:
            self._groups.pop((hierarchy, container_id), None)

    async def close(self) -> None:
        """Remove the group above all containers', where no other agent has one there."""
        for hierarchy, root in self._roots.items():
            while root != hierarchy.mount and Group(root, hierarchy.version).remove_if_empty():
                root = root.parent

    def fence(self, container_id: ContainerId) -> Sequence[int] | None:
        """Everybody in the container's group; nobody leaves it whom root does not move.

        Whose groups are not root's has tasks of its own user in them, who may move themselves to any other of these.
        """
        if os.geteuid() != 0 or container_id in self._parents or not self._is_ours(container_id):
            return None
        return self.group(container_id).processes()

    def is_measured(self, container_id: ContainerId) -> bool:
        """Whether the container has a group of its own, which is there."""
        return container_id not in self._parents and self._is_ours(container_id) and self.group(container_id).exists()

    def is_bounded(self, container_id: ContainerId) -> bool:
        """Whether it has bounds, of its own or together with others; what is nested in a task has the task's."""
        if container_id in self._sharing:
            container_id = self._parents[container_id]
        return self.is_measured(container_id)

    def _is_ours(self, container_id: ContainerId) -> bool:
        return all(self._book.has(one.name, container_id) for one in self._trees)

    async def end(self, container_id: ContainerId, hierarchies: Sequence[Hierarchy]) -> None:
        """Remove groups that are ours, and cross them out."""
        gone: list[str] = []
        try:
            for hierarchy in reversed(hierarchies):
                await self._group_in(hierarchy, container_id).remove(self.config.cgroups_destroy_timeout)
                gone.append(hierarchy.name)
        finally:
            self._book.cross_out(container_id, gone)


def _levels(mount: Path, root: Path) -> list[Path]:
    """The groups from the one below ``mount`` down to ``root``."""
    return [*reversed([one for one in root.parents if one.is_relative_to(mount) and one != mount]), root]


def _hand_on(group: Path, controller: str | None) -> list[Step]:
    """Let groups below this one have the controller; no step where they have it already, or none is needed."""
    if not controller:
        return []
    try:
        handed_on = (group / SUBTREE_FILE).read_text().split()
    except FileNotFoundError:
        handed_on = []
    return [] if controller in handed_on else [Write(group / SUBTREE_FILE, f"+{controller}")]
