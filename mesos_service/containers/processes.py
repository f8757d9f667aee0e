"""Which processes belong to a container, as ``/proc`` tells it.

A posix container has no fence around it: only signs say who belongs to it. A process does when

1. its parent, its session or its process group belongs to the container (the first process leads a session of its
   own, so this holds for everything that never tried to get away), or
2. its environment carries the container's id. This finds the daemon that forked twice and called ``setsid``, when its
   parents are gone. We do not make the keeper a "child subreaper" for that: it would have to tell adopted strangers
   from its own dead, which it must leave alone, each time that one of many children ends.

A process that leaves its parents and its session and empties its environment as well, or lets nobody read it
(``environments.py``), escapes; a fence that holds against that needs the kernel's help (cgroups, pid namespaces). What
was seen once is remembered, so a process cannot get away between a SIGTERM and the SIGKILL that follows.

The signs are only true while the number of the first process cannot be given to a stranger. So its parent, the keeper,
leaves it a zombie until the container is destroyed, and is told to reap it only then. Where the keeper has died, the
number is believed as long as it names a process that began when this one did.

Looking at every process on each end of a short task would cost more than the task. All descendants were created after
the first process, and the kernel hands out process numbers in order, so only numbers between the first process's and
the last one given out can be meant; and of those not the ones that lead other containers, each in a session of its own
and with a mark of its own: of a thousand short tasks, no end looks at the other 999. ``/proc/stat`` counts forks, which
tells when numbers may have wrapped around; then everything is looked at.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from mesos_service.containers.environments import ENVIRONMENTS

_PROBES_MAX = 64
"""Up to this many candidate numbers are tried one by one; beyond, listing ``/proc`` is cheaper."""
_NUMBERS_MAX = 4096
"""So many numbers are looked up among those that lead other containers; beyond, listing ``/proc`` is cheaper."""


class ProcessStat(NamedTuple):
    """Identity and kinship of a process. ``pid`` with ``start_ticks`` never names another process."""

    pid: int
    state: str
    ppid: int
    group: int
    session: int
    start_ticks: int

    @property
    def dead(self) -> bool:
        """Whether it is a zombie or gone: it can neither run nor be killed."""
        return self.state in "ZX"


def read_stat(pid: int) -> ProcessStat | None:
    """Read ``/proc/PID/stat``; ``None`` when there is no such process (a number of a mere thread is none)."""
    try:
        handle = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError):
        return None
    try:
        text = os.read(handle, 4096)
    except ProcessLookupError:
        return None
    finally:
        os.close(handle)
    # The program's name stands in brackets and may hold spaces and brackets itself.
    columns = text[text.rindex(b")") + 2 :].split()
    if columns[35] == b"-1":  # Threads other than the first have no exit signal.
        return None
    return ProcessStat(pid, columns[0].decode(), int(columns[1]), int(columns[2]), int(columns[3]), int(columns[19]))


def forks_since_boot() -> int:
    """How many processes and threads were ever created."""
    text = _content("/proc/stat")
    start = text.rindex(b"processes ") + len(b"processes ")
    return int(text[start : text.index(b"\n", start)])


class Forks:
    """Tells what :func:`forks_since_boot` told at most a second ago, as the kernel makes much of ``/proc/stat``. A
    count that is too low is true as well of what is made from now on."""

    def __init__(self, seconds_max: float = 1.0) -> None:
        self._seconds_max = seconds_max
        self._count = 0
        self._counted_at = float("-inf")

    def before(self) -> int:
        """A count from before now."""
        now = time.monotonic()
        if now - self._counted_at > self._seconds_max:
            self._count, self._counted_at = forks_since_boot(), now
        return self._count


def _last_pid() -> int:
    return int(_content("/proc/loadavg").rsplit(b" ", 1)[1])


def _pid_max() -> int:
    return int(_content("/proc/sys/kernel/pid_max"))


def _content(path: str) -> bytes:
    """A small file of the kernel's, which gives all that it has to one read with room for it."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = b""
        while more := os.read(handle, 1 << 20):
            data += more
        return data
    finally:
        os.close(handle)


def _all_pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208 - names, not paths


