"""What an offer's resources look like on their way out: in which order, and with which volume's path (M-AL-10, X42)."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.frameworks import REVOCABLE_RESOURCES
from mesos_service.domain.operations import Create, Reserve
from mesos_service.domain.resources import Resources
from mesos_service.master.outlets import OfferEncoder
from mesos_service.wire.convert.offered import in_order
from tests.unit.core.master.infos import AWARE, framework_info
from tests.unit.core.master.resource_world import ask, capable_agent, reserved, volumes
from tests.unit.core.master.world import Node, Scheduler, World

Json = dict[str, object]


def sent(encoder: OfferEncoder, scheduler: Scheduler) -> list[list[Json]]:
    """The resources of each offer that the scheduler holds, as in the JSON of their event."""
    event = json.loads(encoder.encode(scheduler.offers, scheduler.record.info))
    return [offer["resources"] for offer in event["offers"]["offers"]]


def kinds(resources: Sequence[Json]) -> list[str]:
    """Each by its name, with what sets it apart."""
    return [
        " ".join(
            [
                *(["reserved"] if one["role"] != "*" else []),
                *(["lent"] if "revocable" in one else []),
                *(["volume"] if "disk" in one else []),
                str(one["name"]),
            ]
        )
        for one in resources
    ]


def test_an_offer_names_what_is_reserved_before_what_is_not_as_recorded_of_mesos() -> None:
    """Who keeps the last amount of each name keeps the unreserved one."""
    world = World()
    capable_agent(world)
    scheduler = world.framework()
    world.settle()
    encoder = OfferEncoder(world.state)
    assert [kinds(one) for one in sent(encoder, scheduler)] == [["ports", "cpus", "mem", "disk"]]
    scheduler.accept(
        scheduler.offers,
        ask(Reserve(reserved("cpus:1;mem:512;disk:100"))),
        ask(Create(volumes(50))),
        refuse_seconds=0.0,
    )
    world.advance(1.0)
    (resources,) = sent(encoder, scheduler)
    found = kinds(resources)
    assert found[-3:] == ["cpus", "mem", "disk"]
    assert sorted(found[:-3]) == ["ports", "reserved cpus", "reserved disk", "reserved mem", "reserved volume disk"]
    (offer,) = scheduler.offers
    in_protobuf = [one.name for one in encoder._whole(offer, refined=False, multi_role=True).resources]
    assert in_protobuf == [one["name"] for one in resources]
    last = {one["name"]: one["scalar"]["value"] for one in resources if "scalar" in one}  # type: ignore[index]
    assert last == {"cpus": 3.0, "mem": 3584.0, "disk": 924.0}


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("cpus:4;ports:[1-2];mem:64;zones:{a}", ["ports", "zones", "cpus", "mem"]),
        ("cpus:4;cpus(r):2;mem:64;mem(r):32", ["cpus", "mem", "cpus", "mem"]),
        ("cpus:4;mem:64;disk:5", ["cpus", "mem", "disk"]),
        ("ports(r):[1-2];disk:1;ports:[3-4]", ["ports", "ports", "disk"]),
    ],
)
def test_what_quota_may_cut_comes_last_and_all_else_stays_in_order(given: str, names: list[str]) -> None:
    resources = Resources.parse(given)
    ordered = in_order(resources)
    assert [one.name for one in ordered] == names
    assert Resources.of(ordered) == resources


def test_m_al_19_what_is_lent_comes_before_what_is_for_keeps() -> None:
    world = World()
    lent = '{"name":"cpus","type":"SCALAR","scalar":{"value":2},"revocable":{}}'
    own = '{"name":"cpus","type":"SCALAR","scalar":{"value":1}},{"name":"mem","type":"SCALAR","scalar":{"value":64}}'
    Node(world, AgentInfo(hostname="h", resources=Resources.parse(f"[{own},{lent}]")), world.new_link()).register()
    scheduler = world.framework(framework_info(capabilities=AWARE | {REVOCABLE_RESOURCES}))
    world.settle()
    assert [kinds(one) for one in sent(OfferEncoder(world.state), scheduler)] == [["lent cpus", "cpus", "mem"]]


def test_m_al_10_two_volumes_of_one_id_are_offered_each_with_its_own_path() -> None:
    """On two agents the same id may be mounted elsewhere; the one was printed for the other."""
    world = World()
    for _ in range(2):
        capable_agent(world)
    scheduler = world.framework()
    world.settle()
    paths = {}
    for offer, path in zip(scheduler.offers, ("here", "there"), strict=True):
        paths[offer.agent_id] = path
        made = volumes(50, path=path)
        scheduler.accept([offer], ask(Reserve(reserved("disk:50"))), ask(Create(made)), refuse_seconds=0.0)
    world.advance(1.0)
    encoder = OfferEncoder(world.state)
    event = json.loads(encoder.encode(scheduler.offers, scheduler.record.info))
    shown = {
        offer["agent_id"]["value"]: one["disk"]["volume"]["container_path"]
        for offer in event["offers"]["offers"]
        for one in offer["resources"]
        if "disk" in one
    }
    assert shown == paths
