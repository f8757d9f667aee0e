"""A candidate that writes down what it is told, and masters to contend."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
from collections.abc import Callable

from mesos_service.domain.errors import MesosServiceError
from mesos_service.domain.ids import MasterId
from mesos_service.election.contender import ZooKeeperContender
from mesos_service.election.interface import Leader, Tenure
from mesos_service.election.url import ZooKeeperUrl
from mesos_service.master.description import describe_master
from mesos_service.wire.agents import MasterInfo

WAIT_SECONDS = 60.0
SESSION_SECONDS = 4.0
"""As long as servers with short ticks grant: a busy machine keeps nobody from his session for so long."""
_PATHS = itertools.count()


def own_path() -> str:
    """A path that no other test uses."""
    return f"/election/{os.getpid()}-{next(_PATHS)}"


def info(number: int) -> MasterInfo:
    """The master number ``number``."""
    return describe_master(MasterId(f"master-{number}"), "127.0.0.1", 5050 + number, f"host-{number}")


class Candidate:
    """Contends under ``url`` from the beginning to the end of a context."""

    def __init__(self, url: str, number: int = 0, session_seconds: float = SESSION_SECONDS) -> None:
        self.contender = ZooKeeperContender(ZooKeeperUrl.parse(url), info(number), session_seconds)
        self.leaders: list[Leader | None] = []
        self.tenure: Tenure | None = None
        self.proofs = 0
        self.over: list[str] = []

    def on_leader(self, leader: Leader | None) -> None:
        self.leaders.append(leader)

    def on_elected(self, tenure: Tenure) -> None:
        assert self.tenure is None, "a master is elected once"
        self.tenure = tenure

    def on_proved(self) -> None:
        self.proofs += 1

    def on_over(self, why: MesosServiceError) -> None:
        self.over.append(str(why))

    @property
    def leads(self) -> bool:
        return self.tenure is not None and self.tenure.permits()

    @property
    def sees(self) -> int | None:
        """The port of the last leader it was told of."""
        leader = self.leaders[-1] if self.leaders else None
        return None if leader is None else leader.port

    async def __aenter__(self) -> Candidate:
        self.contender.start(self)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.contender.stop()


async def until(condition: Callable[[], object]) -> None:
    """Wait until it is true."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            if condition():
                return
            await asyncio.sleep(0.01)


class Lines(logging.Handler):
    """Keeps all that is logged, debugging included."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text += self.format(record) + "\n"
