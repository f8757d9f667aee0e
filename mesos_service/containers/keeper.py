"""The keeper: parent of all containers of an agent, so that they and their wait statuses outlive it (ADR 0008).

A small program of its own, run by its path with nothing but the standard library: it must start fast, stay small and
go on unchanged while the agent above it is replaced. It spawns what it is asked to, remembers how each process ended,
and leaves the dead unreaped until it is told to, so that no number is given to a stranger. It decides nothing.

It listens at the socket that it inherits as descriptor 3; its argument is the file of its books. One agent at a
time speaks to it, the last one that connected. When that connection ends, it kills what was not to outlive the agent,
and what has not been let through its gate; with nothing left to keep it ends itself.

What both say to each other is in ``keeper_packets.py``.

The books are for the case that the keeper itself dies: then the next agent can still tell what runs, though not how it
ends. They are one file to which lines are added, and which is written anew when few of them still matter: making and
removing a file for each container would cost more than starting its process. They are not synchronised to disk, since
no process survives a power cut.
"""

# pathlib and contextlib would double the time it takes to start.
# ruff: noqa: PTH120, SIM105

from __future__ import annotations

import errno
import json
import os
import select
import signal
import socket
import sys
from contextlib import suppress

if __name__ == "__main__":
    # Behind the standard library: what else is installed there may have files of any name.
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(__file__))))

from mesos_service.containers.keeper_books import Books
from mesos_service.containers.keeper_packets import LISTENER, VERSION, read_all, receive
from mesos_service.containers.keeper_proc import members_of_session, read, start_ticks, wait_status
from mesos_service.containers.keeper_spawn import IGNORED, spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any  # At run time it would cost a third of the start.


class Kept:
    """One process, alive or unreaped."""

    def __init__(
        self, name: str, pid: int, handle: int, gate: int | None, voice: int | None, survives: bool, stays: bool
    ) -> None:
        self.name = name
        self.pid = pid
        self.handle = handle
        self.gate = gate
        self.voice = voice
        """Until it has closed it, this end of it."""
        self.complaint = b""
        """Why it could not go on, if it said so."""
        self.cut_off = False
        """It was ended before it had begun."""
        self.survives = survives
        self.stays = stays
        self.start_ticks = start_ticks(pid)
        self.status: int | None = None

    @property
    def begun(self) -> bool:
        """Whether it may execute its command."""
        return self.gate is None and self.voice is None and not self.complaint and not self.cut_off


