"""The registrar on SQL, on its loop: in order, in batches, never waiting, and over when its store is (X16, M-HA-04)."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from mesos_service.core.registry.operations import Operation, RemoveAgent
from mesos_service.core.registry.registry import Registry
from mesos_service.domain.errors import ConfigurationError, InvariantBroken, MesosServiceError
from mesos_service.domain.ids import AgentId
from mesos_service.registrar import backends, rehearsal
from mesos_service.registrar.factory import make_registrar
from mesos_service.registrar.interface import Deposed, RegistryFault
from mesos_service.registrar.memory import MemoryRegistrar
from mesos_service.registrar.sql import SqlRegistrar
from mesos_service.registrar.store import SqlStore
from mesos_service.registrar.url import file_url, parse_url
from tests.support.postgresql import MakePostgreSQL
from tests.unit.registrar.stores import admit

SECONDS = 30.0


class Kept:
    """A registrar, and what it has told."""

    def __init__(
        self, url: str, store_timeout_seconds: float = SECONDS, fetch_timeout_seconds: float = SECONDS
    ) -> None:
        self.told: list[int] = []
        self.lost: list[MesosServiceError] = []
        self._changed = asyncio.Event()
        self.registrar = SqlRegistrar(
            url,
            self._on_persisted,
            self._on_lost,
            fetch_timeout_seconds=fetch_timeout_seconds,
            store_timeout_seconds=store_timeout_seconds,
        )

    def _on_persisted(self, number: int) -> None:
        self.told.append(number)
        self._changed.set()

    def _on_lost(self, error: MesosServiceError) -> None:
        self.lost.append(error)
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(SECONDS):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


class Batches:
    """Sees each batch that is written, and can hold the first one up."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, held: bool = False) -> None:
        self.sizes: list[int] = []
        self.reached = threading.Event()
        self.go = threading.Event()
        if not held:
            self.go.set()
        write = SqlStore.write

        def seen(store: SqlStore, operations: Sequence[Operation], timeout_seconds: float) -> None:
            self.sizes.append(len(operations))
            self.reached.set()
            assert self.go.wait(SECONDS)
            write(store, operations, timeout_seconds)

        monkeypatch.setattr(SqlStore, "write", seen)


