"""The registry in a database: what is stored comes back, and only the newest leader writes (M-HA-02, X25)."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Connection, text

from mesos_service.core.registry.operations import (
    RemoveAgent,
    RemoveFramework,
    apply,
)
from mesos_service.core.registry.registry import Registry
from mesos_service.domain.errors import InvariantBroken
from mesos_service.domain.ids import AgentId, FrameworkId
from mesos_service.registrar import backends, rows
from mesos_service.registrar.interface import Deposed, RegistryFault
from tests.unit.registrar.conftest import OpenStore
from tests.unit.registrar.stores import SECONDS, STORED, Halt, admit


def test_m_ha_02_what_was_stored_is_there_for_the_next_leader(registry_url: str, open_store: OpenStore) -> None:
    first = open_store(registry_url)
    assert first.take(None, "first", SECONDS) == Registry()
    first.write(STORED[:3], SECONDS)
    first.write(STORED[3:], SECONDS)

    taken = open_store(registry_url).take(None, "second", SECONDS)

    assert taken == apply(Registry(), STORED)
    assert taken.admitted[AgentId("a")] == admit("a").agent


def test_removed_frameworks_come_back_oldest_first(registry_url: str, open_store: OpenStore) -> None:
    first = open_store(registry_url)
    first.take(None, "first", SECONDS)
    first.write([RemoveFramework(FrameworkId(name), at) for name, at in (("z", 1.0), ("a", 2.0), ("m", 3.0))], SECONDS)
    assert list(open_store(registry_url).take(None, "second", SECONDS).removed_frameworks) == ["z", "a", "m"]


def test_x25_a_deposed_leaders_write_fails_and_changes_nothing(registry_url: str, open_store: OpenStore) -> None:
    old, new = open_store(registry_url), open_store(registry_url)
    old.take(10, "old", SECONDS)
    old.write([admit("a")], SECONDS)
    new.take(11, "new", SECONDS)

    with pytest.raises(Deposed, match="newer leader has taken it: new"):
        old.write([RemoveAgent(AgentId("a"))], SECONDS)
    with pytest.raises(Deposed):
        old.write([admit("b")], SECONDS)

    new.write([admit("c")], SECONDS)
    assert set(open_store(registry_url).take(12, "third", SECONDS).admitted) == {"a", "c"}


def test_x25_an_older_election_takes_nothing(registry_url: str, open_store: OpenStore) -> None:
    new = open_store(registry_url)
    new.take(11, "new", SECONDS)
    for election in (10, 11):
        with pytest.raises(Deposed, match="forget-elections"):
            open_store(registry_url).take(election, "late", SECONDS)
    new.write([admit("a")], SECONDS)


def test_x25_elections_are_counted_anew_once_they_were_forgotten(registry_url: str, open_store: OpenStore) -> None:
    open_store(registry_url).take(11, "before", SECONDS)
    assert open_store(registry_url).forget_elections(SECONDS).election == 11
    after = open_store(registry_url)
    after.take(2, "after", SECONDS)
    after.write([admit("a")], SECONDS)


def test_x25_a_master_alone_does_not_take_what_elected_ones_have(registry_url: str, open_store: OpenStore) -> None:
    """Somebody forgot --zk: the leader would not notice before its next write, and two would decide."""
    elected = open_store(registry_url)
    elected.take(11, "elected", SECONDS)
    with pytest.raises(RegistryFault, match=r"start it with their --zk.*forget-elections"):
        open_store(registry_url).take(None, "alone", SECONDS)
    elected.write([admit("a")], SECONDS)

    open_store(registry_url).forget_elections(SECONDS)
    assert set(open_store(registry_url).take(None, "alone", SECONDS).admitted) == {"a"}
    open_store(registry_url).take(None, "alone again", SECONDS)


def test_nobody_writes_who_has_not_taken(registry_url: str, open_store: OpenStore) -> None:
    with pytest.raises(InvariantBroken):
        open_store(registry_url).write([admit("a")], SECONDS)


def test_x25_a_write_that_nobody_who_leads_has_made_is_noticed(registry_url: str, open_store: OpenStore) -> None:
    store = open_store(registry_url)
    store.take(None, "me", SECONDS)
    with backends.open_backend(store.url).engine.begin() as connection:
        connection.exec_driver_sql("UPDATE leadership SET version = 77")
    with pytest.raises(RegistryFault, match="version is 77"):
        store.write([admit("a")], SECONDS)


def test_x25_who_takes_waits_for_the_write_that_is_under_way(
    registry_url: str, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old leader has claimed its transaction and not ended it: it goes through, and the new one sees it."""
    old, new = open_store(registry_url), open_store(registry_url)
    old.take(1, "old", SECONDS)
    halt = Halt(monkeypatch)
    with ThreadPoolExecutor() as pool:
        writing = pool.submit(old.write, [admit("a")], SECONDS)
        assert halt.reached.wait(SECONDS)
        taking = pool.submit(new.take, 2, "new", SECONDS)
        with pytest.raises(TimeoutError):
            taking.result(0.2)
        halt.go.set()
        writing.result(SECONDS)
        assert set(taking.result(SECONDS).admitted) == {"a"}
    with pytest.raises(Deposed):
        old.write([admit("b")], SECONDS)


