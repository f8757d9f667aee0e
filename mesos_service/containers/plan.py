"""What a container is to be, and why it could not be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mesos_service.domain.containers import NOTHING, Wishes
from mesos_service.domain.errors import OperatingFault
from mesos_service.domain.ids import ContainerId
from mesos_service.domain.resources import Resources

REASON_LAUNCH_FAILED = "REASON_CONTAINER_LAUNCH_FAILED"
REASON_KILLED_DURING_LAUNCH = "REASON_TASK_KILLED_DURING_LAUNCH"

CONTAINER_ID_VARIABLE = "MESOS_CONTAINER_ID"
"""Set for every container, so that a process which left its parents can still be told to belong to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UriSpec:
    """A file to fetch into the sandbox (Mesos: ``CommandInfo.URI``)."""

    value: str
    executable: bool = False
    """Set the executable bits; such a file is never extracted."""
    extract: bool = True
    output_file: str | None = None
    """Path inside the sandbox; the last part of ``value`` when absent."""
    cache: bool = False
    """Bring it once for all who ask for it."""


@dataclass(frozen=True, slots=True)
class Streams:
    """Open file descriptors for the process; they stay who opened them's to close, once it is launched."""

    stdin: int | None
    """``None``: nothing to be read."""
    stdout: int
    stderr: int
    terminal: str | None = None
    """Path of a pseudo-terminal's other end, which takes the place of all three and controls the session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedWith:
    """Whose control groups a container is in together with others: those of its executor."""

    container_id: ContainerId
    resources: Resources
    """The executor's own, which those of the containers are added to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchPlan:
    """Everything the containerizer needs to know; whoever makes it has decided all there is to decide."""

    container_id: ContainerId
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    sandbox: Path
    """Absolute; the working directory. ``stdout`` and ``stderr`` are appended to in it."""
    resources: Resources
    limits: Mapping[str, int] = field(default_factory=dict)
    """Thousandths by resource name."""
    program: str | None = None
    """What is executed, when that is not ``argv[0]``."""
    missing_program_status: int | None = None
    """Exit status when the program cannot be executed; ``None`` leaves it to the shell (127, 126)."""
    user: str | None = None
    """``None``: the agent's own."""
    uris: tuple[UriSpec, ...] = ()
    parent: ContainerId | None = None
    shared: SharedWith | None = None
    """``None``: its control groups are its own, or its parent's where it has one."""
    own_groups: bool = False
    """Whether it has control groups of its own although it has a parent."""
    streams: Streams | None = None
    """In place of the files in the sandbox."""
    directory: str | None = None
    """Where it sees its sandbox, when its root is not the machine's: its own (``wishes.image``) or its parent's."""
    survives: bool = False
    """Whether it is to outlive the agent."""
    wishes: Wishes = NOTHING
    """What it asks for beside resources."""


class LaunchFailed(OperatingFault):
    """The container could not be launched, and nothing of it is left. ``reason`` is a Mesos task status reason."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class DestroyFailed(OperatingFault):
    """Something of the container may be left; the text says what."""
