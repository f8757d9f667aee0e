"""Finding the leader in ZooKeeper, for agents, schedulers and tools (M-HA-01)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Final

from mesos_service.election.group import members
from mesos_service.election.interface import ElectionFault, Leader
from mesos_service.election.session import SESSION_SECONDS, Disconnected, NotThere, Session
from mesos_service.election.url import ZooKeeperUrl

log = logging.getLogger(__name__)

RETRY_SECONDS: Final = 5.0
"""Between two attempts at what ZooKeeper does not allow: somebody may set it right."""


class ZooKeeperDetector:
    """Looks at the masters' nodes whenever they change.

    While ZooKeeper cannot be reached the last known leader stands: it may well lead on, and it knows better.
    """

    def __init__(self, url: ZooKeeperUrl, session_seconds: float = SESSION_SECONDS) -> None:
        self.url = url
        self._session_seconds = session_seconds
        self._session: Session | None = None
        self._leader: Leader | None = None
        self._looked = False
        self._fault: ElectionFault | None = None
        self._news: asyncio.Event = asyncio.Event()
        self._turned: asyncio.Event = asyncio.Event()
        """Set and replaced when something is known that was not."""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._session = Session(self.url, self._session_seconds, self._on_change)
        self._task = asyncio.create_task(self._run(self._session), name="zookeeper-detector")
        self._task.add_done_callback(self._ended)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
        if self._session is not None:
            await self._session.stop()

    async def detect(self, previous: Leader | None = None) -> Leader | None:
        while self._leader == previous:
            if self._fault is not None:
                raise self._fault
            await self._turned.wait()
        return self._leader

    @property
    def trouble(self) -> str:
        """Why no leader is known."""
        if self._looked:
            return f"no master leads under {self.url}"
        return f"no ZooKeeper answers at {self.url}"

    def _on_change(self, lost: bool) -> None:
        self._news.set()

    def _ended(self, task: asyncio.Task[None]) -> None:
        defect = None if task.cancelled() else task.exception()
        if defect is not None:
            log.critical("A defect of ours; please report it with these lines", exc_info=defect)
            self._know(self._leader, ElectionFault("looking for the leading master has failed"))

    async def _run(self, session: Session) -> None:
        session.start()
        while True:
            self._news.clear()
            try:
                await self._look(session)
            except ElectionFault as fault:
                if str(fault) != str(self._fault):
                    log.warning("%s", fault)
                self._know(self._leader, fault)
            retry = None if self._fault is None else RETRY_SECONDS
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(retry):
                    await self._news.wait()

    async def _look(self, session: Session) -> None:
        session.check()
        if not session.connected:
            return
        try:
            leader = await self._find(session)
        except Disconnected:
            return
        self._looked = True
        self._know(leader, None)

    async def _find(self, session: Session) -> Leader | None:
        path = self.url.path
        try:
            found = members(await session.children(path, self._news.set))
        except NotThere:
            # The first master that ever contends makes it.
            if await session.stat(path, self._news.set) is not None:
                self._news.set()
            return None
        if not found:
            return None
        try:
            return await read_leader(session, f"{path}/{found[0].name}", found[0].sequence)
        except NotThere:
            # It went in between; the watch has fired.
            return None

    def _know(self, leader: Leader | None, fault: ElectionFault | None) -> None:
        if leader != self._leader:
            log.info("The leading master of %s is %s", self.url, leader or "not known: there is none")
        self._leader, self._fault = leader, fault
        turned, self._turned = self._turned, asyncio.Event()
        turned.set()


async def read_leader(session: Session, path: str, election: int) -> Leader | None:
    """The master that a node describes; ``None``, and a line in the log, when that cannot be read.

    Raises:
        NotThere: the node has gone.
        Disconnected: see there.
    """
    content = await session.content(path)
    try:
        return Leader.read(content, election)
    except ValueError as error:  # msgspec's errors are ValueErrors
        log.warning("What leads according to %s at %s is no master that can be found: %s", path, session.url, error)
        return None


async def find_leader(detector: ZooKeeperDetector, seconds_max: float) -> Leader:
    """Who leads, for one question.

    Raises:
        ElectionFault: it was not known within ``seconds_max``, or never will be.
    """
    detector.start()
    try:
        async with asyncio.timeout(seconds_max):
            leader = await detector.detect()
        assert leader is not None, "it was waited for"
        return leader
    except TimeoutError:
        raise ElectionFault(f"{detector.trouble} (waited {seconds_max:g} s)") from None
    finally:
        await detector.stop()
