"""Whatever happened before: an offer holds only what is free at that moment, in the documented shape (E48).

What is free is counted here from what was said, without a look into the master: an agent's total, less what tasks
were launched with and have not ended, less what is offered and has not been answered.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st
from openapi_schema_validator import OAS31Validator

from mesos_service.core.effects import MasterEffect, SendAgent, SendScheduler
from mesos_service.core.events import Offers, Rescind
from mesos_service.core.link import RunTask
from mesos_service.core.master.state import MasterOptions
from mesos_service.domain.frameworks import MULTI_ROLE, RESERVATION_REFINEMENT
from mesos_service.domain.ids import AgentId, OfferId, TaskId
from mesos_service.domain.offers import Offer
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TaskInfo, TaskState
from mesos_service.master import app
from mesos_service.master.outlets import OfferEncoder
from tests.unit.core.master.infos import framework_info, task_info
from tests.unit.core.master.world import Node, Scheduler, World

TOTALS = (
    "cpus:2;mem:512",
    "cpus:4;mem:1024;ports:[1-20]",
    "cpus:1;mem:64;disk:100",
    "cpus(a):1;mem(a):64;cpus:1;mem:64;ports:[5-9]",
)
SIZES = ("cpus:0.5;mem:64", "cpus:1;mem:32", "cpus:0.1;ports:[5-7]", "cpus:2;mem:512", "cpus:64")
FRAMEWORKS = (
    (("a",), frozenset({MULTI_ROLE, RESERVATION_REFINEMENT})),
    (("b",), frozenset({MULTI_ROLE})),
    (("a",), frozenset[str]()),
)
"""Roles and capabilities; the latter decide how resources are spelled."""


@cache
def offers_event() -> OAS31Validator:
    """A validator of the documented OFFERS event."""
    components = app.openapi_documents().plain["components"]
    return OAS31Validator({"$ref": "#/components/schemas/OffersEvent", "components": components})


@dataclass
class Account:
    """What should be free, by what was said."""

    world: World
    nodes: dict[AgentId, Node] = field(default_factory=dict)
    offered: dict[OfferId, Offer] = field(default_factory=dict)
    running: dict[TaskId, tuple[Scheduler, TaskInfo]] = field(default_factory=dict)
    schedulers: list[Scheduler] = field(default_factory=list)
    made: int = 0

    def free(self, agent_id: AgentId) -> Resources:
        free = self.nodes[agent_id].info.resources
        for offer in self.offered.values():
            if offer.agent_id == agent_id:
                free -= offer.resources.unallocated()
        for _, info in self.running.values():
            if info.agent_id == agent_id:
                free -= info.resources.unallocated()
        return free

    def read(self, effects: list[MasterEffect]) -> None:
        """Follow what was said, in its order, and look at every offer when it is made."""
        by_stream = {scheduler.stream_id: scheduler for scheduler in self.schedulers}
        for effect in effects:
            match effect:
                case SendScheduler(stream_id, Rescind(offer_id)):
                    del self.offered[offer_id]
                case SendScheduler(stream_id, Offers(offers)):
                    for offer in offers:
                        self.made += 1
                        held = offer.resources.unallocated()
                        free = self.free(offer.agent_id)
                        assert held, "nothing is offered"
                        assert free.contains(held), f"{held} was offered where {free} was free"
                        self.offered[offer.offer_id] = offer
                    self.check_shape(by_stream[stream_id], offers)
                case SendAgent(_, _, RunTask(framework=framework, task=task)):
                    (owner,) = [one for one in self.schedulers if one.framework_id == framework.framework_id]
                    self.running[task.task_id] = (owner, task)
                case _:
                    pass

    def check_shape(self, scheduler: Scheduler, offers: tuple[Offer, ...]) -> None:
        event = OfferEncoder(self.world.state).encode(offers, scheduler.record.info)
        offers_event().validate(json.loads(event))


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["launch", "decline", "finish", "wait", "agent"]),
        st.integers(0, 1 << 16),
        st.lists(st.sampled_from(SIZES), min_size=1, max_size=3),
        st.sampled_from([0.0, 1.0, 5.0]),
    ),
    max_size=25,
)


@settings(deadline=None, max_examples=60)
@given(totals=st.lists(st.sampled_from(TOTALS), min_size=1, max_size=3), steps=STEPS)
def test_e48_an_offer_holds_a_part_of_what_is_free_in_the_documented_shape(
    totals: list[str], steps: list[tuple[str, int, list[str], float]]
) -> None:
    world = World(options=MasterOptions(offer_timeout_seconds=7.0))
    account = Account(world)
    for roles, capabilities in FRAMEWORKS:
        scheduler = world.framework(framework_info(roles=roles, capabilities=capabilities))
        account.schedulers.append(scheduler)
    for total in totals:
        node = world.agent(total)
        account.nodes[node.agent_id] = node
    account.read(world.settle())
    assert account.made >= len(totals)
    for number, (what, index, sizes, seconds) in enumerate(steps):
        step(account, number, what, index, sizes, seconds)
        account.read(world.settle())


def step(account: Account, number: int, what: str, index: int, sizes: list[str], seconds: float) -> None:
    world = account.world
    if what in ("launch", "decline") and account.offered:
        offer = list(account.offered.values())[index % len(account.offered)]
        (owner,) = [one for one in account.schedulers if one.framework_id == offer.framework_id]
        del account.offered[offer.offer_id]
        if what == "decline":
            account.read(owner.decline(offer, refuse_seconds=seconds))
            return
        infos = [
            task_info(f"t{number}-{place}", offer.agent_id, Resources.parse(size)) for place, size in enumerate(sizes)
        ]
        account.read(owner.launch(offer, *infos, refuse_seconds=seconds))
    elif what == "finish" and account.running:
        task_id = list(account.running)[index % len(account.running)]
        owner, info = account.running.pop(task_id)
        node = account.nodes[info.agent_id]
        status = node.status(task_id, TaskState.FINISHED)
        account.read(node.update(owner, status))
        account.read(owner.acknowledge(status))
    elif what == "agent" and len(account.nodes) < 5:
        node = world.agent(TOTALS[index % len(TOTALS)])
        account.nodes[node.agent_id] = node
    else:
        account.read(world.advance(seconds))


def test_the_documented_shape_can_be_missed() -> None:
    """The validator is one that refuses."""
    assert offers_event().is_valid({"type": "OFFERS", "offers": {"offers": []}})
    assert not offers_event().is_valid({"type": "OFFERS", "offers": {"offers": [{"id": "O1"}]}})
    assert not offers_event().is_valid({"type": "OFFERS"})
