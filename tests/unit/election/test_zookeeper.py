"""Contending and detecting with real ZooKeeper servers (M-HA-01, D16, X22)."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator

import pytest
from kazoo.client import KazooClient
from kazoo.security import make_acl

from mesos_service.election.detector import ZooKeeperDetector, find_leader
from mesos_service.election.interface import ElectionFault
from mesos_service.election.url import ZooKeeperUrl
from tests.support.leaping import leap, run_leaping
from tests.support.ports import fixed_port
from tests.support.tcp_proxy import TcpProxy
from tests.support.zookeeper import MakeZooKeeper, ZooKeeper
from tests.unit.election.support import SESSION_SECONDS, Candidate, Lines, own_path, until


@pytest.fixture
def client(zookeeper: ZooKeeper) -> Iterator[KazooClient]:
    """Somebody else's client."""
    other = KazooClient(hosts=zookeeper.hosts)
    other.start()
    yield other
    other.stop()
    other.close()


@pytest.fixture
def lines() -> Iterator[Lines]:
    """All that is logged."""
    handler, root = Lines(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler
    root.setLevel(level)
    root.removeHandler(handler)


def test_m_ha_01_the_first_leads_and_the_next_follows(zookeeper: ZooKeeper, client: KazooClient) -> None:
    """B53: hot standby. The epoch grows, so that the registry can tell an older leader's writes (X25)."""
    path = own_path()
    url = zookeeper.url(path)

    async def scenario() -> None:
        async with Candidate(url, 1) as second:
            # Elected alone, so it was the first.
            await until(lambda: second.leads)
            async with Candidate(url, 2) as third, Candidate(url, 3) as fourth:
                await until(lambda: third.sees == fourth.sees == 5051)
                assert (third.tenure, fourth.tenure) == (None, None)
                names = client.get_children(path)
                assert sorted(names) == [f"json.info_{number:010}" for number in range(3)]
                content, stat = client.get(f"{path}/json.info_0000000000")
                assert json.loads(content)["address"] == {"hostname": "host-1", "ip": "127.0.0.1", "port": 5051}
                assert stat.ephemeralOwner != 0
                assert second.tenure is not None
                assert second.tenure.election == stat.czxid

                await second.contender.stop()
                assert not second.leads
                await until(lambda: third.leads or fourth.leads)
                heir = third if third.leads else fourth
                assert heir.tenure is not None and heir.tenure.election is not None
                assert heir.tenure.election > stat.czxid
                # The one that contended first of those that are left.
                assert heir.sees == json.loads(client.get(f"{path}/json.info_0000000001")[0])["port"]
        assert second.over == third.over == fourth.over == [], "whoever stops has not been deposed"

    asyncio.run(scenario())


def test_a_detector_follows_the_leader(zookeeper: ZooKeeper, client: KazooClient) -> None:
    """It may look before anybody has contended, and nodes of others do not confuse it."""
    path = own_path()

    async def scenario() -> None:
        detector = ZooKeeperDetector(ZooKeeperUrl.parse(zookeeper.url(path)), SESSION_SECONDS)
        detector.start()
        found = asyncio.create_task(detector.detect())
        client.create(f"{path}/log_replicas/x", makepath=True)
        client.create(f"{path}/a", b"")
        async with Candidate(zookeeper.url(path), 1):
            leader = await found
            assert leader is not None
            assert (str(leader), leader.location) == ("127.0.0.1:5051", "host-1:5051")
            gone = asyncio.create_task(detector.detect(leader))
        assert await gone is None
        async with Candidate(zookeeper.url(path), 2):
            again = await detector.detect()
            assert again is not None
            assert again.port == 5052
            assert again.election > leader.election
        await detector.stop()

    asyncio.run(asyncio.wait_for(scenario(), 120))


def test_a_node_of_nonsense_leads_nobody_anywhere(zookeeper: ZooKeeper, client: KazooClient, lines: Lines) -> None:
    path = own_path()
    client.create(f"{path}/json.info_0000000000", b"\x08\x01 no json", makepath=True)

    async def scenario() -> None:
        async with Candidate(zookeeper.url(path), 1) as candidate:
            await until(lambda: "is no master that can be found" in lines.text)
            assert candidate.sees is None
            detector = ZooKeeperDetector(ZooKeeperUrl.parse(zookeeper.url(path)))
            finding = asyncio.create_task(find_leader(detector, 60.0))
            await until(lambda: "no master leads under zk://" in str(detector.trouble))
            leap(60.0)
            with pytest.raises(ElectionFault, match="no master leads under zk://"):
                await finding
            # An operator cleans up; the sequence goes on from the parent's own count.
            client.delete(f"{path}/json.info_0000000000")
            await until(lambda: candidate.leads)

    run_leaping(scenario())


def test_x22_a_leader_whose_node_is_removed_is_over(zookeeper: ZooKeeper, client: KazooClient) -> None:
    path = own_path()

    async def scenario() -> None:
        async with Candidate(zookeeper.url(path), 1) as candidate, Candidate(zookeeper.url(path), 2) as standby:
            await until(lambda: candidate.leads or standby.leads)
            leader, other = (candidate, standby) if candidate.leads else (standby, candidate)
            await until(lambda: other.sees is not None)
            client.delete(f"{path}/json.info_0000000000")
            await until(lambda: leader.over)
            assert not leader.leads
            assert "removed json.info_0000000000" in leader.over[0]
            await until(lambda: other.leads)

    asyncio.run(scenario())


def test_x22_a_leader_cut_off_is_in_doubt_at_once_and_goes_on_within_its_session(zookeeper: ZooKeeper) -> None:
    """SUSPENDED stops it, and the same session with the same node lets it go on."""
    with TcpProxy(zookeeper.nodes[0].port) as cable:
        url = f"zk://{cable.address}{own_path()}"

        async def scenario() -> None:
            async with Candidate(url, 1, session_seconds=4.0) as candidate:
                await until(lambda: candidate.leads)
                cable.cut()
                await until(lambda: not candidate.leads)
                before = candidate.proofs
                cable.heal()
                await until(lambda: candidate.leads)
                assert candidate.proofs > before
                assert candidate.over == []

        asyncio.run(scenario())


def test_x22_a_leader_that_hears_nothing_stops_before_another_can_lead(zookeeper: ZooKeeper) -> None:
    """Nothing closes, nothing answers: the lease ends by itself, and only later the session."""
    path = own_path()
    with TcpProxy(zookeeper.nodes[0].port) as cable:

        async def scenario() -> None:
            async with Candidate(f"zk://{cable.address}{path}", 1, session_seconds=2.0) as first:
                await until(lambda: first.leads)
                async with Candidate(zookeeper.url(path), 2) as second:
                    await until(lambda: second.sees == 5051)
                    cable.stall()
                    while second.tenure is None:
                        assert not (first.leads and second.leads)
                        await asyncio.sleep(0.001)
                    assert not first.leads
                    cable.heal()
                    await until(lambda: first.over)
                    await until(lambda: second.leads)

        asyncio.run(asyncio.wait_for(scenario(), 120))


def test_m_ha_13_a_leader_that_stays_cut_off_gives_up(zookeeper: ZooKeeper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mesos_service.election.contender.HELD_SECONDS_MAX", 0.5)
    with TcpProxy(zookeeper.nodes[0].port) as cable:
        url = f"zk://{cable.address}{own_path()}"

        async def scenario() -> None:
            async with Candidate(url, 1, session_seconds=2.0) as candidate:
                await until(lambda: candidate.leads)
                cable.cut()
                await until(lambda: candidate.over)
                assert "has not confirmed for" in candidate.over[0]

        asyncio.run(scenario())


def test_an_ensemble_that_loses_one_server_keeps_its_leader_and_without_a_quorum_nobody_decides(
    make_zookeeper: MakeZooKeeper,
) -> None:
    """D16: one of three may go; of a minority nobody is elected and the leader holds still, until they are back."""
    ensemble = make_zookeeper(size=3)
    url = ensemble.url(own_path())

    async def scenario() -> None:
        async with Candidate(url, 1, session_seconds=4.0) as first:
            await until(lambda: first.leads)
            async with Candidate(url, 2, session_seconds=4.0) as second:
                await until(lambda: second.sees == 5051)
                follower = next(node for node in ensemble.nodes if node.mode() == "follower")
                await asyncio.to_thread(follower.kill)
                await until(lambda: first.leads)
                proofs = first.proofs
                await until(lambda: first.proofs > proofs)

                other = next(node for node in ensemble.nodes if node.running and node is not ensemble.leader())
                await asyncio.to_thread(other.kill)
                await until(lambda: not first.leads)
                assert second.tenure is None
                for node in (follower, other):
                    node.start()
                await until(lambda: first.leads or first.over)
                assert first.leads, first.over
                assert second.tenure is None

    asyncio.run(scenario())


def test_with_a_user_only_that_user_contends_and_everybody_may_look(
    zookeeper: ZooKeeper, client: KazooClient, lines: Lines
) -> None:
    path = own_path()

    async def scenario() -> None:
        async with Candidate(zookeeper.url(path, "mesos:hunter2"), 1) as candidate:
            await until(lambda: candidate.leads)
            acls, _ = client.get_acls(f"{path}/json.info_0000000000")
            assert sorted((acl.id.scheme, acl.perms) for acl in acls) == [("digest", 31), ("world", 1)]
            leader = await find_leader(ZooKeeperDetector(ZooKeeperUrl.parse(zookeeper.url(path))), 60)
            assert leader.port == 5051
            for credentials in ("mesos:wrong-hunter3", ""):
                refused = await _refusal(zookeeper.url(path, credentials))
                assert "name its owner in the URL" in refused
            assert candidate.leads

    asyncio.run(scenario())
    assert "hunter" not in lines.text, "passwords are not logged, whatever the level"


async def _refusal(url: str) -> str:
    async with Candidate(url, 2) as intruder:
        await until(lambda: intruder.over)
        assert intruder.tenure is None
        return intruder.over[0]


def test_an_ensemble_that_does_not_know_passwords_is_no_reason_to_wait_for_ever(
    zookeeper: ZooKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mesos_service.election.session.AUTH_SCHEME", "unheard-of")
    url = zookeeper.url(own_path(), "mesos:hunter2")

    async def scenario() -> None:
        assert "does not take user and password" in await _refusal(url)
        with pytest.raises(ElectionFault, match="does not take user and password"):
            await find_leader(ZooKeeperDetector(ZooKeeperUrl.parse(url)), 60)

    asyncio.run(scenario())


def test_who_may_not_look_is_told_why(zookeeper: ZooKeeper, client: KazooClient) -> None:
    path = own_path()
    client.create(path, makepath=True)
    client.set_acls(path, [make_acl("digest", "x:y", all=True)])

    async def scenario() -> None:
        with pytest.raises(ElectionFault, match="does not let anybody use"):
            await find_leader(ZooKeeperDetector(ZooKeeperUrl.parse(zookeeper.url(path))), 60)

    asyncio.run(scenario())


def test_an_ensemble_that_is_not_there_is_named_and_waited_for(make_zookeeper: MakeZooKeeper, lines: Lines) -> None:
    """Nobody leads without it; whoever waits is not told so again with every attempt."""
    port = fixed_port()

    async def scenario() -> None:
        url = f"zk://u:hunter2@127.0.0.1:{port}/mesos"
        async with Candidate(url, 1) as candidate:
            with pytest.raises(ElectionFault, match=r"no ZooKeeper answers at zk://u:\*\*\*@127\.0\.0\.1"):
                await find_leader(ZooKeeperDetector(ZooKeeperUrl.parse(url)), 1.5)
            assert (candidate.tenure, candidate.leaders, candidate.over) == (None, [], [])

    asyncio.run(scenario())
    warned = [line for line in lines.text.splitlines() if "Connection refused" in line]
    assert warned
    assert all(f"zk://u:***@127.0.0.1:{port}/mesos" in line for line in warned)
    assert "hunter2" not in lines.text


def test_a_session_shorter_than_the_servers_allow_is_remarked(make_zookeeper: MakeZooKeeper, lines: Lines) -> None:
    """The tick of a server bounds how soon a dead leader is noticed."""
    server = make_zookeeper(tick_milliseconds=1000)

    async def scenario() -> None:
        async with Candidate(server.url(), 1, session_seconds=0.5) as candidate:
            await until(lambda: candidate.leads)

    asyncio.run(scenario())
    assert "time out after 2 s where 0.5 s were asked for" in lines.text
