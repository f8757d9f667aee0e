"""Containers with volumes: what is mounted is looked at before they are launched, and mounted by ``enter.py``."""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mesos_service.containers import enter
from mesos_service.containers.namespaces import Namespaces
from mesos_service.containers.plan import REASON_LAUNCH_FAILED, LaunchFailed
from mesos_service.containers.users import User
from mesos_service.domain.containers import Capabilities, Mount, Root, mask


def _kept_clear() -> frozenset[Path]:
    """Where no volume may be: what is executed there, or read on the way, would be executed as root for the next
    process of the container (a session, a check), before it becomes the container's user."""
    names = ("/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/sbin", "/sys", "/usr")
    own = (sys.prefix, sys.base_prefix, Path(sys.executable).parent, Path(enter.__file__).parents[1])
    return frozenset(Path(one).resolve() for one in (*names, *own))


@dataclass(frozen=True, slots=True)
class Inside:
    """How a process comes to a root that is not the machine's; one of both."""

    directory: str
    """Where it sees its sandbox, and begins."""
    root: Root | None
    """Its own, to be laid out."""
    joined: Namespaces | None
    """Where it is."""


def look(mounts: Sequence[Mount], sandbox: Path, rootfs: str | None = None) -> None:
    """See that everything can be mounted, and make what is missing in a sandbox.

    What is found is looked for again when it is mounted; this is for saying what is wrong in a task's status. What is
    to be in a root of the container's own (``rootfs``) is only looked for where it is taken from.

    Raises:
        LaunchFailed: something is not there, or not what it has to be; names it.
    """
    clear = _kept_clear()
    for one in mounts:
        # As the walk will take it: "//usr" and "/./usr" are the same place.
        at = Path("/", *(part for part in one.target.split("/") if part not in ("", ".")))
        covers = any(at.is_relative_to(kept) or kept.is_relative_to(at) for kept in clear)
        if one.target_root == enter.MACHINE and covers:
            raise LaunchFailed(
                REASON_LAUNCH_FAILED, f"No volume can be seen at '{at}', where programs of the machine are"
            )
        try:
            if rootfs is not None and one.target_root == rootfs:
                ends: tuple[int, ...] = (enter.open_in(one.source_root, one.source, _owner(sandbox)),)
            else:
                ends = enter.both_ends(asdict(one), _owner(sandbox))
        except OSError as error:
            raise LaunchFailed(
                REASON_LAUNCH_FAILED, f"Volume '{one.source}' cannot be seen at '{one.target}': {error.strerror}"
            ) from error
        except enter.CannotEnter as error:
            raise LaunchFailed(REASON_LAUNCH_FAILED, f"Volume: {error}") from error
        for end in ends:
            os.close(end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Becoming:
    """Who the process is when it executes the command, and what it may do."""

    user: User | None
    """``None``: the agent's own."""
    capabilities: Capabilities | None
    system_calls: bytes | None
    """A program for ``seccomp(2)``; ``None`` allows all."""


def entering(mounts: Sequence[Mount], sandbox: Path, becoming: Becoming) -> tuple[str, ...]:
    """The program that mounts, becomes the user, and executes what follows, whose path must be absolute."""
    return _program(enter.__file__, _specification(mounts, sandbox, becoming))


def entering_root(
    inside: Inside,
    mounts: Sequence[Mount],
    sandbox: Path,
    becoming: Becoming,
    program: str | None,
    missing_program_status: int | None,
) -> tuple[str, ...]:
    """The same into a root that is not the machine's, where what follows is looked for."""
    machine = Path(enter.MACHINE).stat()
    specification = _specification(mounts, sandbox, becoming) | {
        "root": None if inside.root is None else asdict(inside.root),
        "join": None if inside.joined is None else inside.joined.files(),
        "machine": [machine.st_dev, machine.st_ino],
        "sandbox": str(sandbox),
        "directory": inside.directory,
        "program": program,
        "missing": missing_program_status,
    }
    return _program(str(Path(enter.__file__).with_name("enter_root.py")), specification)


def _program(path: str, specification: dict[str, object]) -> tuple[str, ...]:
    return (sys.executable, "-I", "-S", path, json.dumps(specification))


def _specification(mounts: Sequence[Mount], sandbox: Path, becoming: Becoming) -> dict[str, object]:
    user, capabilities, system_calls = becoming.user, becoming.capabilities, becoming.system_calls
    return {
        "mounts": [asdict(one) for one in mounts],
        "owner": _owner(sandbox),
        "user": None
        if user is None
        else {"uid": user.uid, "gid": user.gid, "groups": os.getgrouplist(user.name, user.gid)},
        "capabilities": None
        if capabilities is None
        else {"effective": mask(capabilities.effective), "bounding": mask(capabilities.bounding)},
        "system_calls": None if system_calls is None else base64.b64encode(system_calls).decode(),
    }


def _owner(sandbox: Path) -> tuple[int, int]:
    there = sandbox.stat()
    return there.st_uid, there.st_gid
