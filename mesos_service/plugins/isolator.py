"""The isolator: puts one aspect of a container under control, and measures it (Mesos ``isolator.hpp``; M-AG-03).

An isolator touches the machine, so its methods are coroutines. The containerizer calls ``prepare`` of all isolators
one after another, in the order of the configuration; then it forks the process, which waits; then ``isolate`` of all,
side by side; only then the command is executed (X50). ``watch``, ``update``, ``usage`` and ``status`` go to all, and
``cleanup`` comes one by one in reverse order when no process is left (X51).

Every method is idempotent, and ``cleanup`` may come for a container that this isolator never heard of.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Protocol

from mesos_service.domain.containers import NOTHING, Capabilities, Mount, Wish, Wishes
from mesos_service.domain.ids import ContainerId
from mesos_service.domain.resources import Resources

API_VERSION = 1
UNLIMITED = -1
"""A limit that says there is to be none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerConfig:
    """What an isolator may know of a container before its process exists."""

    sandbox: str
    """Absolute path of the working directory."""
    resources: Resources
    limits: Mapping[str, int] = field(default_factory=dict)
    """Upper bounds by resource name, in thousandths, or :data:`UNLIMITED`; a name that is not here is bounded as the
    isolator sees fit."""
    user: str | None = None
    """``None``: the agent's own."""
    parent: ContainerId | None = None
    """The container that this one is nested in."""
    shares: bool = False
    """Whether ``parent`` is an executor without a process, whose bounds this container and others have together; only
    isolators that are ``shareable`` see it so."""
    wishes: Wishes = NOTHING
    """What it asks for beside resources; each kind of it is given by an isolator that ``provides`` it."""
    parent_sandbox: str | None = None
    """Absolute path of the working directory of the container that this one is nested in."""
    rootfs: str | None = None
    """Absolute path of what is to be its root, where that is one of its own; nothing is there yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerState:
    """A container that outlived an agent; told to :meth:`Isolator.recover`."""

    container_id: ContainerId
    pid: int
    config: ContainerConfig


class SystemCallFilter(Protocol):
    """Which system calls a container may make; it can depend on what is left of root's powers."""

    def program(self, capabilities: Capabilities | None) -> bytes:
        """What ``seccomp(2)`` is given: ``sock_filter``s of this machine. ``None``: what comes with its user.

        Raises what fails the launch.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchInfo:
    """What an isolator adds to the launch that it prepared."""

    environment: Mapping[str, str] = field(default_factory=dict)
    """Wins over the task's own variables; of two isolators the later one wins."""
    command_prefix: tuple[str, ...] = ()
    """A program (absolute path) and its arguments that execute the rest of the command line in their place, such as
    ``prlimit``. It runs as the agent's user, before a switch of user; the first isolator's prefix is outermost."""
    capabilities: Capabilities | None = None
    """What the process is to have of root's powers, whoever it is; ``None`` leaves what comes with its user."""
    mounts: tuple[Mount, ...] = ()
    """Made in this order just before the command; there must be a ``command_prefix`` into a mount namespace. A target
    is below the container's own root where its ``target_root`` is that ``rootfs``."""
    system_calls: SystemCallFilter | None = None
    """Installed last of all, in the process that is about to execute the command; ``None`` allows all of them."""
    joins: tuple[str, ...] = ()
    """Files that the process writes ``0`` to before all else, which moves it into their control groups; where it
    cannot, the launch fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limitation:
    """A breach: the container is to be destroyed."""

    resources: Resources
    """What was used too much of; empty where that cannot be said."""
    message: str
    reason: str
    """A Mesos task status reason such as ``REASON_CONTAINER_LIMITATION_MEMORY``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Partial statistics: ``None`` is "not measured". Names and units are Mesos' ``ResourceStatistics``."""

    timestamp: float | None = None
    """Unix seconds."""
    processes: int | None = None
    threads: int | None = None
    cpus_user_time_secs: float | None = None
    cpus_system_time_secs: float | None = None
    cpus_limit: float | None = None
    cpus_soft_limit: float | None = None
    cpus_nr_periods: int | None = None
    cpus_nr_throttled: int | None = None
    cpus_throttled_time_secs: float | None = None
    mem_total_bytes: int | None = None
    mem_total_memsw_bytes: int | None = None
    mem_kmem_usage_bytes: int | None = None
    mem_kmem_tcp_usage_bytes: int | None = None
    mem_limit_bytes: int | None = None
    mem_soft_limit_bytes: int | None = None
    mem_file_bytes: int | None = None
    mem_anon_bytes: int | None = None
    mem_cache_bytes: int | None = None
    mem_rss_bytes: int | None = None
    mem_mapped_file_bytes: int | None = None
    mem_swap_bytes: int | None = None
    mem_unevictable_bytes: int | None = None
    disk_used_bytes: int | None = None
    disk_limit_bytes: int | None = None

    def merged(self, other: Usage) -> Usage:
        """Both together; where both measured the same, ``other`` wins."""
        measured = {name: getattr(self, name) for name in USAGE_FIELDS}
        measured.update(other.measured())
        return Usage(**measured)

    def measured(self) -> dict[str, float | int]:
        """Only what was measured, by Mesos' names."""
        pairs = ((name, getattr(self, name)) for name in USAGE_FIELDS)
        return {name: value for name, value in pairs if value is not None}


