"""The keeper: parent of all containers of an agent, so that they and their wait statuses outlive it (ADR 0008).

A small program of its own, run by its path with nothing but the standard library: it must start fast, stay small and
go on unchanged while the agent above it is replaced. It spawns what it is asked to, remembers how each process ended,
and leaves the dead unreaped until it is told to, so that no number is given to a stranger. It decides nothing.

It listens at the socket that it inherits as descriptor 3; its argument is the directory of its books. One agent at a
time speaks to it, the last one that connected. When that connection ends, it kills what was not to outlive the agent,
and what has not been let through its gate; with nothing left to keep it ends itself.

Packets (``SOCK_SEQPACKET``) are JSON objects. From the agent:

* ``{"do": "launch", "id", "argv", "environment", "gated", "survives", "terminal"}`` with descriptors for stdout, stderr
  and, where there is something to read, stdin; the object comes in a memory file, as one more descriptor, when the
  packet says only ``{"large": true}``. ``terminal`` names a terminal that takes their place and controls the session
* ``{"do": "release", "id"}`` opens the gate, ``{"do": "reap", "id"}`` forgets a process that is dead

To the agent: first what is kept, one ``{"kept", "pid", "status", "released"}`` each, and ``{"ready", "pid"}``; then
``{"launched", "pid"}`` or ``{"failed", "why"}`` for each launch, and ``{"exited", "status"}``. Statuses are raw wait
statuses.

The books, a file for each container, are for the case that the keeper itself dies: then the next agent can still
tell what runs, though not how it ends. They are not synchronised to disk, since no process survives a power cut.
"""

# pathlib and contextlib would double the time it takes to start.
# ruff: noqa: PTH104, PTH108, PTH118, PTH123, PTH208, SIM105

from __future__ import annotations

import array
import errno
import json
import os
import select
import signal
import socket
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any  # At run time it would cost a third of the start.

VERSION = 2
LISTENER = 3
GATE = 3
"""Where a gated process waits, in its own numbering."""
PACKET_BYTES_MAX = 65536
DESCRIPTORS_MAX = 4
"""That come with one packet."""
DESCRIPTORS_SPARE = 16
"""How many are left for agents that connect, packets and books: what keeps all others must not end for want of one."""
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ)


class Kept:
    """One process, alive or unreaped."""

    def __init__(self, name: str, pid: int, handle: int, gate: int | None, survives: bool) -> None:
        self.name = name
        self.pid = pid
        self.handle = handle
        self.gate = gate
        self.survives = survives
        self.status: int | None = None


