"""Who leads, as the nodes of masters say it."""

from __future__ import annotations

import json

import pytest

from mesos_service.domain.fault_domains import FaultDomain
from mesos_service.domain.ids import MasterId
from mesos_service.election.group import members
from mesos_service.election.interface import Leader
from mesos_service.master.description import describe_master
from mesos_service.wire.encode import encode_message

# As a node of Apache Mesos 1.12 has it, with other values.
RECORDED_KEYS = ["id", "ip", "port", "pid", "hostname", "version", "address", "capabilities"]


def test_m_ha_01_a_node_says_what_a_node_of_mesos_says() -> None:
    """Existing detectors read ``address``, older ones ``ip`` as a number, or ``pid``."""
    content = json.loads(encode_message(describe_master(MasterId("m"), "10.0.0.1", 5050, "one")))
    assert list(content) == RECORDED_KEYS
    assert content["address"] == {"hostname": "one", "ip": "10.0.0.1", "port": 5050}
    assert content["pid"] == "master@10.0.0.1:5050"
    assert content["ip"] == int.from_bytes(bytes([10, 0, 0, 1]), "little")


def test_the_lowest_number_leads_and_other_nodes_do_not_count() -> None:
    names = ["log_replicas", "json.info_0000000012", "json.info_9", "json.info_0000000003", "info_0000000001", "a"]
    assert [member.name for member in members(names)] == ["json.info_0000000003", "json.info_0000000012"]
    assert members([]) == []


@pytest.mark.parametrize(
    ("content", "host", "hostname"),
    [
        ({"address": {"ip": "10.0.0.1", "port": 5050, "hostname": "one"}}, "10.0.0.1", "one"),
        ({"address": {"ip": "10.0.0.1", "port": 5050}, "hostname": "two"}, "10.0.0.1", "two"),
        ({"hostname": "two"}, "two", "two"),
    ],
)
def test_a_leader_is_found_in_what_older_masters_say(content: dict[str, object], host: str, hostname: str) -> None:
    leader = Leader.read(json.dumps({"id": "m", "ip": 1, "port": 5050, **content}).encode(), 7)
    assert leader == Leader(host, 5050, hostname, 7)


@pytest.mark.parametrize(
    "content", [b"", b"\x0a\x10", b"{}", b'{"id":"m","ip":1,"port":5050}', b'{"id":"m","ip":1,"port":0,"hostname":"h"}']
)
def test_a_node_that_says_nothing_usable_is_no_leader(content: bytes) -> None:
    with pytest.raises(ValueError):
        Leader.read(content, 1)


@pytest.mark.parametrize("hostname", ["a\r\nSet-Cookie: x=y", "a b", "a/b", "a@b", "\u00e4"])
def test_a_name_that_would_not_stay_within_a_header_is_no_name(hostname: str) -> None:
    content = {"id": "m", "ip": 1, "port": 5050, "address": {"ip": "10.0.0.1", "port": 5050, "hostname": hostname}}
    with pytest.raises(ValueError, match="characters that no name has"):
        Leader.read(json.dumps(content).encode(), 1)


def test_m_al_21_a_leader_says_in_which_region_it_is() -> None:
    here = describe_master(MasterId("m"), "10.0.0.1", 5050, "one", FaultDomain("eu", "rack1"))
    assert Leader.read(encode_message(here), 1).region == "eu"
    assert Leader.read(encode_message(describe_master(MasterId("m"), "10.0.0.1", 5050, "one")), 1).region is None


def test_an_ipv6_leader_is_written_in_brackets() -> None:
    leader = Leader("::1", 5050, "::1")
    assert (str(leader), leader.location) == ("[::1]:5050", "[::1]:5050")
