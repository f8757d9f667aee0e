"""Into the namespaces of a container that is there already, for what is launched beside its task.

Whichever isolator made them, the kernel tells: a namespace of the container's process that is not the agent's own is
entered. But any user may make namespaces below a user namespace of his own, mount there what he likes over programs of
the machine, and wait for somebody who enters as root. So a namespace is entered only if it belongs to the agent's own
user namespace, of which the kernel keeps book, and by the descriptor that this was seen of: where the process is a
moment later does not matter.

Nothing is read here that is in the memory of the process: who maps a file of his own there can hold up its readers.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import signal
from collections.abc import Mapping
from typing import Final

from mesos_service.containers.plan import REASON_LAUNCH_FAILED, LaunchFailed

_KINDS: Final = {"ipc": "--ipc", "mnt": "--mount", "net": "--net", "uts": "--uts", "pid": "--pid"}
"""By kind, the option of ``nsenter``."""
_NS_GET_USERNS: Final = 0xB701
"""``ioctl_ns(2)``; Linux 4.9."""
_SEE_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_SEE: Final = os.O_RDONLY | os.O_CLOEXEC


class Begun:
    """A pipe by which a container's first process says that all is done that isolators put before its command.

    The command itself never has it. Belongs in the thread of the event loop.
    """

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._ears, self._mouth = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self.known: asyncio.Future[bool] = loop.create_future()
        """Whether it has begun; false when nothing will be heard of that any more."""
        loop.add_reader(self._ears, self._settle, True)

    @property
    def path(self) -> str:
        """Where the process finds it, for as long as it is not known."""
        return f"/proc/{os.getpid()}/fd/{self._mouth}"

    def close(self) -> None:
        """It has ended, or nobody listens any more."""
        self._settle(False)

    def _settle(self, begun: bool) -> None:
        if self.known.done():
            return
        asyncio.get_running_loop().remove_reader(self._ears)
        os.close(self._ears)
        os.close(self._mouth)
        self.known.set_result(begun)


class Namespaces:
    """Those of a container that are not the agent's own, held open until who enters them has done so."""

    def __init__(self, handles: Mapping[str, int]) -> None:
        self._handles = dict(handles)

    @property
    def kinds(self) -> list[str]:
        """Which there are."""
        return list(self._handles)

    def entering(self) -> tuple[str, ...]:
        """The command prefix that leads there; the programs after it are those of the machine.

        Raises:
            LaunchFailed: the program for it is not there.
        """
        program = shutil.which("nsenter")
        if program is None:
            raise LaunchFailed(
                REASON_LAUNCH_FAILED,
                "To run beside a process in its namespaces takes the program 'nsenter' (util-linux)",
            )
        return (program, *(f"{_KINDS[kind]}={path}" for kind, path in self.files().items()), "--")

    def files(self) -> dict[str, str]:
        """Their files, by kind, until it is closed."""
        return {kind: f"/proc/{os.getpid()}/fd/{handle}" for kind, handle in self._handles.items()}

    def close(self) -> None:
        """Let go of them; may be called again."""
        for handle in self._handles.values():
            os.close(handle)
        self._handles.clear()


def namespaces_of(pid: int, handle: int | None, *, stays: bool) -> Namespaces | None:
    """Where ``pid`` is, a container's first process; ``None`` when that is here. ``handle`` is a process descriptor of
    it, without which its number is believed.

    A process may have gone into a namespace that belongs to a user's: nobody follows it there. Where it ``stays`` in
    what was made for it (its isolators may have made that very kind) this fails; else the agent's own is meant.

    Raises:
        LaunchFailed: the process is gone, or it cannot be followed.
        OSError: too many files are open.
    """
    handles: dict[str, int] = {}
    process = -1
    try:
        process = _innermost(pid)
        if handle is not None:
            # It is not reaped, so its number was not another's until now.
            signal.pidfd_send_signal(handle, 0)
        for kind in _KINDS:
            found = os.open(f"ns/{kind}", _SEE, dir_fd=process)
            if _inode(found) == _inode_of(f"/proc/self/ns/{kind}"):
                os.close(found)
            elif _is_ours(found):
                handles[kind] = found
            else:
                os.close(found)
                if stays:
                    raise LaunchFailed(
                        REASON_LAUNCH_FAILED,
                        f"Process {pid} has gone into a namespace ({kind}) that belongs to a user namespace of"
                        " its own, where nobody can be launched",
                    )
    except PermissionError:
        # Another user's process, and we are not root: then nobody gave it namespaces either.
        _close_all(handles)
    except (FileNotFoundError, ProcessLookupError) as error:
        _close_all(handles)
        raise LaunchFailed(REASON_LAUNCH_FAILED, f"Process {pid} has ended") from error
    except BaseException:
        _close_all(handles)
        raise
    finally:
        if process >= 0:
            os.close(process)
    return Namespaces(handles) if handles else None


def _innermost(pid: int) -> int:
    """A descriptor of its directory in ``/proc``, which is never another's; or, as who makes a namespace of processes
    stands outside it, of its child's inside."""
    process = os.open(f"/proc/{pid}", _SEE_DIRECTORY)
    try:
        while (inside := _child_inside(process, pid)) is not None:
            os.close(process)
            process, pid = inside
    except BaseException:
        os.close(process)
        raise
    return process


def _child_inside(process: int, pid: int) -> tuple[int, int] | None:
    """A child in the namespace of processes that its own children are in, where that is another one and ours."""
    try:
        inner = os.open("ns/pid_for_children", _SEE, dir_fd=process)
    except FileNotFoundError:
        return None  # It has ended, or has no child there yet.
    try:
        if _inode(inner) == _inode_of("ns/pid", process) or not _is_ours(inner):
            return None
        for name in _content(f"task/{pid}/children", process).split():
            try:
                child = os.open(f"/proc/{name.decode()}", _SEE_DIRECTORY)
            except FileNotFoundError:
                continue
            try:
                is_inside = _inode_of("ns/pid", child) == _inode(inner)
            except (FileNotFoundError, ProcessLookupError):
                is_inside = False
            if is_inside:
                return child, int(name)
            os.close(child)
        return None
    finally:
        os.close(inner)


def _is_ours(handle: int) -> bool:
    """Whether a namespace belongs to the user namespace that the agent is in."""
    try:
        owner = fcntl.ioctl(handle, _NS_GET_USERNS)
    except PermissionError:
        return False  # It belongs to one that is not below the agent's.
    try:
        return _inode(owner) == _inode_of("/proc/self/ns/user")
    finally:
        os.close(owner)


def _inode(handle: int) -> tuple[int, int]:
    status = os.fstat(handle)
    return status.st_dev, status.st_ino


def _inode_of(path: str, at: int | None = None) -> tuple[int, int]:
    status = os.stat(path, dir_fd=at)
    return status.st_dev, status.st_ino


def _content(path: str, at: int) -> bytes:
    handle = os.open(path, _SEE, dir_fd=at)
    try:
        return os.read(handle, 1 << 16)
    finally:
        os.close(handle)


def _close_all(handles: dict[str, int]) -> None:
    for handle in handles.values():
        os.close(handle)
    handles.clear()
