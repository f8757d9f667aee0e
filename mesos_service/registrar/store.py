"""The registry in an SQL database: blocking, for one thread. ``sql`` is its face on the loop.

Who may write is one row, ``leadership(epoch, election, leader, version)``. Taking the registry makes its epoch one
more, and every later transaction begins with ``UPDATE leadership SET version = version + 1 WHERE epoch = mine AND
version = what I left``. That row's lock puts all writers in one line, and its condition turns away every one but the
last (X25): a master that was frozen, or cut off from ZooKeeper without knowing it, changes nothing.

The version also answers what became of a commit whose answer was lost. Nobody else writes in my epoch, so if the
version is one more than I left it, mine went through, and if it is as I left it, it did not and may be sent again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from sqlalchemy import Connection, inspect, select, update
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from mesos_service.core.registry.operations import Operation, apply
from mesos_service.core.registry.registry import Registry
from mesos_service.core.registry.touched import touched
from mesos_service.domain.errors import InvariantBroken
from mesos_service.registrar import rows
from mesos_service.registrar.backends import open_backend
from mesos_service.registrar.interface import Deposed, RegistryFault
from mesos_service.registrar.schema import is_current, refuse_newer, upgrade
from mesos_service.registrar.tables import LEADERSHIP
from mesos_service.registrar.url import shown

PAUSE_SECONDS_MIN: Final = 0.05
PAUSE_SECONDS_MAX: Final = 2.0
"""Between attempts to reach the database, doubling."""

REHEARSAL_SECONDS_MAX: Final = 10.0

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Leadership:
    """The row that says who may write."""

    epoch: int
    election: int | None
    leader: str
    version: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What a standby has read: ``registry`` holds as long as the row is ``leadership``, which was read before it."""

    leadership: Leadership
    registry: Registry


