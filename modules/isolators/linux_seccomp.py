"""``linux/seccomp``: which system calls the processes of a container may make (M-AG-08; Mesos docs, "linux/seccomp").

By a profile in ``--seccomp_config_dir``, in Docker's form: the one that a task names in ``linux_info.seccomp``, else
``--seccomp_profile_name``; a task that is ``unconfined`` may make all calls. A profile is read anew for each launch, so
that it can be exchanged; who runs keeps what he began with.

The filter is installed last of all, in the process that is about to execute the command, as its user already. So a
profile has to allow what a program needs to begin (``execve``, ``capset`` where there are capabilities, ``chdir`` and
``openat``), and nothing that isolators do. What is nested in a container has its profile, too.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict

from mesos_service.domain.containers import CAPABILITIES, Capabilities, Seccomp, Wish
from mesos_service.domain.errors import ConfigurationError, OperatingFault
from mesos_service.domain.ids import ContainerId
from mesos_service.plugins.isolator import ContainerConfig, Host, Isolator, LaunchInfo
from mesos_service.seccomp.library import Library
from mesos_service.seccomp.profile import NotAProfile, read_profile

_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_PROFILE_BYTES_MAX: Final = 1 << 20
_PROGRAMS_KEPT: Final = 32
_INSTRUCTION_BYTES: Final = 8


class Config(BaseModel):
    """The agent's flags of these names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seccomp_config_dir: Path | None = None
    seccomp_profile_name: str | None = None


@dataclass(frozen=True, slots=True)
class _Filter:
    """Of one container."""

    isolator: LinuxSeccomp
    name: str
    data: bytes

    def program(self, capabilities: Capabilities | None) -> bytes:
        """See :class:`~mesos_service.plugins.isolator.SystemCallFilter`."""
        bounding = _of_this_process() if capabilities is None else capabilities.bounding
        return self.isolator.program(self.name, self.data, bounding)


class LinuxSeccomp(Isolator):
    """By libseccomp; takes root, as a filter without ``no_new_privs`` does."""

    name = "linux/seccomp"
    Config: ClassVar[type[Any] | None] = Config
    nesting = True
    provides = frozenset({Wish.SECCOMP})
    isolates_before_exec = False

    def __init__(self, host: Host, config: Any = None) -> None:  # Any: an instance of Config
        super().__init__(host, config if config is not None else Config())
        if os.geteuid() != 0:
            raise ConfigurationError("Isolator 'linux/seccomp' takes root: take it out of --isolation")
        self._directory: Path | None = self.config.seccomp_config_dir
        if self._directory is None:
            raise ConfigurationError(
                "Isolator 'linux/seccomp' needs --seccomp_config_dir, the directory with profiles of system calls"
            )
        _require_filters()
        try:
            self._library = Library()
        except ConfigurationError as refusal:
            raise ConfigurationError(f"Isolator 'linux/seccomp': {refusal}") from refusal
        self._compiled = lru_cache(_PROGRAMS_KEPT)(self._compile)
        default: str | None = self.config.seccomp_profile_name
        if default is not None:
            why = Seccomp(default).refusal()
            if why is not None:
                raise ConfigurationError(f"--seccomp_profile_name: {why}")
            try:
                self.program(default, self._read(default), _of_this_process())
            except OperatingFault as fault:
                raise ConfigurationError(f"--seccomp_profile_name: {fault}") from fault

    def chosen(self, config: ContainerConfig) -> str | None:
        """The profile of a container; ``None`` for all calls."""
        asked = config.wishes.seccomp
        if asked is None:
            default: str | None = self.config.seccomp_profile_name
            return default
        return None if asked.unconfined else asked.profile

    def program(self, name: str, data: bytes, capabilities: frozenset[str]) -> bytes:
        """Raises :class:`OperatingFault`, with the profile's name."""
        try:
            return self._compiled(data, capabilities)
        except (NotAProfile, OperatingFault) as fault:
            raise OperatingFault(f"profile '{name}' of system calls: {fault}") from fault

    def _compile(self, data: bytes, capabilities: frozenset[str]) -> bytes:
        return self._library.program(read_profile(data), capabilities)

    def _read(self, name: str) -> bytes:
        assert self._directory is not None, "it was asked for"
        try:
            # Closed by whoever opens, whatever it is: a task that names a directory would take a descriptor each time.
            with open(self._directory / name, "rb", opener=_without_waiting) as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise OperatingFault(f"profile '{name}' of system calls cannot be read: it is no file")
                data = file.read(_PROFILE_BYTES_MAX + 1)
        except OSError as error:
            raise OperatingFault(
                f"profile '{name}' of system calls cannot be read from {self._directory}: {error.strerror}"
            ) from error
        if len(data) > _PROFILE_BYTES_MAX:
            raise OperatingFault(f"profile '{name}' of system calls is larger than {_PROFILE_BYTES_MAX} bytes")
        return data

    def _filter(self, config: ContainerConfig) -> _Filter | None:
        name = self.chosen(config)
        return None if name is None else _Filter(self, name, self._read(name))

    def explain(self, container_id: ContainerId, config: ContainerConfig) -> list[str]:
        """The profile, and how long a program it is; with capabilities of its own a container's may be another."""
        made = self._filter(config)
        if made is None:
            return []
        length = len(made.program(None)) // _INSTRUCTION_BYTES
        return [f"install a filter of system calls made of profile '{made.name}' ({length} instructions)"]

    async def prepare(self, container_id: ContainerId, config: ContainerConfig) -> LaunchInfo | None:
        """Say what the kernel is to be given.

        Raises:
            OperatingFault: there is no such profile, or it cannot be used.
        """
        made = self._filter(config)
        if made is None:
            return None
        made.program(None)  # What is wrong with it is said before anything is made.
        return LaunchInfo(system_calls=made)


def _without_waiting(path: str, flags: int) -> int:
    # A pipe or a device would keep the whole agent waiting.
    return os.open(path, flags | os.O_NONBLOCK)


def _require_filters() -> None:
    """Raises :class:`ConfigurationError` where the kernel has no filters: it would look at the program otherwise."""
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_MODE_FILTER), ctypes.c_ulong(0), 0, 0)
    if result != -1 or ctypes.get_errno() != errno.EFAULT:
        raise ConfigurationError("Isolator 'linux/seccomp' needs a kernel with CONFIG_SECCOMP_FILTER")


def _of_this_process() -> frozenset[str]:
    """What a container's processes can have at most where nobody takes anything away."""
    lines = Path("/proc/self/status").read_text().splitlines()
    [bounding] = [int(line.split()[1], 16) for line in lines if line.startswith("CapBnd:")]
    return frozenset(name for number, name in enumerate(CAPABILITIES) if bounding >> number & 1)