class Keeper:
    """The whole of it: one loop over the socket, the agent and the processes."""

    def __init__(self, listener: socket.socket, books: str) -> None:
        self.listener = listener
        self.books = Books(books)
        self.agent: socket.socket | None = None
        self.kept: dict[str, Kept] = {}
        self.by_handle: dict[int, Kept] = {}
        self.by_voice: dict[int, Kept] = {}
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
                elif number in self.by_voice:
                    self.on_word(self.by_voice[number])
                elif self.agent is not None and number == self.agent.fileno():
                    self.on_packet(self.agent)

    # -- the agent -------------------------------------------------------------------------------------------
    def on_connection(self) -> None:
        connection, _ = self.listener.accept()
        if self.agent is not None:
            # It has gone too, and that was not read yet.
            self.hang_up()
            self.end_what_does_not_survive()
        self.agent = connection
        self.ever_connected = True
        self.poll.register(connection.fileno(), select.EPOLLIN)
        for one in list(self.kept.values()):
            told = {"kept": one.name, "pid": one.pid, "status": one.status, "released": one.begun, "stays": one.stays}
            self.tell(told)
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
        call: dict[str, Any] = {}  # Any: as in launch
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
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            # It is not worth what ends with the keeper: how all others end.
            complain(f"a packet makes no sense ({error!r}): {packet[:300]!r}")
            if isinstance(call, dict) and call.get("do") == "launch":
                self.tell({"failed": call.get("id"), "why": f"the keeper cannot read what it is to do: {error!r}"})
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
        name, survives = str(call["id"]), bool(call["survives"])
        # An agent of a version before says nothing of it.
        stays = bool(call.get("stays", True))
        try:
            if name in self.kept:
                raise OSError(errno.EEXIST, "it is there already")
            pid, gate, voice = spawn(call, stdout, stderr, stdin)
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            self.tell({"failed": name, "why": str(error)})
            return
        one = Kept(name, pid, os.pidfd_open(pid), gate, voice, survives, stays)
        self.kept[name] = one
        self.by_handle[one.handle] = one
        self.poll.register(one.handle, select.EPOLLIN)
        self.write_down(one)
        if voice is None:
            self.tell({"launched": name, "pid": pid})
        else:
            self.by_voice[voice] = one
            self.poll.register(voice, select.EPOLLIN)

    def on_word(self, one: Kept) -> None:
        """It says that it goes on, which is the end of what it says, or why it cannot."""
        assert one.voice is not None
        try:
            while text := os.read(one.voice, 4096):
                one.complaint += text
        except BlockingIOError:
            if one.status is None:
                return  # There is more to come.
        self.poll.unregister(one.voice)
        del self.by_voice[one.voice]
        os.close(one.voice)
        one.voice = None
        if one.cut_off:
            return  # Who waited for its word is gone, and the next agent hears of its end.
        if one.complaint:
            self.tell({"failed": one.name, "why": one.complaint.decode(errors="replace").strip()})
        else:
            self.tell({"launched": one.name, "pid": one.pid})

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
        if one.voice is not None:
            self.on_word(one)
        if one.complaint and not one.cut_off:
            self.reap(one.name)  # It never became what was asked for, and nobody waits for its end.
            return
        self.write_down(one)
        self.tell({"exited": one.name, "status": one.status})
        if self.agent is None and not one.survives:
            self.reap(one.name)

    def reap(self, name: str) -> None:
        one = self.kept.get(name)
        if one is None:
            if name in self.books.entries:
                self.book(name, None)  # It was kept by a keeper before this one.
            return
        if one.status is None:
            return
        os.waitid(os.P_PIDFD, one.handle, os.WEXITED)
        os.close(one.handle)
        if one.gate is not None:
            os.close(one.gate)
        del self.kept[name]
        self.book(name, None)

    def end_what_does_not_survive(self) -> None:
        for one in list(self.kept.values()):
            if one.voice is not None and one.status is None:
                self.look_closer(one)
            if one.survives and one.begun:
                continue
            if one.status is not None:
                if not one.survives:
                    self.reap(one.name)
                continue
            one.cut_off = not one.begun
            for pid in [one.pid, *members_of_session(one.pid)]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except (ProcessLookupError, PermissionError):
                    pass

    def look_closer(self, one: Kept) -> None:
        """Whether it has begun by now, which is asked while it stands still: what has not never will."""
        with suppress(ProcessLookupError):
            os.kill(one.pid, signal.SIGSTOP)
        os.waitid(os.P_PIDFD, one.handle, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        self.on_word(one)
        if one.begun:
            with suppress(ProcessLookupError):
                os.kill(one.pid, signal.SIGCONT)

    def write_down(self, one: Kept) -> None:
        entry = {
            "pid": one.pid,
            "start_ticks": one.start_ticks,
            "boot_id": self.boot_id,
            "status": one.status,
            "stays": one.stays,
        }
        self.book(one.name, entry)

    def book(self, name: str, entry: dict[str, Any] | None) -> None:
        try:
            self.books.write(name, entry)
        except OSError as error:
            # The books are a second line of defence, and no reason to let a task down.
            complain(f"cannot write {self.books.path}: {error}")


def complain(text: str) -> None:
    """Tell it on stderr, which is a file beside the books: on the same disk, which may be full."""
    try:
        print(f"keeper: {text}", file=sys.stderr, flush=True)
    except OSError:
        pass


def end_with_the_machine(*_: object) -> None:
    """Answer SIGTERM, which counts only from a machine that goes down: systemd waits 90 s there for who does not end.

    Its first process is then another program, which ends the tasks, too. Nobody will ask how they ended.
    """
    try:
        first = read("/proc/1/comm")
    except OSError:
        return  # Others' processes may be hidden (hidepid of proc(5)), or too many files open.
    if first.startswith("systemd-shutdow"):
        os._exit(0)


def main() -> None:
    """Keep, until there is nothing left to keep."""
    os.chdir("/")
    for number in IGNORED:
        # Whoever stops a service this way means the agent; what it leaves running needs its keeper.
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, end_with_the_machine)
    os.set_inheritable(LISTENER, False)
    Keeper(socket.socket(fileno=LISTENER), sys.argv[1]).run()


if __name__ == "__main__":
    main()
