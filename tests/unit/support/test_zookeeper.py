"""The servers that other tests rely on do what they are asked to."""

from __future__ import annotations

import socket

import pytest

from tests.support.tcp_proxy import TcpProxy
from tests.support.waiting import until
from tests.support.zookeeper import MakeZooKeeper, ZooKeeper


def test_a_server_alone_says_where_it_is(zookeeper: ZooKeeper) -> None:
    (node,) = zookeeper.nodes
    assert node.mode() == "standalone"
    assert zookeeper.url("/a/path", "user:secret") == f"zk://user:secret@127.0.0.1:{node.port}/a/path"


def test_an_ensemble_outlives_one_node_and_not_two(make_zookeeper: MakeZooKeeper) -> None:
    ensemble = make_zookeeper(size=3)
    first = ensemble.leader()
    first.kill()
    assert not first.running
    second = ensemble.leader()
    assert second is not first
    second.freeze()
    (left,) = (node for node in ensemble.nodes if node not in (first, second))
    until("the last node serves nobody", lambda: left.mode() is None)
    second.thaw()
    first.start()
    ensemble.wait_serving()
    # One that was frozen takes itself for the leader until it hears of the other.
    modes = ["follower", "follower", "leader"]
    until("one leads and two follow", lambda: sorted(str(node.mode()) for node in ensemble.nodes) == modes)


def test_a_proxy_carries_stalls_cuts_and_heals(zookeeper: ZooKeeper) -> None:
    def answer(proxy: TcpProxy, seconds_max: float) -> bytes:
        with socket.create_connection(("127.0.0.1", proxy.port), seconds_max) as connection:
            connection.sendall(b"ruok")
            return connection.recv(16)

    with TcpProxy(zookeeper.nodes[0].port) as proxy:
        assert answer(proxy, 30) == b"imok"
        proxy.stall()
        with pytest.raises(TimeoutError):
            answer(proxy, 0.1)
        proxy.heal()
        assert answer(proxy, 30) == b"imok"
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            answer(proxy, 30)
        proxy.heal()
        assert answer(proxy, 30) == b"imok"


def test_what_is_sent_while_a_proxy_stalls_arrives_when_it_heals(zookeeper: ZooKeeper) -> None:
    with TcpProxy(zookeeper.nodes[0].port) as proxy, socket.create_connection(("127.0.0.1", proxy.port), 30) as client:
        proxy.stall()
        client.sendall(b"ruok")
        client.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.recv(16)
        proxy.heal()
        client.settimeout(30)
        assert client.recv(16) == b"imok"
