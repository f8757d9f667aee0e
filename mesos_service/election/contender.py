"""Contending for leading in ZooKeeper, and knowing at any moment whether one still leads (M-HA-01, X22).

A master leads while its node is the lowest. That it is can only be known of the past: the answer to a question says how
things stood when it was asked. But a session that existed then exists for its time-out after it, so for two thirds of
that time nobody else can have been elected: that is the lease. It is renewed several times within its length, by a
question that the ensemble's own leader has to answer, as a server that is cut off from it might vouch for a session
that has ended. Nothing may be decided without the lease; the third that is not used is for the servers' own delays (a
server passes on only twice a tick which sessions it has heard of).

So a master that is frozen and goes on, however late, finds its lease over before it does anything: the lease is time on
a clock that runs while the process, and the machine, do not. A connection in doubt ends it at once. Whoever has waited
for a new lease for too long, has lost the session or sees another one lead, is over; there is no way back but to start
again, as a standby.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import Final

from mesos_service.domain.errors import MesosServiceError
from mesos_service.election.detector import read_leader
from mesos_service.election.group import PREFIX, Member, members
from mesos_service.election.interface import Candidate, ElectionFault, Leader
from mesos_service.election.session import SESSION_SECONDS, Disconnected, NotThere, Session
from mesos_service.election.url import ZooKeeperUrl
from mesos_service.wire.agents import MasterInfo
from mesos_service.wire.encode import encode_message

log = logging.getLogger(__name__)

LEASE_PART: Final = 2 / 3
"""Of the session's time-out."""
RENEWALS: Final = 4
"""Questions within one lease."""
HELD_SECONDS_MAX: Final = 10.0
"""A leader waits so long for an ensemble without a quorum, and at least for two time-outs; then it gives up."""


