"""The last step into a container with a root file system of its own, or beside a process in one.

A small program, run by its path with nothing but the standard library and ``enter.py``:
``python -I -S enter_root.py SPECIFICATION COMMAND...``. It begins in a mount namespace of the container's own, lays out
the root there, makes it the root of all (``pivot_root``), lets go of the machine's, becomes the container's user and
executes the command. No program of the image runs as anybody else, and no program of the machine after that.

The specification is JSON, as that of ``enter.py`` and with ``"root"``, ``"join"``, ``"sandbox"``, ``"directory"``,
``"program"`` and ``"missing"`` (see :func:`main`). What is mounted below the root is found as a process in it would
find it (``openat2`` with ``RESOLVE_IN_ROOT``, Linux 5.6), so no link of an image leads out.
"""

# What is not needed is not imported: this is started for every task with an image.
# ruff: noqa: PTH116, PTH120

from __future__ import annotations

import codecs
import ctypes
import errno
import json
import os
import signal
import struct
import sys

# Behind the standard library: what else is installed there may have files of any name.
sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(__file__))))

from mesos_service.containers import enter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Never

_OPENAT2 = 437
"""On every architecture."""
_RESOLVE_NO_MAGICLINKS, _RESOLVE_IN_ROOT = 0x02, 0x10
_SEE = os.O_PATH | os.O_CLOEXEC
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_STRICTATIME = 2, 4, 8, 1 << 24
_MNT_DETACH = 2
_PATH = b"/bin:/usr/bin"
_NAMESPACES = {"ipc": 0x08000000, "net": 0x40000000, "uts": 0x04000000, "pid": 0x20000000, "mnt": 0x00020000}

# As Mesos has it (linux/fs.cpp, "chroot"): what of the kernel's is seen, and what of that may be changed.
_CLOSED = MS_NOSUID | MS_NODEV | MS_NOEXEC
_KERNEL_S = (
    ("proc", "/proc", _CLOSED, ""),
    ("sysfs", "/sys", _CLOSED | enter.MS_RDONLY, ""),
    ("tmpfs", "/dev", MS_NOSUID | MS_STRICTATIME, "mode=755,size=64k"),
    ("devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666"),
    ("tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV | MS_STRICTATIME, "mode=1777"),
)
_READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
_DEVICES = ("full", "null", "random", "tty", "urandom", "zero")
_DEVICE_LINKS = (
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
)
_OF_THE_MACHINE = ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf")
"""The container is in the machine's network, and finds others as the machine does."""


class Root:
    """A root that is being laid out, at a directory of the agent's."""

    def __init__(self, libc: ctypes.CDLL, place: str) -> None:
        self._libc = libc
        self._handle = os.open(place, _SEE | os.O_DIRECTORY)

    def find(self, path: str) -> int:
        """What a process in the root finds there. Raises ``OSError``."""
        how = struct.pack("QQQ", _SEE, 0, _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS)
        handle: int = self._libc.syscall(
            ctypes.c_long(_OPENAT2), ctypes.c_long(self._handle), path.encode(), how, ctypes.c_long(len(how))
        )
        if handle < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)
        return handle

    def have(self, path: str, *, is_directory: bool = True) -> int:
        """The same; what is missing is made."""
        parts = [part for part in path.split("/") if part not in ("", ".")]
        here = ""
        for number, part in enumerate(parts):
            above, here = here or "/", f"{here}/{part}"
            try:
                os.close(self.find(here))
            except FileNotFoundError:
                at = self.find(above)
                try:
                    enter.make(part, at, (0, 0), is_directory or number < len(parts) - 1)
                finally:
                    os.close(at)
        return self.find(here or "/")

    def mount(self, kind: str, path: str, flags: int, options: str) -> None:
        """A file system of the kernel's."""
        at = f"/proc/self/fd/{self.have(path)}".encode()
        _check(self._libc.mount(kind.encode(), at, kind.encode(), flags, options.encode()), path)

    def show(self, source: int, path: str, *, read_only: bool, is_directory: bool) -> None:
        """Something of elsewhere."""
        enter.mount(self._libc, source, self.have(path, is_directory=is_directory), enter.MS_BIND | enter.MS_REC)
        if read_only:
            enter.make_read_only(self._libc, self.find(path))

    def link(self, name: str, leads_to: str) -> None:
        """A symbolic link in ``/dev``."""
        at = self.find("/dev")
        os.symlink(leads_to, name, dir_fd=at)
        os.close(at)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def _lay(libc: ctypes.CDLL, root: dict[str, Any]) -> None:  # Any: as the specification has it
    """What the image has, at the place; with an upper layer what is changed comes to be there."""
    place = root["place"].encode()
    lower = os.open(root["lower"], _SEE | os.O_DIRECTORY)
    if root["upper"] is None:
        enter.mount(libc, lower, os.open(root["place"], _SEE | os.O_DIRECTORY), enter.MS_BIND)
        if root["read_only"]:
            enter.mount(
                libc,
                None,
                os.open(root["place"], _SEE | os.O_DIRECTORY),
                enter.MS_REMOUNT | enter.MS_BIND | enter.MS_RDONLY,
            )
        return
    # By what is open: a colon or a comma in a path would end it.
    upper, work = (os.open(root[name], _SEE | os.O_DIRECTORY) for name in ("upper", "work"))
    options = ",".join(
        f"{name}=/proc/self/fd/{at}" for name, at in (("lowerdir", lower), ("upperdir", upper), ("workdir", work))
    )
    _check(libc.mount(b"overlay", place, b"overlay", 0, options.encode()), root["place"])