class SqlStore:
    """One connection, used by one thread at a time. Timeouts are in seconds and hold for a whole call."""

    def __init__(self, url: URL) -> None:
        self.name: Final = shown(url)
        self.url: Final = url
        self._backend = open_backend(url)
        self._connection: Connection | None = None
        self._closing = threading.Event()
        self._mine: Leadership | None = None
        self._registry = Registry()
        self._reading: Reading | None = None

    @property
    def is_shared(self) -> bool:
        """Whether others may read the registry while a leader writes it."""
        return self._backend.is_shared

    @property
    def is_ready(self) -> bool:
        """Whether :meth:`rehearse` could read it the last time; to be asked between two calls."""
        return self._connection is not None

    def take(self, election: int | None, leader: str, timeout_seconds: float) -> Registry:
        """See ``Registrar.take``. The schema is brought up to date in the same transaction.

        What :meth:`rehearse` has read is not read again where nothing was stored since.
        """
        reading, self._reading = self._reading, None

        def body(connection: Connection, uncertain: bool) -> tuple[Leadership, Registry]:
            self._backend.keep_others_out(connection)
            refuse_newer(connection)
            before = None
            if inspect(connection).has_table(LEADERSHIP.name):
                # Locked before any table is altered: the old leader's transaction locks in this order too.
                before = _leadership(connection, lock=True)
                self._refuse_older(before, election, uncertain)
            upgrade(connection)
            connection.execute(
                update(LEADERSHIP).values(
                    epoch=LEADERSHIP.c.epoch + 1,
                    election=election,
                    leader=leader,
                    version=LEADERSHIP.c.version + 1,
                )
            )
            known = None if reading is None or reading.leadership != before else reading.registry
            return _leadership(connection), rows.load(connection) if known is None else known

        self._mine, self._registry = self._transact(body, timeout_seconds)
        return self._registry

    def rehearse(self) -> bool:
        """Do what :meth:`take` does as far as nothing is changed: what is done for the first time takes much longer.

        The connection is kept, and what was read; asked again, only what was stored meanwhile is a reason to read. Does
        nothing where a reader would keep the writer out, and where there is nothing yet that could be read. Returns
        whether the whole registry was read.

        Raises:
            RegistryFault: the registry cannot be reached or read now.
        """
        if not self._backend.is_shared:
            return False
        try:
            self._backend.limit(REHEARSAL_SECONDS_MAX)
            with self._connect().begin() as transaction:
                connection = self._connect()
                self._backend.begin(connection)
                found = self._read(connection)
                transaction.rollback()
        except DBAPIError as error:
            self._give_up()
            raise RegistryFault(f"Registry {self.name}: {self._backend.explain(error)}") from error
        except RegistryFault as fault:
            self._give_up()
            raise RegistryFault(f"Registry {self.name}: {fault}") from fault
        was, self._reading = self._reading, found
        return found is not was

    def _read(self, connection: Connection) -> Reading | None:
        known = self._reading
        if known is not None and _leadership(connection) == known.leadership:
            return known
        refuse_newer(connection)
        if not inspect(connection).has_table(LEADERSHIP.name) or not is_current(connection):
            return None
        # The row first: whatever is stored while the rest is read makes it another one.
        leadership = _leadership(connection)
        return Reading(leadership, rows.load(connection))

    def _give_up(self) -> None:
        self._reading = None
        self._disconnect()

    def write(self, operations: Sequence[Operation], timeout_seconds: float) -> None:
        """Store all of ``operations`` in one transaction, or none.

        Raises:
            Deposed: somebody else has taken the registry meanwhile.
            RegistryFault: it could not be stored in time, or at all.
        """
        mine = self._mine
        if mine is None:
            raise InvariantBroken("the registry is written by one who has not taken it")
        deadline = time.monotonic() + timeout_seconds
        after = apply(self._registry, operations)
        # Encoded before the transaction begins, which therefore never waits for us.
        found = rows.changes(self._registry, after, touched(operations))
        claim = (
            update(LEADERSHIP)
            .where(LEADERSHIP.c.epoch == mine.epoch, LEADERSHIP.c.version == mine.version)
            .values(version=mine.version + 1)
        )

        def body(connection: Connection, uncertain: bool) -> None:
            if connection.execute(claim).rowcount == 1:
                rows.write(connection, found, self._backend.insert)
            else:
                _expect_own(_leadership(connection), mine, uncertain)

        self._transact(body, deadline - time.monotonic())
        self._mine = Leadership(mine.epoch, mine.election, mine.leader, mine.version + 1)
        self._registry = after

    def settle(self) -> None:
        """What may wait until those who asked for a write were told. If it cannot be done now, it is later."""
        if self._connection is None:
            return
        try:
            self._backend.settle(self._connection)
        except RegistryFault as fault:
            log.warning("Registry %s: %s", self.name, fault)

    def forget_elections(self, timeout_seconds: float) -> Leadership:
        """Let the next election take the registry, whatever its number; what was stored before."""

        def body(connection: Connection, _uncertain: bool) -> Leadership:
            self._backend.keep_others_out(connection)
            refuse_newer(connection)
            if not inspect(connection).has_table(LEADERSHIP.name):
                raise RegistryFault("no master has ever taken it, so there is nothing to forget")
            before = _leadership(connection, lock=True)
            connection.execute(update(LEADERSHIP).values(election=None))
            return before

        return self._transact(body, timeout_seconds)

    def interrupt(self) -> None:
        """From another thread: do not try again."""
        self._closing.set()

    def close(self) -> None:
        """Give the connection back."""
        self._disconnect()
        self._backend.engine.dispose()

    def _refuse_older(self, stored: Leadership, election: int | None, uncertain: bool) -> None:
        if stored.election is None:
            return
        if election is None:
            # The elected leader would go on beside this one until it writes the next time: two would decide.
            raise RegistryFault(
                f"it belongs to masters that are elected (the last was {stored.leader}, of election {stored.election}),"
                " and this one contends with nobody: start it with their --zk. If it is to be the only one from now on,"
                f" end the others and run 'mesos-service registry forget-elections --registry={self.name}'"
            )
        if election > stored.election:
            return
        if uncertain and election == stored.election:
            # An attempt of ours went through, and its answer was lost.
            return
        raise Deposed(
            f"a newer leader has taken it: {stored.leader} of election {stored.election}, and this one's is {election}."
            " If the ZooKeeper ensemble was set up anew, its elections are counted from the start again: then run"
            f" 'mesos-service registry forget-elections --registry={self.name}'"
        )

    def _transact(self, body: Callable[[Connection, bool], T], timeout_seconds: float) -> T:
        """Run ``body`` in a transaction, again where that may help and there is time.

        Its second argument says whether an earlier attempt may have gone through.
        """
        deadline = time.monotonic() + timeout_seconds
        pause = PAUSE_SECONDS_MIN
        uncertain = committing = False
        while True:
            try:
                self._backend.limit(max(0.0, deadline - time.monotonic()))
                committing = False
                with self._connect().begin():
                    self._backend.begin(self._connect())
                    result = body(self._connect(), uncertain)
                    committing = True
                return result
            except DBAPIError as error:
                uncertain = uncertain or committing
                self._disconnect()
                reason = self._backend.explain(error)
                if not self._backend.passes(error):
                    raise RegistryFault(f"Registry {self.name}: {reason}") from error
                if time.monotonic() + pause >= deadline:
                    raise RegistryFault(
                        f"Registry {self.name}: gave up after {timeout_seconds:g} s: {reason}"
                    ) from error
                log.warning("Registry %s: %s; trying again in %g s", self.name, reason, pause)
                if self._closing.wait(pause):
                    raise RegistryFault(f"Registry {self.name}: ended while it could not be reached") from error
                pause = min(2 * pause, PAUSE_SECONDS_MAX)
            except RegistryFault as fault:
                self._disconnect()
                raise type(fault)(f"Registry {self.name}: {fault}") from fault

    def _connect(self) -> Connection:
        if self._connection is None:
            self._connection = self._backend.engine.connect()
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            # Not returned in order: after an error nobody knows what state it is in.
            connection.invalidate()
            connection.close()


def _leadership(connection: Connection, *, lock: bool = False) -> Leadership:
    query = select(LEADERSHIP.c.epoch, LEADERSHIP.c.election, LEADERSHIP.c.leader, LEADERSHIP.c.version)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise RegistryFault("its table leadership is empty; restore the registry from a backup")
    return Leadership(row.epoch, row.election, row.leader, row.version)


def _expect_own(stored: Leadership, mine: Leadership, uncertain: bool) -> None:
    """The claim found another row than it left: either it was our own commit, or somebody else's."""
    if stored.epoch != mine.epoch:
        raise Deposed(
            f"a newer leader has taken it: {stored.leader} (epoch {stored.epoch}, and this one's is {mine.epoch})"
        )
    if not (uncertain and stored.version == mine.version + 1):
        raise RegistryFault(
            f"its version is {stored.version} where {mine.version} was left: somebody who is no master has written it"
        )