class Lineage:
    """The processes that descend from one first process, which must stay unreaped while this is asked."""

    def __init__(
        self,
        leader: int,
        mark: str,
        forks_before: int,
        keeper: int | None = None,
        leaders: Collection[int] = frozenset(),
    ) -> None:
        """``mark`` is ``NAME=value`` in the environment; ``forks_before`` was counted before the leader was made, and
        0 is always true. ``keeper`` is the leader's parent, ``None`` when that is gone. ``leaders`` is asked anew with
        each look: who leads a container and is not reaped yet, this one's leader too."""
        self.leader = leader
        self._keeper = keeper
        stat = read_stat(leader)
        self._start_ticks = None if stat is None else stat.start_ticks
        self._mark = b"\0" + os.fsencode(mark) + b"\0"
        self._forks_before = forks_before
        self._leaders = leaders
        self._seen: dict[int, ProcessStat] = {}

    def members(self, just_died: Iterable[int] = ()) -> list[ProcessStat]:
        """The living processes of the container, its first one left out.

        ``just_died`` are members of a moment ago. A child that one of them made after it was looked at, and before it
        died, still carries its number as session or group, and the kernel gives that number to nobody until then. The
        moment must be short: once all are gone, the number can be anybody's.
        """
        table = ProcessTable(self._candidates())
        if table.is_empty:
            self._seen = {}
            return []
        free = (pid for pid in just_died if (stat := table.find(pid)) is None or stat.dead)
        kin = table.relatives([*self._leader_in(table), *self._still_seen(table), *free])
        takers = self._takers()
        while orphans := [
            one.pid
            for one in table.orphans(takers)
            if one.pid not in kin and ENVIRONMENTS.carries(one.pid, one.start_ticks, self._mark)
        ]:
            kin |= table.relatives(orphans)
        members = [stat for pid in kin if (stat := table.find(pid)) and not stat.dead and pid != self.leader]
        self._seen = {stat.pid: stat for stat in members}
        return members

    def members_in(self, table: ProcessTable) -> list[int]:
        """Process ids of kin, and of others that were seen before; the first one included."""
        kin = table.relatives([*self._leader_in(table), *self._still_seen(table)])
        return sorted(pid for pid in kin if (stat := table.find(pid)) and not stat.dead)

    def _leader_in(self, table: ProcessTable) -> list[int]:
        stat = read_stat(self.leader) if table.find(self.leader) is None else table.find(self.leader)
        # As long as somebody has the number as session or group, the kernel gives it to no other.
        is_stranger = stat is not None and stat.start_ticks != self._start_ticks
        return [] if is_stranger else [self.leader]

    def _takers(self) -> set[int]:
        """To whom an orphan of the container is given: the first process of all, or an ancestor of its leader."""
        return {1, *_ancestors(self._keeper or self.leader)}

    def _still_seen(self, table: ProcessTable) -> Iterator[int]:
        return (pid for pid, stat in self._seen.items() if _same(table.find(pid), stat))

    def _candidates(self) -> Collection[int]:
        forks = forks_since_boot() - self._forks_before
        pid_max = _pid_max()
        if forks > pid_max // 2:
            return {*_all_pids()}
        span = (_last_pid() - self.leader) % pid_max
        if span <= _NUMBERS_MAX:
            window = {(self.leader + step) % pid_max for step in range(1, span + 1)}.difference(self._leaders)
        if span > _NUMBERS_MAX or len(window) > _PROBES_MAX:
            window = {pid for pid in _all_pids() if 0 < (pid - self.leader) % pid_max <= span}
            window.difference_update(self._leaders)
        return window.union(self._seen)


class ProcessTable:
    """A picture of some processes at one moment."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._stats = {stat.pid: stat for stat in map(read_stat, pids) if stat is not None}
        self._related: dict[int, set[int]] = {}
        """By process, session or group number: those who have it as parent, session or group."""
        for stat in self._stats.values():
            for number in (stat.ppid, stat.session, stat.group):
                self._related.setdefault(number, set()).add(stat.pid)

    @property
    def is_empty(self) -> bool:
        """Whether it shows nobody."""
        return not self._stats

    def find(self, pid: int) -> ProcessStat | None:
        """What was seen of that process."""
        return self._stats.get(pid)

    def relatives(self, pids: Iterable[int]) -> set[int]:
        """These processes, whoever has one of them as parent, session or group, and so on."""
        kin: set[int] = set()
        waiting = [*pids]
        while waiting:
            pid = waiting.pop()
            if pid not in kin:
                kin.add(pid)
                waiting += self._related.get(pid, ())
        return kin

    def orphans(self, takers: Iterable[int]) -> Iterator[ProcessStat]:
        """Living processes that may have lost the parent who made them: the children of ``takers``.

        An orphan is given to one of the ancestors of its late parent, or to the first process of all.
        """
        for taker in takers:
            for pid in self._related.get(taker, ()):
                stat = self._stats[pid]
                if stat.ppid == taker and not stat.dead:
                    yield stat


def _ancestors(pid: int) -> Iterator[int]:
    """Its parent, the parent's parent, and so on."""
    while (stat := read_stat(pid)) is not None and stat.ppid > 0:
        yield stat.ppid
        pid = stat.ppid


def _same(now: ProcessStat | None, then: ProcessStat) -> bool:
    return now is not None and now.start_ticks == then.start_ticks and not now.dead


class Census:
    """Answers "which processes does each container have" for measuring, where a second's delay does no harm.

    One picture of the machine serves all containers, and environments are not read for it.
    """

    def __init__(self, seconds_max: float = 1.0) -> None:
        self._seconds_max = seconds_max
        self._table = ProcessTable(())
        self._taken: float | None = None

    def processes(self, lineage: Lineage) -> list[int]:
        """All living processes of the container, its first one included."""
        now = time.monotonic()
        if self._taken is None or now - self._taken > self._seconds_max or self._table.find(lineage.leader) is None:
            self._table = ProcessTable(_all_pids())
            self._taken = now
        return lineage.members_in(self._table)


def still(stat: ProcessStat) -> bool:
    """Whether that very process still lives."""
    return _same(read_stat(stat.pid), stat)


__all__ = ["Census", "Forks", "Lineage", "ProcessStat", "ProcessTable", "forks_since_boot", "read_stat", "still"]