def _furnish(libc: ctypes.CDLL, root: Root) -> None:
    """What every root has."""
    for kind, path, flags, options in _KERNEL_S:
        root.mount(kind, path, flags, options)
    for path in _READ_ONLY:
        try:
            at = root.find(path)
        except FileNotFoundError:
            continue  # This kernel has none.
        enter.mount(libc, at, at, enter.MS_BIND | enter.MS_REC)
        enter.mount(libc, None, root.find(path), enter.MS_REMOUNT | enter.MS_BIND | enter.MS_RDONLY)
    for name in _DEVICES:
        root.show(os.open(f"/dev/{name}", _SEE), f"/dev/{name}", read_only=False, is_directory=False)
    for name, leads_to in _DEVICE_LINKS:
        root.link(name, leads_to)
    for path in _OF_THE_MACHINE:
        try:
            source = os.open(path, _SEE)
        except FileNotFoundError:
            continue
        try:
            root.show(source, path, read_only=True, is_directory=False)
        except OSError as error:
            # An image that cannot be written to and has no such file goes without.
            if error.errno != errno.EROFS:
                raise


def _enter(libc: ctypes.CDLL, given: dict[str, Any]) -> None:  # Any: as the specification has it
    """Lay the root out, and have no other."""
    place, owner, sandbox = given["root"]["place"], tuple(given["owner"]), given["sandbox"]
    # First what is seen in the sandbox, which is then seen as a whole.
    enter.mount_all(libc, [one for one in given["mounts"] if one["target_root"] != place], owner)
    _lay(libc, given["root"])
    root = Root(libc, place)
    _furnish(libc, root)
    root.show(enter.open_root(sandbox), given["directory"], read_only=False, is_directory=True)
    for one in given["mounts"]:
        if one["target_root"] == place:
            try:
                source = enter.open_in(one["source_root"], one["source"], owner)
                is_directory = enter.is_directory(source)
                root.show(source, one["target"], read_only=one["read_only"], is_directory=is_directory)
            except OSError as error:
                raise enter.CannotEnter(
                    f"Volume '{one['source']}' cannot be seen at '{one['target']}': {error.strerror}"
                ) from error
    os.chdir(place)
    _check(libc.pivot_root(b".", b"."), place)
    # The machine's root is where this one is, beneath it.
    _check(libc.umount2(b".", _MNT_DETACH), "/")
    os.chdir("/")


def _join(libc: ctypes.CDLL, given: dict[str, Any]) -> None:  # Any: as the specification has it
    """To where a process is. Where that is another namespace of processes, a child goes on, and this ends as it did."""
    handles = {kind: os.open(path, os.O_RDONLY | os.O_CLOEXEC) for kind, path in given["join"].items()}
    for kind, handle in handles.items():
        _check(libc.setns(handle, _NAMESPACES[kind]), f"namespace '{kind}'")
    os.chdir("/")
    there = os.stat("/")
    if [there.st_dev, there.st_ino] == given["machine"]:
        raise enter.CannotEnter("The container has no root of its own yet")
    if "pid" not in handles:
        return
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            signum = os.WTERMSIG(status)
            if signum not in (signal.SIGKILL, signal.SIGSTOP):
                signal.signal(signum, signal.SIG_DFL)
            os.kill(os.getpid(), signum)
        os._exit(os.waitstatus_to_exitcode(status))


def _execute(argv: list[str], environment: dict[bytes, bytes], program: str | None, missing: int | None) -> Never:
    name = program or argv[0]
    path = os.fsdecode(environment.get(b"PATH", _PATH))
    places = [""] if "/" in name else [f"{one or '.'}/" for one in path.split(":")]
    number = errno.ENOENT
    for place in places:
        try:
            os.execve(f"{place}{name}", argv, environment)
        except OSError as error:
            # As a shell: what is there and cannot be executed matters more than that it is not elsewhere.
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                number = error.errno or number
    print(f"{name}: {os.strerror(number)}", file=sys.stderr, flush=True)
    absent = enter.NOT_FOUND_STATUS if number == errno.ENOENT else enter.NOT_EXECUTABLE_STATUS
    os._exit(absent if missing is None else missing)


def _import_no_more() -> None:
    """Where it is going, modules would be those of the image, and be executed before this becomes the user."""
    codecs.lookup("ascii")  # Looked for when a file is opened, on the way.
    sys.meta_path.clear()
    sys.path.clear()


def main() -> None:
    """Enter, and execute.

    ``root``: ``{"place", "lower", "upper", "work", "read_only"}``, directories of the machine, to be laid out; or
    ``join``: files of namespaces by their kinds, in which the root is another than that of the ``machine`` (device,
    inode). ``directory`` is where the sandbox is seen, and the command begins. ``missing`` is the exit status where
    ``program`` is not there.
    """
    environment = enter.environment()
    given = json.loads(sys.argv[1])
    libc = ctypes.CDLL(None, use_errno=True)
    _import_no_more()
    try:
        if given["root"] is not None:
            _enter(libc, given)
        else:
            _join(libc, given)
        program = given["system_calls"]
        enter.become(libc, given["user"], given["capabilities"], program is not None)
        os.chdir(given["directory"])
        enter.say_begun()
        enter.confine(libc, program)
    except (enter.CannotEnter, OSError) as error:
        print(f"Failed to enter the container: {error}", file=sys.stderr, flush=True)
        os._exit(enter.FAILED_STATUS)
    _execute(sys.argv[2:], environment, given["program"], given["missing"])


if __name__ == "__main__":
    main()
