"""What a fault test knows afterwards: the framework's journal, and what the tasks themselves have written.

The journal is written by the framework under test (``load.py``), one fact a line, before it acts on the fact: a
scheduler that is killed has told everything that anybody may hold it to. The tasks write when they start and how they
end into a file each, so that no word of any service is needed to know what has really happened. All times are seconds
since the machine was started (CLOCK_BOOTTIME), which all processes read alike.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import msgspec

from mesos_service.domain.tasks import TERMINAL_STATES

_TOLD_BY_AGENTS: Final = frozenset({"TASK_FINISHED", "TASK_FAILED", "TASK_KILLED"})


def now() -> float:
    """Seconds since the machine was started, as ``/proc/uptime`` has them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Fact(msgspec.Struct, frozen=True, tag_field="fact", kw_only=True):
    """Anything that the journal has."""

    at: float


class Subscribed(Fact, frozen=True, tag="subscribed"):
    framework_id: str
    master: str


class Disconnected(Fact, frozen=True, tag="disconnected"):
    reason: str


class Launching(Fact, frozen=True, tag="launching"):
    """An ACCEPT with this task is about to be sent; from now on the task may run."""

    task_id: str
    agent_id: str
    cpus: float
    lasting: bool
    """Whether it runs until it is killed."""


class Accepted(Fact, frozen=True, tag="accepted"):
    """The ACCEPT was answered with 202."""

    task_ids: tuple[str, ...]


class Refused(Fact, frozen=True, tag="refused"):
    """The ACCEPT was answered with a 4xx: nothing of it may ever run."""

    task_ids: tuple[str, ...]
    why: str


class Updated(Fact, frozen=True, tag="updated"):
    """An UPDATE came. ``uuid`` is empty when no acknowledgement is awaited."""

    task_id: str
    state: str
    uuid: str = ""
    agent_id: str = ""
    message: str = ""
    reason: str = ""

    @property
    def final(self) -> bool:
        """Whether it tells how a task has ended.

        An answer to RECONCILE may tell the bare state of a task whose last update is still on its way. That one is
        owed: it has the exit status, and a uuid to acknowledge it by.
        """
        owed = self.reason == "REASON_RECONCILIATION" and not self.uuid and self.state in _TOLD_BY_AGENTS
        return self.state in TERMINAL_STATES and not owed


class Acknowledged(Fact, frozen=True, tag="acknowledged"):
    """An ACKNOWLEDGE was answered with 202."""

    task_id: str
    state: str
    uuid: str


class Killing(Fact, frozen=True, tag="killing"):
    """A KILL is about to be sent."""

    task_id: str


class Asked(Fact, frozen=True, tag="asked"):
    """A RECONCILE of tasks whose end was not heard of is about to be sent."""

    task_ids: tuple[str, ...]


class Done(Fact, frozen=True, tag="done"):
    """Every task that was ever launched has ended, as far as the framework was told."""


AnyFact = Subscribed | Disconnected | Launching | Accepted | Refused | Updated | Acknowledged | Killing | Asked | Done
_DECODER = msgspec.json.Decoder(AnyFact)


class Journal:
    """Facts in a file. What was written by a process that is killed next is kept: it is with the kernel."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._stream: IO[bytes] | None = None

    def write(self, fact: AnyFact) -> None:
        if self._stream is None:
            # Never cut: a scheduler that comes back goes on where it was killed.
            self._stream = self._file.open("ab", buffering=0)
        self._stream.write(msgspec.json.encode(fact) + b"\n")

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def facts(self) -> Iterator[AnyFact]:
        """All facts so far, in order; a last line that is being written is left out."""
        if self._file.exists():
            for line in self._file.read_bytes().splitlines(keepends=True):
                if line.endswith(b"\n"):
                    yield _DECODER.decode(line)


@dataclass(frozen=True, slots=True)
class Run:
    """One start of a task's command, told by itself. ``status`` is its exit status, or minus the number of the signal
    it was about to end itself with; ``None`` when it did not get so far."""

    pid: int
    started_at: float
    status: int | None = None
    ended_at: float | None = None


def script(truth: Path, task_id: str, seconds: float | None, status: int) -> str:
    """A task's command: tells its start, sleeps (for ever, with ``None``), tells its end, and ends so.

    ``/proc/uptime`` is read by the shell itself: a command that starts no process but the sleep is quick to launch.
    """
    file = truth / task_id
    clock = "read -r up rest </proc/uptime"
    begin = f'{clock}; echo "start $$ $up" >>{file}'
    if seconds is None:
        return f"{begin}; while :; do sleep 1000; done"
    end = f"exit {status}" if status >= 0 else f"kill {status} $$"
    return f'{begin}; sleep {seconds:.3f}; {clock}; echo "end {status} $up" >>{file}; {end}'


def read_truth(truth: Path) -> dict[str, tuple[Run, ...]]:
    """By task, its starts in order; tasks that never started are not in it."""
    return {file.name: tuple(_runs(file.read_text())) for file in truth.iterdir()}


def _runs(text: str) -> Iterator[Run]:
    run: Run | None = None
    for line in text.splitlines():
        word, number, at = line.split()
        if word == "start":
            if run is not None:
                yield run
            run = Run(int(number), float(at))
        else:
            assert run is not None, "an end without a start"
            yield Run(run.pid, run.started_at, int(number), float(at))
            run = None
    if run is not None:
        yield run