def test_x25_a_leader_that_was_frozen_in_its_transaction_is_cut_off(
    postgresql_url: str, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL ends a transaction that stands still, and what its leader tries afterwards is refused."""
    monkeypatch.setattr(backends, "IDLE_IN_TRANSACTION_SECONDS_MAX", 0.3)
    old, new = open_store(postgresql_url), open_store(postgresql_url)
    old.take(1, "old", SECONDS)
    halt = Halt(monkeypatch)
    with ThreadPoolExecutor() as pool:
        writing = pool.submit(old.write, [admit("a")], SECONDS)
        assert halt.reached.wait(SECONDS)
        assert pool.submit(new.take, 2, "new", SECONDS).result(SECONDS) == Registry()
        halt.go.set()
        with pytest.raises(Deposed):
            writing.result(SECONDS)
    new.write([admit("b")], SECONDS)
    assert set(open_store(postgresql_url).take(3, "third", SECONDS).admitted) == {"b"}


def test_x25_of_two_who_race_the_last_one_writes(registry_url: str, open_store: OpenStore) -> None:
    """Both take and write as fast as they can: whatever was told as stored is there, and nothing of the deposed."""
    told: set[str] = set()
    barrier = threading.Barrier(2)

    def lead(election: int, agents: range) -> None:
        store = open_store(registry_url)
        barrier.wait(SECONDS)
        with contextlib.suppress(Deposed):
            store.take(election, f"leader {election}", SECONDS)
            for name in map(str, agents):
                store.write([admit(name)], SECONDS)
                told.add(name)

    with ThreadPoolExecutor() as pool:
        for done in (pool.submit(lead, 1, range(40)), pool.submit(lead, 2, range(40, 80))):
            done.result(2 * SECONDS)
    assert set(map(str, range(40, 80))) <= told
    assert set(open_store(registry_url).take(3, "third", SECONDS).admitted) == told


def test_a82_a_rehearsal_changes_nothing_and_keeps_nobody_out(registry_url: str, open_store: OpenStore) -> None:
    """Whoever stands by reads what the leader writes, and the leader goes on."""
    standby = open_store(registry_url)
    standby.rehearse()
    leader = open_store(registry_url)
    assert leader.take(1, "leader", SECONDS) == Registry(), "nothing was made yet"
    leader.write(STORED, SECONDS)
    standby.rehearse()
    leader.write([admit("S9")], SECONDS)
    assert "S9" in open_store(registry_url).take(2, "next", SECONDS).admitted


class Loads:
    """Counts how often a whole registry is read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        load = rows.load

        def counted(connection: Connection) -> Registry:
            self.count += 1
            return load(connection)

        monkeypatch.setattr(rows, "load", counted)


def test_a82_who_has_rehearsed_reads_again_only_what_was_stored_since(
    postgresql_url: str, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader, standby = open_store(postgresql_url), open_store(postgresql_url)
    leader.take(1, "leader", SECONDS)
    loads = Loads(monkeypatch)
    assert [standby.rehearse(), standby.rehearse()] == [True, False]
    leader.write(STORED, SECONDS)
    assert [standby.rehearse(), standby.rehearse(), loads.count] == [True, False, 2]
    assert standby.take(2, "standby", SECONDS) == apply(Registry(), STORED)
    assert loads.count == 2, "it had read it already"
    standby.write([admit("S9")], SECONDS)
    with pytest.raises(Deposed):
        leader.write([admit("S10")], SECONDS)
    assert set(open_store(postgresql_url).take(3, "third", SECONDS).admitted) == {"a", "S9"}


def test_a82_what_was_stored_after_the_last_rehearsal_is_not_missed(
    postgresql_url: str, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is anything that is stored while it reads, whatever it has seen of that."""
    leader, standby, late = (open_store(postgresql_url) for _ in range(3))
    leader.take(1, "leader", SECONDS)
    load = rows.load

    def overtaken(connection: Connection) -> Registry:
        registry = load(connection)
        leader.write([admit("S1")], SECONDS)
        return registry

    with monkeypatch.context() as patch:
        patch.setattr(rows, "load", overtaken)
        late.rehearse()
    standby.rehearse()
    leader.write([admit("S2")], SECONDS)
    assert set(late.take(2, "late", SECONDS).admitted) == {"S1", "S2"}
    assert set(standby.take(3, "standby", SECONDS).admitted) == {"S1", "S2"}


def test_a82_a_connection_that_broke_since_the_rehearsal_is_made_anew(
    postgresql_url: str, open_store: OpenStore
) -> None:
    leader, standby = open_store(postgresql_url), open_store(postgresql_url)
    leader.take(1, "leader", SECONDS)
    leader.write([admit("S1")], SECONDS)
    standby.rehearse()
    with leader._connect().begin():
        ended = leader._connect().scalar(
            text(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                " AND datname = current_database() AND application_name = 'mesos-service'"
            )
        )
    assert ended == 1
    assert set(standby.take(2, "standby", SECONDS).admitted) == {"S1"}


def test_a_rehearsal_that_fails_says_why_in_a_sentence(postgresql_url: str, open_store: OpenStore) -> None:
    with pytest.raises(RegistryFault, match=r"^Registry postgresql.*/nowhere: .*create the database"):
        open_store(f"{postgresql_url.rpartition('/')[0]}/nowhere").rehearse()