USAGE_FIELDS: tuple[str, ...] = tuple(item.name for item in fields(Usage))


class Host(Protocol):
    """What the containerizer tells its isolators; handed in so that a fake can stand in its place."""

    def processes(self, container_id: ContainerId) -> Sequence[int]:
        """The process ids that belong to the container now, or at most a second ago; empty when there is none."""


class Isolator(ABC):
    """Base of every isolator module; one file, one class. The defaults do nothing, which is always lawful.

    Whatever a method raises before the command runs fails the launch, with the isolator's name in the message.
    """

    name: ClassVar[str]
    api_version: ClassVar[int] = API_VERSION
    Config: ClassVar[type[Any] | None] = None  # Any: a pydantic model of the module author's choosing
    nesting: ClassVar[bool] = False
    """Whether it is asked about nested containers too."""
    shareable: ClassVar[bool] = False
    """Whether tasks of one executor can have together what it makes. Then it is asked to ``prepare``, ``update`` and
    ``cleanup`` the executor's container, which has no process, and the tasks' are nested in that."""
    provides: ClassVar[frozenset[Wish]] = frozenset()
    """What containers may ask for where this isolator is there; whoever asks for what nobody provides is refused."""
    isolates_before_exec: ClassVar[bool] = True
    """Whether the command must wait for :meth:`isolate`. ``False`` saves the wait where nothing depends on it."""

    def __init__(self, host: Host, config: Any = None) -> None:  # Any: an instance of Config
        self.host = host
        self.config = config

    async def recover(  # noqa: B027 - silence is a sensible default
        self, states: Sequence[ContainerState], orphans: Collection[ContainerId]
    ) -> None:
        """An agent has started: know the living containers of the one before it, and its orphans so that cleanup works.

        Called before anything else, also when there is nothing. What an isolator left in neither is its own to end.
        """

    async def prepare(self, container_id: ContainerId, config: ContainerConfig) -> LaunchInfo | None:
        """The process does not exist yet; say what the launch needs."""
        return None

    def explain(self, container_id: ContainerId, config: ContainerConfig) -> Sequence[str]:
        """A line for each thing that ``prepare`` and ``isolate`` would do to the machine; does none of them (N27)."""
        return ()

    async def isolate(self, container_id: ContainerId, pid: int) -> None:  # noqa: B027
        """Put the process, which waits, under control."""

    async def watch(self, container_id: ContainerId) -> Limitation | None:
        """Return only at a breach; it is cancelled when the container ends. ``None``: nothing is ever watched."""
        return None

    async def post_mortem(self, container_id: ContainerId) -> Limitation | None:
        """The container's first process has ended: say if there was a breach. Asked before anybody is told of the end,
        and before ``cleanup``; for breaches that the kernel punishes faster than ``watch`` can tell."""
        return None

    async def update(  # noqa: B027
        self, container_id: ContainerId, resources: Resources, limits: Mapping[str, int]
    ) -> None:
        """New totals for a container that may be running; ``limits`` in thousandths.

        Called for executors that share what they have with tasks (``shareable``), as tasks come and go; all others
        keep the resources they were launched with.
        """

    async def usage(self, container_id: ContainerId) -> Usage:
        """What was measured; the containerizer merges what all isolators say."""
        return Usage()

    def fence(self, container_id: ContainerId) -> Sequence[int] | None:
        """The process ids of the whole container, where it has no way to get out of what this isolator put it in;
        ``None`` where that cannot be said. Saves looking for its processes among all of the machine's."""
        return None

    async def status(self, container_id: ContainerId) -> Mapping[str, object]:
        """Such as network addresses and cgroup paths."""
        return {}

    async def cleanup(self, container_id: ContainerId) -> None:  # noqa: B027
        """No process is left; never called before ``prepare`` has come back."""

    async def close(self) -> None:  # noqa: B027
        """The agent ends for good, and no container is left: remove what was made for all of them."""
