"""What a container asks for beside resources: limits of its processes, capabilities, volumes (Mesos: ContainerInfo)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_CAPABILITIES = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE"
    " NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT"
    " SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL"
    " SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
)
CAPABILITIES: Final = tuple(_CAPABILITIES.split())
"""Linux' capabilities in the order of their numbers, without ``CAP_`` (capabilities(7))."""

_RLIMITS = "AS CORE CPU DATA FSIZE LOCKS MEMLOCK MSGQUEUE NICE NOFILE NPROC RSS RTPRIO RTTIME SIGPENDING STACK"
RLIMITS: Final = tuple(_RLIMITS.split())
"""Limits of processes, without ``RLIMIT_`` (getrlimit(2))."""


class Wish(StrEnum):
    """The kinds of things that a container may ask for, each of which some isolator has to give."""

    RLIMITS = "rlimit_info"
    CAPABILITIES = "linux_info.capabilities"
    VOLUMES = "volumes"
    IMAGE = "mesos.image"
    IPC = "linux_info.ipc_mode"
    SECCOMP = "linux_info.seccomp"
    PROCESSES = "linux_info.share_pid_namespace"
    """Never missed: who shares where nobody has his own gets what he asks for."""


class IpcMode(StrEnum):
    """Whose System V IPC, POSIX queues and shared memory a container has (Mesos: ``LinuxInfo.IpcMode``)."""

    PRIVATE = "PRIVATE"
    """Its own."""
    SHARE_PARENT = "SHARE_PARENT"
    """Those of the container around it, or where there is none, of the machine."""


@dataclass(frozen=True, slots=True)
class Rlimit:
    """A limit of each process. ``soft`` and ``hard`` in the limit's own unit, both or neither: then there is none."""

    name: str
    soft: int | None = None
    hard: int | None = None

    def refusal(self) -> str | None:
        """Why it cannot be; ``None`` when it can."""
        if self.name not in RLIMITS:
            return f"There is no limit '{self.name}'"
        if (self.soft is None) != (self.hard is None):
            return f"Limit '{self.name}' has only one of its soft and its hard bound"
        if self.soft is not None and self.hard is not None and self.soft > self.hard:
            return f"Limit '{self.name}' has a soft bound of {self.soft}, above its hard one of {self.hard}"
        return None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a process has, and the most it can ever have: ``effective`` is a part of ``bounding``."""

    effective: frozenset[str]
    bounding: frozenset[str]

    def setpriv(self) -> tuple[str, ...]:
        """As options of ``setpriv`` (util-linux)."""
        begin = _only(self.effective)
        options = (f"--bounding-set={_only(self.bounding)}", f"--inh-caps={begin}", f"--ambient-caps={begin}")
        return options if self.effective == self.bounding else (*options, "--securebits=+noroot")


@dataclass(frozen=True, slots=True)
class Seccomp:
    """Which system calls a container may make: those of a profile of the agent's, or all."""

    profile: str | None = None
    unconfined: bool = False
    """Even where the agent has a profile for all."""

    def refusal(self) -> str | None:
        """Why it cannot be; ``None`` when it can."""
        if self.unconfined:
            return (
                None
                if self.profile is None
                else f"The container asks for the profile '{self.profile}' of system calls, and to be unconfined"
            )
        if not self.profile:
            return "The container asks for a profile of system calls, and does not say which"
        if self.profile.startswith("/") or "\0" in self.profile or ".." in self.profile.split("/"):
            return f"There is no profile '{self.profile}' of system calls: it leads out of where profiles are"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """Something that is seen somewhere else too. A path below a root is followed through no symbolic link."""

    source: str
    source_root: str | None
    """``None``: ``source`` is absolute."""
    target: str
    target_root: str | None
    read_only: bool


