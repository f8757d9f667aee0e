"""Containers with volumes: what is mounted is looked at before they are launched, and mounted by ``enter.py``."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from mesos_service.containers import enter
from mesos_service.containers.plan import REASON_LAUNCH_FAILED, LaunchFailed
from mesos_service.containers.users import User
from mesos_service.domain.containers import Capabilities, Mount, mask


def _kept_clear() -> frozenset[Path]:
    """Where no volume may be: what is executed there, or read on the way, would be executed as root for the next
    process of the container (a session, a check), before it becomes the container's user."""
    names = ("/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/sbin", "/sys", "/usr")
    own = (sys.prefix, sys.base_prefix, Path(sys.executable).parent, Path(enter.__file__).parents[1])
    return frozenset(Path(one).resolve() for one in (*names, *own))


def look(mounts: Sequence[Mount], sandbox: Path) -> None:
    """See that everything can be mounted, and make what is missing in a sandbox.

    What is found is looked for again when it is mounted; this is for saying what is wrong in a task's status.

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
            ends = enter.both_ends(asdict(one), _owner(sandbox))
        except OSError as error:
            raise LaunchFailed(
                REASON_LAUNCH_FAILED, f"Volume '{one.source}' cannot be seen at '{one.target}': {error.strerror}"
            ) from error
        except enter.CannotEnter as error:
            raise LaunchFailed(REASON_LAUNCH_FAILED, f"Volume: {error}") from error
        for end in ends:
            os.close(end)


def entering(
    mounts: Sequence[Mount], sandbox: Path, user: User | None, capabilities: Capabilities | None
) -> tuple[str, ...]:
    """The program that mounts, becomes the user, and executes what follows, whose path must be absolute."""
    specification = {
        "mounts": [asdict(one) for one in mounts],
        "owner": _owner(sandbox),
        "user": None
        if user is None
        else {"uid": user.uid, "gid": user.gid, "groups": os.getgrouplist(user.name, user.gid)},
        "capabilities": None
        if capabilities is None
        else {"effective": mask(capabilities.effective), "bounding": mask(capabilities.bounding)},
    }
    return (sys.executable, "-I", "-S", enter.__file__, json.dumps(specification))


def _owner(sandbox: Path) -> tuple[int, int]:
    there = sandbox.stat()
    return there.st_uid, there.st_gid
