"""The last step into a container with volumes: mount, become its user, execute its command.

A small program of its own, run by its path with nothing but the standard library:
``python -I -S enter.py SPECIFICATION COMMAND...``. It begins in a mount namespace of the container's own. From then on
no program may be executed as root any more, since a volume can be where programs are; so it does itself what
``mount`` and ``setpriv`` would.

The specification is JSON: ``{"mounts": [{"source", "source_root", "target", "target_root", "read_only"}], "owner":
[UID, GID], "user": null or {"uid", "gid", "groups"}, "capabilities": null or {"effective", "bounding"},
"system_calls": null or a program for seccomp(2) in base64}``, capabilities as bit masks.

A tenant may put symbolic links into a sandbox, and change them at any moment. So what is below a root is opened step by
step without following any, and mounted by the very descriptor that was opened.
"""

# What is not needed is not imported: this is started for every task with volumes.
# ruff: noqa: PTH123

from __future__ import annotations

import binascii
import ctypes
import errno
import json
import os
import stat
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any  # At run time it would cost a third of the start.

BEGUN = 5
"""Where the agent hears, if it does, that all is done that comes before the command."""
MACHINE = "/"
MODE = 0o755
_SEE = os.O_PATH | os.O_CLOEXEC
_STEP = _SEE | os.O_NOFOLLOW
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
PR_CAPBSET_DROP, PR_SET_KEEPCAPS, PR_SET_SECUREBITS, PR_CAP_AMBIENT = 24, 8, 28, 47
PR_CAP_AMBIENT_RAISE, PR_CAP_AMBIENT_CLEAR_ALL = 2, 4
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
SECBIT_NOROOT = 1
CAP_SYS_ADMIN = 21
_MOUNT_SETATTR = 442
"""On every architecture; Linux 5.12."""
_AT_EMPTY_PATH, _AT_RECURSIVE, _MOUNT_ATTR_RDONLY = 0x1000, 0x8000, 1
_STAYS = os.ST_NOSUID | os.ST_NODEV | os.ST_NOEXEC
"""What a mount may forbid, in the numbers of mount(2), too."""
CAPABILITY_VERSION_3 = 0x20080522
FAILED_STATUS = 1
NOT_EXECUTABLE_STATUS, NOT_FOUND_STATUS = 126, 127
"""As a shell says it."""


class CannotEnter(Exception):
    """The text says what stands in the way."""


def open_in(root: str | None, path: str, owner: tuple[int, int], as_directory: bool = True) -> int:
    """A descriptor of ``path``. Below a ``root``, through no symbolic link; what is missing there is made, ``owner``'s,
    unless the root is the machine's.

    Raises:
        CannotEnter: there is a symbolic link on the way.
        OSError: it is not there, or cannot be made.
    """
    if root is None:
        return os.open(path, _SEE)
    parts = [part for part in path.split("/") if part not in ("", ".")]
    at = open_root(root)
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        try:
            if root != MACHINE:
                make(part, at, owner, as_directory or not last)
            below = os.open(part, _STEP, dir_fd=at)
        finally:
            os.close(at)
        at = below
        if stat.S_ISLNK(os.fstat(at).st_mode):
            os.close(at)
            raise CannotEnter(f"'{path}' goes through a symbolic link, '{part}', which a volume must not")
    return at


def open_root(root: str) -> int:
    """A descriptor of a sandbox, which may be nested in one of a tenant's: by no symbolic link either."""
    at = os.open(MACHINE, _SEE | os.O_DIRECTORY)
    for part in root.split("/"):
        if part:
            try:
                below = os.open(part, _STEP | os.O_DIRECTORY, dir_fd=at)
            finally:
                os.close(at)
            at = below
    return at


def is_directory(handle: int) -> bool:
    """Of what is open."""
    return stat.S_ISDIR(os.fstat(handle).st_mode)