class Source(StrEnum):
    """Where a volume is taken from."""

    HOST = "HOST_PATH"
    SANDBOX = "SANDBOX_PATH"
    PARENT = "PARENT_SANDBOX_PATH"
    """The sandbox of the container that this one is nested in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A directory or file that the container sees somewhere else too (Mesos docs, "Container volumes")."""

    source: Source
    path: str
    """Absolute on the host; in a sandbox, within it."""
    container_path: str
    """Absolute, or within the sandbox."""
    read_only: bool = False

    def refusal(self) -> str | None:
        """Why it cannot be; ``None`` when it can."""
        for name, path in (("path", self.path), ("container_path", self.container_path)):
            if not path or "\0" in path or ".." in path.split("/"):
                return f"A volume has the {name} '{path}', which leads nowhere or out of where it belongs"
        if self.source is Source.HOST and not self.path.startswith("/"):
            return f"A volume of the host has to be an absolute path, and '{self.path}' is none"
        if self.source is not Source.HOST and self.path.startswith("/"):
            return f"A volume of a sandbox has to be a path in it, and '{self.path}' is absolute"
        return None


@dataclass(frozen=True, slots=True)
class Image:
    """What a container's root file system is made of, by name: ``busybox`` or ``tools/busybox:1.36``."""

    name: str

    def refusal(self) -> str | None:
        """Why it cannot be; ``None`` when it can."""
        parts = self.name.split("/")
        if "\0" in self.name or any(part in ("", ".", "..") for part in parts):
            return f"There is no image '{self.name}': it leads nowhere or out of where images are"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """A root file system for one container: directories of the machine, of which its process lays it out."""

    place: str
    """Where, and what isolators call it by."""
    lower: str
    """What the image has."""
    upper: str | None = None
    """Where changes go, of this container's own; ``None`` where there are no layers."""
    work: str | None = None
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """All that one container asks for; ``None`` where it says nothing."""

    rlimits: tuple[Rlimit, ...] = ()
    effective_capabilities: frozenset[str] | None = None
    bounding_capabilities: frozenset[str] | None = None
    volumes: tuple[Volume, ...] = ()
    image: Image | None = None
    ipc_mode: IpcMode | None = None
    shm_megabytes: int | None = None
    """How large its own ``/dev/shm`` may become."""
    seccomp: Seccomp | None = None
    shares_processes: bool = False
    """Whether it is to see, and be seen by, the processes that the container around it or the machine has."""

    def kinds(self) -> frozenset[Wish]:
        """What has to be given."""
        asked = {
            Wish.RLIMITS: bool(self.rlimits),
            Wish.CAPABILITIES: self.effective_capabilities is not None or self.bounding_capabilities is not None,
            Wish.VOLUMES: bool(self.volumes),
            Wish.IMAGE: self.image is not None,
            Wish.IPC: self.ipc_mode is not None or self.shm_megabytes is not None,
            # To be unconfined is what it gets where nobody confines.
            Wish.SECCOMP: self.seccomp is not None and not self.seccomp.unconfined,
        }
        return frozenset(kind for kind, wanted in asked.items() if wanted)

    def refusals(self) -> Iterator[str]:
        """Why it cannot be, a sentence for each thing; nothing when it can."""
        for one in (*self.rlimits, *self.volumes, self.image, self.seccomp):
            refusal = None if one is None else one.refusal()
            if refusal is not None:
                yield refusal
        if self.shm_megabytes is not None and self.ipc_mode is not IpcMode.PRIVATE:
            yield "The container asks for a size of /dev/shm, which takes the ipc_mode PRIVATE"
        if self.shm_megabytes == 0:
            yield "The container asks for a /dev/shm of 0 MB, which to the kernel is one without a bound"


NOTHING: Final = Wishes()


def in_order(capabilities: Iterable[str]) -> tuple[str, ...]:
    """As the kernel numbers them."""
    there = set(capabilities)
    return tuple(name for name in CAPABILITIES if name in there)


def mask(capabilities: Iterable[str]) -> int:
    """As a number, one bit for each."""
    return sum(1 << CAPABILITIES.index(name) for name in capabilities)


def _only(capabilities: Iterable[str]) -> str:
    return ",".join(["-all", *(f"+{name.lower()}" for name in in_order(capabilities))])