def test_x16_one_write_at_a_time_and_what_comes_meanwhile_is_the_next_batch(
    registry_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = Batches(monkeypatch, held=True)

    async def scenario() -> None:
        kept = Kept(registry_url)
        await kept.registrar.take(None, "me")
        for number in range(5):
            kept.registrar.persist(number, admit(str(number)))
        assert await asyncio.to_thread(batches.reached.wait, SECONDS)
        for number in range(5, 12):
            kept.registrar.persist(number, admit(str(number)))
        assert kept.told == []
        batches.go.set()
        await kept.until(lambda: len(kept.told) == 12)
        assert kept.told == list(range(12))
        assert batches.sizes == [5, 7]
        await kept.registrar.close()

        again = Kept(registry_url)
        assert len((await again.registrar.take(None, "me")).admitted) == 12
        await again.registrar.close()

    asyncio.run(scenario())


def test_what_a_confirmation_causes_is_stored_in_its_turn(registry_url: str) -> None:
    async def scenario() -> None:
        kept = Kept(registry_url)
        told = kept.registrar._persisted

        def persisted(number: int) -> None:
            told(number)
            if number == 1:
                kept.registrar.persist(2, RemoveAgent(AgentId("a")))

        kept.registrar._persisted = persisted
        await kept.registrar.take(None, "me")
        kept.registrar.persist(1, admit("a"))
        await kept.until(lambda: kept.told == [1, 2])
        await kept.registrar.close()

    asyncio.run(scenario())


def test_what_is_asked_for_as_a_writing_ends_is_stored_too(registry_url: str) -> None:
    """Between a confirmation and the end of the task that told it the loop may run others, such as a tick."""

    async def scenario() -> None:
        kept = Kept(registry_url)
        told = kept.registrar._persisted

        def persisted(number: int) -> None:
            told(number)
            if number == 1:
                asyncio.get_running_loop().call_soon(kept.registrar.persist, 2, RemoveAgent(AgentId("a")))

        kept.registrar._persisted = persisted
        await kept.registrar.take(None, "me")
        kept.registrar.persist(1, admit("a"))
        await kept.until(lambda: kept.told == [1, 2])
        await kept.registrar.close()

    asyncio.run(scenario())


def test_x25_the_deposed_one_is_told_once_and_nothing_is_told_as_durable(registry_url: str) -> None:
    async def scenario() -> None:
        old, new = Kept(registry_url), Kept(registry_url)
        await old.registrar.take(1, "old")
        await new.registrar.take(2, "new")
        old.registrar.persist(1, admit("a"))
        await old.until(lambda: bool(old.lost))
        old.registrar.persist(2, admit("b"))
        new.registrar.persist(3, admit("c"))
        await new.until(lambda: new.told == [3])
        assert isinstance(old.lost[0], Deposed)
        assert (len(old.lost), old.told, new.lost) == (1, [], [])
        await old.registrar.close()
        await new.registrar.close()

    asyncio.run(scenario())


def test_m_ha_04_a_write_that_takes_too_long_ends_in_a_fault(make_postgresql: MakePostgreSQL) -> None:
    """The server stands still, so that not even its own time limit helps."""
    server = make_postgresql()
    url = server.plain_url(server.create_database())

    async def scenario() -> None:
        kept = Kept(url, store_timeout_seconds=0.3)
        await kept.registrar.take(None, "me")
        server.freeze()
        try:
            kept.registrar.persist(1, admit("a"))
            await kept.until(lambda: bool(kept.lost))
            assert "no answer within 0.3 s" in str(kept.lost[0])
            assert kept.told == []
            await kept.registrar.close()
        finally:
            server.thaw()

    asyncio.run(scenario())


def test_m_ha_04_a_registry_that_is_not_there_is_given_up_after_the_fetch_timeout() -> None:
    async def scenario() -> None:
        kept = Kept("postgresql://u:secret@127.0.0.1:1/d", fetch_timeout_seconds=0.5)
        with pytest.raises(RegistryFault, match=r"u:\*\*\*@127.0.0.1:1/d: gave up after 0.5 s: .*refused") as raised:
            await kept.registrar.take(None, "me")
        assert "secret" not in str(raised.value)
        await kept.registrar.close()

    asyncio.run(scenario())


def test_a_defect_of_ours_ends_it_too(registry_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_store: SqlStore, _operations: Sequence[Operation], _timeout_seconds: float) -> None:
        raise KeyError("oh")

    monkeypatch.setattr(SqlStore, "write", broken)

    async def scenario() -> None:
        kept = Kept(registry_url)
        await kept.registrar.take(None, "me")
        kept.registrar.persist(1, admit("a"))
        await kept.until(lambda: bool(kept.lost))
        assert isinstance(kept.lost[0], InvariantBroken)
        await kept.registrar.close()

    asyncio.run(scenario())


def test_nothing_is_told_after_the_end(registry_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was under way goes through, and whoever reads the registry next finds it."""
    batches = Batches(monkeypatch, held=True)

    async def scenario() -> None:
        kept = Kept(registry_url)
        await kept.registrar.take(None, "me")
        kept.registrar.persist(1, admit("a"))
        assert await asyncio.to_thread(batches.reached.wait, SECONDS)
        closing = asyncio.create_task(kept.registrar.close())
        await asyncio.sleep(0)
        kept.registrar.persist(2, admit("b"))
        batches.go.set()
        await closing
        assert (kept.told, kept.lost) == ([], [])
        again = Kept(registry_url)
        assert set((await again.registrar.take(None, "me")).admitted) == {"a"}
        await again.registrar.close()

    asyncio.run(scenario())


def test_the_factory_makes_what_the_flag_says(registry_url: str) -> None:
    assert isinstance(make_registrar("in_memory", print, print), MemoryRegistrar)
    assert isinstance(make_registrar(registry_url, print, print), SqlRegistrar)
    with pytest.raises(ConfigurationError, match="--registry: 'mysql' holds no registry"):
        make_registrar("mysql://u:p@h/d", print, print)
    with pytest.raises(InvariantBroken):
        make_registrar(registry_url, print, print).persist(1, admit("a"))


def test_x16_what_is_told_does_not_wait_for_sqlites_log_to_be_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit is durable in the log. Moving that into the file comes after, and keeps nobody waiting."""
    told_before: list[list[int]] = []
    settle = SqlStore.settle

    async def run() -> None:
        kept = Kept(file_url(tmp_path))

        def seen(store: SqlStore) -> None:
            told_before.append(list(kept.told))
            settle(store)

        monkeypatch.setattr(SqlStore, "settle", seen)
        await kept.registrar.take(None, "me")
        agents = 2 * backends.LOG_BYTES_MAX // 1000
        for number in range(agents):
            kept.registrar.persist(number, admit(f"{number}" + "x" * 500))
        await kept.until(lambda: len(kept.told) == agents)
        log = tmp_path / "registry.sqlite-wal"
        grown = log.stat().st_size
        kept.registrar.persist(agents, admit("last"))
        await kept.until(lambda: len(kept.told) == agents + 1)
        assert told_before[0] == list(range(agents)), "somebody waited for it"
        assert grown == 0 or grown > backends.LOG_BYTES_MAX, "it is moved whole or not at all"
        assert log.stat().st_size < backends.LOG_BYTES_MAX, "it grows for ever"
        await kept.registrar.close()

    asyncio.run(run())


def test_a_log_that_cannot_be_moved_yet_loses_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Somebody reads the file all the while: the log stays, and goes on to be written."""
    store, other = SqlStore(parse_url(file_url(tmp_path))), sqlite3.connect(tmp_path / "registry.sqlite")
    store.take(None, "me", SECONDS)
    other.execute("BEGIN")
    assert other.execute("SELECT count(*) FROM admitted_agents").fetchall() == [(0,)]
    names = [f"{number}" + "x" * 500 for number in range(2 * backends.LOG_BYTES_MAX // 1000)]
    store.write([admit(name) for name in names], SECONDS)
    log = tmp_path / "registry.sqlite-wal"
    store.settle()
    assert log.stat().st_size > backends.LOG_BYTES_MAX, "it was cut under a reader"
    other.rollback()
    store.write([admit("last")], SECONDS)
    store.settle()
    assert log.stat().st_size == 0
    assert other.execute("SELECT count(*) FROM admitted_agents").fetchall() == [(len(names) + 1,)]
    # The directory is gone: nothing can be asked about the log, and that is said.
    log.unlink()
    store.settle()
    assert "its log cannot be moved" in caplog.text
    other.close()
    store.close()


class Looks:
    """Lets a rehearsal look three times at once, and then no more."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.enough = asyncio.Event()
        look = rehearsal.Rehearsal._look

        async def counted(one: rehearsal.Rehearsal) -> float:
            await look(one)
            self.count += 1
            if self.count < 3:
                return 0.0
            self.enough.set()
            return SECONDS

        monkeypatch.setattr(rehearsal.Rehearsal, "_look", counted)


def test_a82_whoever_stands_by_looks_until_it_takes_the_registry(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection that has looked is the one that leads; no thread of the rehearsal is left."""
    taken: list[SqlStore] = []
    looks: list[SqlStore] = []
    take, rehearse = SqlStore.take, SqlStore.rehearse

    def seen_take(store: SqlStore, election: int | None, leader: str, timeout_seconds: float) -> Registry:
        taken.append(store)
        return take(store, election, leader, timeout_seconds)

    def seen_rehearse(store: SqlStore) -> bool:
        looks.append(store)
        return rehearse(store)

    monkeypatch.setattr(SqlStore, "take", seen_take)
    monkeypatch.setattr(SqlStore, "rehearse", seen_rehearse)
    looked = Looks(monkeypatch)

    async def scenario() -> None:
        old, new = Kept(postgresql_url), Kept(postgresql_url)
        await old.registrar.take(1, "old")
        standing_by = asyncio.create_task(new.registrar.rehearse())
        await asyncio.wait_for(looked.enough.wait(), SECONDS)
        await new.registrar.take(2, "new")
        assert taken[1] is looks[0]
        await asyncio.wait_for(standing_by, SECONDS)
        so_far = len(looks)
        new.registrar.persist(1, admit("S1"))
        await new.until(lambda: new.told == [1])
        assert len(looks) == so_far
        await new.registrar.close()
        await old.registrar.close()

    asyncio.run(scenario())
    for thread in threading.enumerate():
        if thread.name == "registrar-rehearsal":
            thread.join(SECONDS)
            assert not thread.is_alive()


def test_a82_nobody_waits_for_a_rehearsal_that_is_at_work(postgresql_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A master that is elected meanwhile takes the registry on its own; the rehearsal ends and closes its own."""
    begun, go, closed = threading.Event(), threading.Event(), threading.Event()
    rehearse, close = SqlStore.rehearse, SqlStore.close

    def held(store: SqlStore) -> bool:
        begun.set()
        assert go.wait(SECONDS)
        return rehearse(store)

    def seen(store: SqlStore) -> None:
        close(store)
        if threading.current_thread().name == "registrar-rehearsal":
            closed.set()

    monkeypatch.setattr(SqlStore, "rehearse", held)
    monkeypatch.setattr(SqlStore, "close", seen)

    async def scenario() -> None:
        kept = Kept(postgresql_url)
        standing_by = asyncio.create_task(kept.registrar.rehearse())
        assert await asyncio.to_thread(begun.wait, SECONDS)
        await kept.registrar.take(1, "elected")
        go.set()
        await asyncio.wait_for(standing_by, SECONDS)
        assert await asyncio.to_thread(closed.wait, SECONDS)
        await kept.registrar.close()

    asyncio.run(scenario())


def test_a82_a_standby_says_once_that_it_could_not_lead(
    postgresql_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = Looks(monkeypatch)

    async def scenario() -> None:
        kept = Kept(f"{postgresql_url.rpartition('/')[0]}/nowhere")
        standing_by = asyncio.create_task(kept.registrar.rehearse())
        await asyncio.wait_for(looked.enough.wait(), SECONDS)
        standing_by.cancel()
        await asyncio.wait((standing_by,))
        await kept.registrar.close()

    asyncio.run(scenario())
    assert caplog.text.count("could not lead now") == 1


def test_a82_threads_change_places_as_before_once_the_registry_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where two take theirs at once, and where it cannot be taken."""
    usual = sys.getswitchinterval()
    within: list[float] = []
    both = threading.Barrier(2)

    def seen(_store: SqlStore, election: int | None, _leader: str, _seconds: float) -> Registry:
        within.append(sys.getswitchinterval())
        both.wait(SECONDS)
        if election is not None:
            raise RegistryFault("not this one")
        return Registry()

    monkeypatch.setattr(SqlStore, "take", seen)

    async def scenario() -> None:
        one, other = Kept(file_url(tmp_path)), Kept(file_url(tmp_path))
        taken = await asyncio.gather(
            one.registrar.take(None, "one"), other.registrar.take(1, "other"), return_exceptions=True
        )
        assert [type(each) for each in taken] == [Registry, RegistryFault]
        await one.registrar.close()
        await other.registrar.close()

    asyncio.run(scenario())
    assert len(within) == 2 and max(within) < usual
    assert sys.getswitchinterval() == usual