def lease_clock() -> float:
    """Seconds that pass while the process is stopped and while the machine sleeps, too."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class LeasedTenure:
    """One time of leading, from one lease to the next."""

    def __init__(self, election: int, session: Session) -> None:
        self.election: int | None = election
        self.proved_at = 0.0
        """When the question was asked that was answered last."""
        self._session = session
        self._until = 0.0
        self._changes = -1

    def permits(self) -> bool:
        return lease_clock() < self._until and self._session.changes == self._changes

    def prove(self, asked_at: float, changes: int) -> None:
        """At ``asked_at`` this one led, in the session as it was after so many changes."""
        self.proved_at = asked_at
        self._until = asked_at + LEASE_PART * self._session.timeout_seconds
        self._changes = changes

    def end(self) -> None:
        """Permit nothing ever again."""
        self._until = 0.0
        self._changes = -1


class ZooKeeperContender:
    """Contends under ``url`` in the name of the master that ``info`` describes, from :meth:`start` to :meth:`stop`."""

    def __init__(self, url: ZooKeeperUrl, info: MasterInfo, session_seconds: float = SESSION_SECONDS) -> None:
        self._url = url
        self._info = info
        self._session_seconds = session_seconds
        self._session: Session | None = None
        self._candidate: Candidate | None = None
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._own: str | None = None
        """The name of our node; ``None`` while there is none in this session."""
        self._tenure: LeasedTenure | None = None
        self._told: tuple[Leader | None] | None = None

    def start(self, candidate: Candidate) -> None:
        self._candidate = candidate
        self._session = Session(self._url, self._session_seconds, self._on_change)
        self._task = asyncio.create_task(self._run(self._session, candidate), name="zookeeper-contender")
        self._task.add_done_callback(self._ended)

    async def stop(self) -> None:
        self._candidate = None
        if self._tenure is not None:
            self._tenure.end()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
        if self._session is not None:
            await self._session.stop()

    # -- within ----------------------------------------------------------------------------------------------
    def _on_change(self, lost: bool) -> None:
        if lost:
            self._own = None
            if self._tenure is not None:
                self._over(ElectionFault(f"the session with ZooKeeper at {self._url} is over: another master may lead"))
        elif self._tenure is not None and self._session is not None and not self._session.connected:
            log.warning("The connection to ZooKeeper at %s is in doubt: nothing is decided until it is back", self._url)
        self._news.set()

    async def _run(self, session: Session, candidate: Candidate) -> None:
        session.start()
        try:
            while self._candidate is not None:
                self._news.clear()
                session.check()
                with contextlib.suppress(Disconnected):
                    if session.connected:
                        await self._look(session, candidate)
                self._give_up_if_held_too_long(session)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._pause_seconds(session)):
                        await self._news.wait()
        except ElectionFault as fault:
            self._over(fault)

    def _ended(self, task: asyncio.Task[None]) -> None:
        defect = None if task.cancelled() else task.exception()
        if defect is not None:
            log.critical("A defect of ours; please report it with these lines", exc_info=defect)
            self._over(ElectionFault("contending for leading has failed"))

    def _pause_seconds(self, session: Session) -> float | None:
        return None if self._tenure is None else LEASE_PART * session.timeout_seconds / RENEWALS

    async def _look(self, session: Session, candidate: Candidate) -> None:
        """Take part, see who leads, and act on it."""
        changes = session.changes
        if self._own is None:
            self._own = await self._join(session)
        asked_at = lease_clock()
        try:
            found = members(await session.children(self._url.path, self._news.set, up_to_date=True))
        except NotThere:
            found = []
        if session.changes != changes:
            self._news.set()
            return
        own = next((member for member in found if member.name == self._own), None)
        if own is None:
            self._missing()
        elif own == found[0]:
            await self._lead(session, candidate, own, asked_at, changes)
        elif self._tenure is not None:
            self._over(ElectionFault(f"{found[0].name} leads instead, according to ZooKeeper at {self._url}"))
        else:
            try:
                leader = await read_leader(session, f"{self._url.path}/{found[0].name}", found[0].sequence)
            except NotThere:
                return  # It went in between; the watch has fired.
            self._tell(leader)

    def _missing(self) -> None:
        if self._tenure is not None:
            self._over(ElectionFault(f"somebody has removed {self._own} from ZooKeeper at {self._url}"))
        else:
            log.warning("Somebody has removed %s from ZooKeeper at %s: contending anew", self._own, self._url)
            self._own = None
            self._news.set()

    async def _lead(self, session: Session, candidate: Candidate, own: Member, asked_at: float, changes: int) -> None:
        elected = self._tenure is None
        if self._tenure is None:
            stat = await session.stat(f"{self._url.path}/{own.name}")
            if stat is None or session.changes != changes:
                self._news.set()
                return
            self._tenure = LeasedTenure(stat.czxid, session)
        self._tenure.prove(asked_at, changes)
        if elected:
            log.info("Elected, as %s of ZooKeeper at %s", own.name, self._url)
            self._tell(Leader.of(self._info, own.sequence))
            candidate.on_elected(self._tenure)
        else:
            candidate.on_proved()

    async def _join(self, session: Session) -> str:
        """The name of our node, made where there is none.

        A request whose answer was lost with its connection may have made one already: it then belongs to this session.
        """
        path = self._url.path
        await session.ensure(path)
        for member in members(await session.children(path, self._news.set)):
            stat = await session.stat(f"{path}/{member.name}")
            if stat is not None and stat.ephemeralOwner == session.id:
                return member.name
        created = await session.create_member(f"{path}/{PREFIX}", encode_message(self._info))
        return created.rpartition("/")[2]

    def _give_up_if_held_too_long(self, session: Session) -> None:
        tenure = self._tenure
        if tenure is None:
            return
        silent_seconds = lease_clock() - tenure.proved_at
        if silent_seconds > max(HELD_SECONDS_MAX, 2 * session.timeout_seconds):
            self._over(
                ElectionFault(
                    f"ZooKeeper at {self._url} has not confirmed for {silent_seconds:.0f} s that this master leads:"
                    " another one may"
                )
            )

    def _tell(self, leader: Leader | None) -> None:
        if self._candidate is not None and self._told != (leader,):
            self._told = (leader,)
            self._candidate.on_leader(leader)

    def _over(self, why: MesosServiceError) -> None:
        if self._tenure is not None:
            self._tenure.end()
        candidate, self._candidate = self._candidate, None
        if candidate is not None:
            candidate.on_over(why)