class Keeper:
    """The whole of it: one loop over the socket, the agent and the processes."""

    def __init__(self, listener: socket.socket, books: str) -> None:
        self.listener = listener
        self.books = books
        self.agent: socket.socket | None = None
        self.kept: dict[str, Kept] = {}
        self.by_handle: dict[int, Kept] = {}
        self.boot_id = read("/proc/sys/kernel/random/boot_id").strip()
        self.poll = select.epoll()
        self.poll.register(listener.fileno(), select.EPOLLIN)
        self.ever_connected = False

    def run(self) -> None:
        """Returns when there is nothing left to keep and nobody to keep it for."""
        while self.agent is not None or self.kept or not self.ever_connected:
            for number, _ in self.poll.poll():
                if number == self.listener.fileno():
                    self.on_connection()
                elif number in self.by_handle:
                    self.on_exit(self.by_handle[number])
                elif self.agent is not None and number == self.agent.fileno():
                    self.on_packet(self.agent)

    # -- the agent -------------------------------------------------------------------------------------------
    def on_connection(self) -> None:
        connection, _ = self.listener.accept()
        self.hang_up()
        self.agent = connection
        self.ever_connected = True
        self.poll.register(connection.fileno(), select.EPOLLIN)
        for one in list(self.kept.values()):
            self.tell({"kept": one.name, "pid": one.pid, "status": one.status, "released": one.gate is None})
        self.tell({"ready": VERSION, "pid": os.getpid()})

    def hang_up(self) -> None:
        if self.agent is not None:
            self.poll.unregister(self.agent.fileno())
            self.agent.close()
            self.agent = None

    def on_packet(self, agent: socket.socket) -> None:
        try:
            packet, descriptors = receive(agent)
        except BlockingIOError:
            return
        except OSError:
            packet, descriptors = b"", []
        if not packet:
            self.hang_up()
            self.end_what_does_not_survive()
            return
        try:
            call = json.loads(packet)
            if call.get("large"):
                call = json.loads(read_all(descriptors.pop()))
            if call["do"] == "launch":
                self.launch(call, *descriptors)
            elif call["do"] == "release":
                self.release(call["id"])
            elif call["do"] == "reap":
                self.reap(call["id"])
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def tell(self, answer: dict[str, object]) -> None:
        if self.agent is None:
            return
        try:
            self.agent.send(json.dumps(answer).encode())
        except OSError:
            # It is gone; that it is will be read in its turn.
            pass

    # -- processes -------------------------------------------------------------------------------------------
    def launch(
        self,
        call: dict[str, Any],  # Any: what the packet says; both ends are ours
        stdout: int,
        stderr: int,
        stdin: int | None = None,
    ) -> None:
        name = call["id"]
        gate: int | None = None
        entrance: int | None = None
        actions: list[tuple[int, int, str, int, int] | tuple[int, int, int]]
        if call.get("terminal"):
            # Who leads a session without a terminal gets the first one that it opens.
            actions = [(os.POSIX_SPAWN_OPEN, 0, call["terminal"], os.O_RDWR, 0)]
            actions += [(os.POSIX_SPAWN_DUP2, 0, number) for number in (1, 2)]
        else:
            read_from = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
            actions = [
                read_from if stdin is None else (os.POSIX_SPAWN_DUP2, stdin, 0),
                (os.POSIX_SPAWN_DUP2, stdout, 1),
                (os.POSIX_SPAWN_DUP2, stderr, 2),
            ]
        try:
            if name in self.kept:
                raise OSError(errno.EEXIST, "it is there already")
            next_free = os.dup(stderr)
            os.close(next_free)
            if next_free >= os.sysconf("SC_OPEN_MAX") - DESCRIPTORS_SPARE:
                raise OSError(errno.EMFILE, "the keeper has too many files open; raise the agent's LimitNOFILE")
            if call["gated"]:
                entrance, gate = os.pipe2(os.O_CLOEXEC)
                actions.append((os.POSIX_SPAWN_DUP2, entrance, GATE))
            pid = os.posix_spawn(
                call["argv"][0],
                call["argv"],
                call["environment"],
                file_actions=actions,
                setsid=True,
                setsigmask=(),
                # An ignored signal would stay ignored in the task.
                setsigdef=IGNORED,
            )
        except (OSError, ValueError) as error:
            if gate is not None:
                os.close(gate)
            self.tell({"failed": name, "why": str(error)})
            return
        finally:
            if entrance is not None:
                os.close(entrance)
        one = Kept(name, pid, os.pidfd_open(pid), gate, call["survives"])
        self.kept[name] = one
        self.by_handle[one.handle] = one
        self.poll.register(one.handle, select.EPOLLIN)
        self.write_down(one)
        self.tell({"launched": name, "pid": pid})

    def release(self, name: str) -> None:
        one = self.kept.get(name)
        if one is not None and one.gate is not None:
            try:
                os.write(one.gate, b"\n")
            except BrokenPipeError:
                pass  # It was killed at the gate; its wait status tells the rest.
            os.close(one.gate)
            one.gate = None

    def on_exit(self, one: Kept) -> None:
        result = os.waitid(os.P_PIDFD, one.handle, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        if result is None:
            return  # A number that was another's when the kernel was asked.
        one.status = wait_status(result)
        self.poll.unregister(one.handle)
        del self.by_handle[one.handle]
        self.write_down(one)
        self.tell({"exited": one.name, "status": one.status})
        if self.agent is None and not one.survives:
            self.reap(one.name)

    def reap(self, name: str) -> None:
        one = self.kept.get(name)
        if one is None or one.status is None:
            return
        os.waitid(os.P_PIDFD, one.handle, os.WEXITED)
        os.close(one.handle)
        if one.gate is not None:
            os.close(one.gate)
        del self.kept[name]
        try:
            os.unlink(os.path.join(self.books, name))
        except FileNotFoundError:
            pass

    def end_what_does_not_survive(self) -> None:
        for one in list(self.kept.values()):
            if one.survives and one.gate is None:
                continue
            if one.status is not None:
                if not one.survives:
                    self.reap(one.name)
                continue
            for pid in [one.pid, *members_of_session(one.pid)]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except (ProcessLookupError, PermissionError):
                    pass

    def write_down(self, one: Kept) -> None:
        path = os.path.join(self.books, one.name)
        text = json.dumps(
            {"pid": one.pid, "start_ticks": start_ticks(one.pid), "boot_id": self.boot_id, "status": one.status}
        )
        try:
            with open(path + ".new", "w", encoding="utf-8") as file:
                file.write(text)
            os.rename(path + ".new", path)
        except OSError as error:
            # The books are a second line of defence, and no reason to let a task down.
            complain(f"cannot write {path}: {error}")


def complain(text: str) -> None:
    """Tell it on stderr, which is a file beside the books: on the same disk, which may be full."""
    try:
        print(f"keeper: {text}", file=sys.stderr, flush=True)
    except OSError:
        pass


def wait_status(result: os.waitid_result) -> int:
    """Put together as ``wait`` would have given it."""
    if result.si_code == os.CLD_EXITED:
        return result.si_status << 8
    return result.si_status | (0x80 if result.si_code == os.CLD_DUMPED else 0)


def receive(connection: socket.socket) -> tuple[bytes, list[int]]:
    """One packet and the descriptors that came with it."""
    flags = socket.MSG_CMSG_CLOEXEC | socket.MSG_DONTWAIT
    packet, ancillary, _, _ = connection.recvmsg(PACKET_BYTES_MAX, socket.CMSG_SPACE(DESCRIPTORS_MAX * 4), flags)
    descriptors = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
    return packet, list(descriptors)


def read(path: str) -> str:
    """Text of a small file."""
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def read_all(descriptor: int) -> bytes:
    """A memory file from its beginning; closes it."""
    with os.fdopen(descriptor, "rb") as file:
        file.seek(0)
        return file.read()


def stat_of(pid: int) -> list[str] | None:
    """The columns of ``/proc/PID/stat`` behind the program's name; ``None`` when there is no such process."""
    try:
        text = read(f"/proc/{pid}/stat")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text[text.rindex(")") + 2 :].split()


def start_ticks(pid: int) -> int | None:
    """When the process began, in clock ticks since the machine did; ``None`` when there is none."""
    stat = stat_of(pid)
    return None if stat is None else int(stat[19])


def members_of_session(session: int) -> list[int]:
    """Process ids of all that are in the session."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            stat = stat_of(int(name))
            if stat is not None and int(stat[3]) == session:
                found.append(int(name))
    return found


def main() -> None:
    """Keep, until there is nothing left to keep."""
    os.chdir("/")
    for number in IGNORED:
        # Whoever stops a service this way means the agent; what it leaves running needs its keeper.
        signal.signal(number, signal.SIG_IGN)
    os.set_inheritable(LISTENER, False)
    Keeper(socket.socket(fileno=LISTENER), sys.argv[1]).run()


if __name__ == "__main__":
    main()
