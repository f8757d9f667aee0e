"""What is known of a container while it is there, and what all who handle it have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from mesos_service.containers.launcher import Child, Fence
from mesos_service.containers.namespaces import Begun
from mesos_service.containers.plan import (
    REASON_KILLED_DURING_LAUNCH,
    REASON_LAUNCH_FAILED,
    LaunchFailed,
    LaunchPlan,
)
from mesos_service.domain.containers import Root
from mesos_service.domain.ids import ContainerId
from mesos_service.domain.resources import Resources, from_milli
from mesos_service.plugins.isolator import UNLIMITED, ContainerConfig, Isolator, Usage

_MEGABYTE = 1024 * 1024

Answer = TypeVar("Answer")


class Phase(StrEnum):
    """How far a container has come; the words are used in messages."""

    PROVISIONING = "PROVISIONING"
    PREPARING = "PREPARING"
    FETCHING = "FETCHING"
    ISOLATING = "ISOLATING"
    RUNNING = "RUNNING"
    DESTROYING = "DESTROYING"


@dataclass(slots=True, eq=False)
class Container:
    """One container, from the beginning of its launch until it is destroyed."""

    plan: LaunchPlan
    isolators: tuple[Isolator, ...]
    phase: Phase = Phase.PREPARING
    prepared: list[Isolator] = field(default_factory=list)
    """Those whose ``prepare`` was called, in that order."""
    resources: Resources = Resources.EMPTY
    limits: Mapping[str, int] = field(default_factory=dict)
    child: Child | None = None
    begun: Begun | None = None
    """Tells that all is done that isolators put before its command; ``None`` where they put nothing there, and when it
    was launched by an agent before this one."""
    reporting: bool = False
    """Whether an exit is to be reported as it happens: from the moment that ``launch`` gives out the process id."""
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when ``launch`` will do nothing more to the container."""
    root: Root | None = None
    """Its own root file system; after a restart of the agent it is not known any more, as nobody needs it."""
    fetching: asyncio.Task[None] | None = None
    """What takes long in a launch, and is given up when the container is destroyed."""
    watching: list[asyncio.Task[None]] = field(default_factory=list)
    post_mortem: asyncio.Task[None] | None = None
    """Asks isolators why the first process ended, and tells that it did."""
    limited: set[Isolator] = field(default_factory=set)
    """Those whose breach was told of: ``watch`` and ``post_mortem`` may both see it."""
    destroying: asyncio.Task[None] | None = None

    def go_on(self) -> None:
        """Raises :class:`LaunchFailed` when it is being destroyed: a launch asks this between its steps."""
        if self.destroying is not None:
            raise LaunchFailed(
                REASON_KILLED_DURING_LAUNCH,
                f"Container '{self.plan.container_id}' was destroyed during launch, while {self.phase}",
            )

    def fence(self) -> Fence | None:
        """Who tells for certain which processes are its own; ``None`` where nobody can."""
        container_id = self.plan.container_id
        for isolator in self.prepared:
            if isolator.fence(container_id) is not None:
                return lambda: isolator.fence(container_id) or ()
        return None

    def promised(self) -> Usage:
        """Limits as statistics: the request is the soft one, and the hard one of memory where none was given."""
        names = self.resources.quantities()
        cpus, memory = names.get("cpus"), names.get("mem")
        bounds = {name: limit for name, limit in self.limits.items() if limit != UNLIMITED}
        memory_limit = bounds.get("mem", None if "mem" in self.limits else memory)
        cpus_limit = bounds.get("cpus")
        return Usage(
            cpus_soft_limit=None if cpus is None else from_milli(cpus),
            cpus_limit=None if cpus_limit is None else from_milli(cpus_limit),
            mem_soft_limit_bytes=None if memory is None else memory * _MEGABYTE // 1000,
            mem_limit_bytes=None if memory_limit is None else memory_limit * _MEGABYTE // 1000,
        )


def config_of(
    plan: LaunchPlan, containers: Mapping[ContainerId, Container], root: Root | None = None
) -> ContainerConfig:
    """What isolators may know of it; ``containers`` are those that there are."""
    parent = None if plan.parent is None else containers.get(plan.parent)
    return ContainerConfig(
        sandbox=str(plan.sandbox),
        resources=plan.resources,
        limits=plan.limits,
        user=plan.user,
        parent=plan.parent,
        wishes=plan.wishes,
        parent_sandbox=None if parent is None else str(parent.plan.sandbox),
        rootfs=None if root is None else root.place,
    )


async def asked(isolator: Isolator, verb: str, answer: Coroutine[object, object, Answer]) -> Answer:
    """Whatever goes wrong inside an isolator fails the launch by the isolator's name."""
    try:
        return await answer
    except Exception as error:
        raise LaunchFailed(
            REASON_LAUNCH_FAILED, f"Isolator '{isolator.name}' failed to {verb}: {error or repr(error)}"
        ) from error


async def outcome(work: Coroutine[object, object, None], words: str = "") -> list[str]:
    """Do it, and give back the failure as text, so that what comes after is still done."""
    try:
        await work
    except Exception as failure:  # noqa: BLE001 - nothing may keep back what is still to be done
        return [f"{words}: {failure}" if words else str(failure)]
    return []