def make(name: str, at: int, owner: tuple[int, int], as_directory: bool) -> None:
    """A directory or an empty file, where there is nothing of the name."""
    try:
        if as_directory:
            os.mkdir(name, MODE, dir_fd=at)
            made = os.open(name, os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
        else:
            made = os.open(name, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=at)
    except FileExistsError:
        return
    # By its descriptor: the name may be another file's by now, which would be given away.
    try:
        os.fchown(made, *owner)
    finally:
        os.close(made)


def both_ends(one: dict[str, Any], owner: tuple[int, int]) -> tuple[int, int]:  # Any: as the specification has it
    """Descriptors of what is mounted, and of where.

    Raises:
        CannotEnter: one is a directory and the other is not, or a link stands in the way.
        OSError: one is not there, or cannot be made.
    """
    source = open_in(one["source_root"], one["source"], owner)
    try:
        of_source = is_directory(source)
        target = open_in(one["target_root"], one["target"], owner, of_source)
    except (OSError, CannotEnter):
        os.close(source)
        raise
    if is_directory(target) != of_source:
        os.close(source)
        os.close(target)
        raise CannotEnter(f"'{one['source']}' cannot be seen at '{one['target']}': one is a directory, one is not")
    return source, target


def mount(libc: ctypes.CDLL, source: int | None, target: int, flags: int) -> None:
    """``mount(2)`` of descriptors."""
    if flags & MS_REMOUNT:
        # What is not said again would be allowed from now on, whatever the operator has mounted it with.
        flags |= os.fstatvfs(target).f_flag & _STAYS
    origin = None if source is None else f"/proc/self/fd/{source}".encode()
    if libc.mount(origin, f"/proc/self/fd/{target}".encode(), None, flags, None) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def make_read_only(libc: ctypes.CDLL, seen: int) -> None:
    """Let nothing be written through this mount, nor through what is mounted below it, now or later.

    What the machine mounts below its source from now on is not seen here: it would come as it is there.

    Raises:
        CannotEnter: there is something below it, and the kernel (before Linux 5.12, or with a filter that does not let
            this through) closes only what is on top.
    """
    asked = (ctypes.c_uint64 * 4)(_MOUNT_ATTR_RDONLY, 0, MS_PRIVATE, 0)
    flags = ctypes.c_uint(_AT_EMPTY_PATH | _AT_RECURSIVE)
    numbers = (ctypes.c_long(_MOUNT_SETATTR), ctypes.c_int(seen))
    if libc.syscall(*numbers, b"", flags, asked, ctypes.c_size_t(ctypes.sizeof(asked))) == 0:
        return
    number = ctypes.get_errno()
    # Who filters system calls may refuse one that is new to it instead of not knowing it; who may not mount at all is
    # refused once more below.
    if number not in (errno.ENOSYS, errno.EPERM):
        raise OSError(number, os.strerror(number))
    mount(libc, None, seen, MS_PRIVATE)
    if _has_mounts(seen):
        raise CannotEnter(
            "What is to be read only has other mounts below it, which are left as they are without mount_setattr (Linux"
            " 5.12, and allowed where system calls are filtered)"
        )
    mount(libc, None, seen, MS_REMOUNT | MS_BIND | MS_RDONLY)


def _has_mounts(seen: int) -> bool:
    """Whether something is mounted on the mount that is open there."""
    with open(f"/proc/self/fdinfo/{seen}", encoding="ascii") as file:
        [its] = [line.split()[1] for line in file if line.startswith("mnt_id:")]
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        return any(line.split()[1] == its for line in file)


def mount_all(libc: ctypes.CDLL, mounts: list[dict[str, Any]], owner: tuple[int, int]) -> None:
    """Each in its order, so that a later one may lie within an earlier one."""
    for one in mounts:
        try:
            source, target = both_ends(one, owner)
            mount(libc, source, target, MS_BIND | MS_REC)
            if one["read_only"]:
                seen = open_in(one["target_root"], one["target"], owner)
                if not os.path.sameopenfile(seen, source):
                    raise CannotEnter(f"'{one['target']}' was exchanged while it was mounted")
                make_read_only(libc, seen)
        except OSError as error:
            raise CannotEnter(
                f"Volume '{one['source']}' cannot be seen at '{one['target']}': {error.strerror}"
            ) from error


class _Program(ctypes.Structure):
    """``struct sock_fprog``."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def _prctl(libc: ctypes.CDLL, option: int, *arguments: int) -> None:
    if libc.prctl(option, *(ctypes.c_ulong(one) for one in (*arguments, 0, 0, 0, 0)[:4])) != 0:
        number = ctypes.get_errno()
        raise CannotEnter(f"prctl({option}) failed: {os.strerror(number)}")


def _capset(libc: ctypes.CDLL, permitted: int, inheritable: int) -> None:
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    sets = [one >> shift & 0xFFFFFFFF for shift in (0, 32) for one in (permitted, permitted, inheritable)]
    if libc.capset(header, (ctypes.c_uint32 * 6)(*sets)) != 0:
        raise CannotEnter(f"capset failed: {os.strerror(ctypes.get_errno())}")


def become(libc: ctypes.CDLL, user: dict[str, Any] | None, capabilities: dict[str, int] | None, confined: bool) -> None:
    """The user, with these capabilities, or with those that come with it (capabilities(7)).

    Who is to be ``confined`` may still do that, whoever he is; the next program that he executes has no more than that
    which was said.
    """
    spare = 1 << CAP_SYS_ADMIN if confined else 0
    if capabilities is not None:
        with open("/proc/sys/kernel/cap_last_cap", encoding="ascii") as file:
            last = int(file.read())
        for number in range(last + 1):
            if not capabilities["bounding"] >> number & 1:
                _prctl(libc, PR_CAPBSET_DROP, number)
        if capabilities["effective"] != capabilities["bounding"]:
            _prctl(libc, PR_SET_SECUREBITS, SECBIT_NOROOT)
    if capabilities is not None or confined:
        _prctl(libc, PR_SET_KEEPCAPS, 1)
    if user is not None:
        os.setgroups(user["groups"])
        os.setresgid(user["gid"], user["gid"], user["gid"])
        os.setresuid(user["uid"], user["uid"], user["uid"])
    if capabilities is not None:
        effective = capabilities["effective"]
        _capset(libc, effective | spare, effective)
        _prctl(libc, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
        for number in range(last + 1):
            if effective >> number & 1:
                _prctl(libc, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number)
    elif user is not None and confined:
        _capset(libc, spare, 0)


def confine(libc: ctypes.CDLL, program: str | None) -> None:
    """From here on only such system calls as it allows; the last thing before the command is executed."""
    if program is None:
        return
    instructions = binascii.a2b_base64(program)
    filters = _Program(len(instructions) // 8, instructions)
    if libc.prctl(PR_SET_SECCOMP, ctypes.c_ulong(SECCOMP_MODE_FILTER), ctypes.byref(filters)) != 0:
        raise CannotEnter(f"The filter of system calls cannot be installed: {os.strerror(ctypes.get_errno())}")


def say_begun() -> None:
    """The command is next, and has nothing of the agent's."""
    try:
        os.write(BEGUN, b"\n")
        os.close(BEGUN)
    except OSError as error:
        if error.errno not in (errno.EBADF, errno.EAGAIN):  # Nobody has asked.
            raise


def environment() -> dict[bytes, bytes]:
    """As it was given to this program: Python adds a locale to its own (PEP 538), which nobody asked for."""
    with open("/proc/self/environ", "rb") as file:
        given = file.read().split(b"\0")
    return dict(one.split(b"=", 1) for one in given if b"=" in one)


def main() -> None:
    """Enter, and execute."""
    its_environment = environment()
    given = json.loads(sys.argv[1])
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        mount_all(libc, given["mounts"], tuple(given["owner"]))
        program = given["system_calls"]
        become(libc, given["user"], given["capabilities"], program is not None)
        confine(libc, program)
        os.execve(sys.argv[2], sys.argv[2:], its_environment)
    except (CannotEnter, OSError) as error:
        print(f"Failed to enter the container: {error}", file=sys.stderr, flush=True)
        os._exit(FAILED_STATUS)


if __name__ == "__main__":
    main()
