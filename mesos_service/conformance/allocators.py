"""What every allocator must hold (E60a, M-AL-01, M-AL-16, M-AL-17, X29, X44, N01)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from mesos_service.conformance.run import Nonconforming, require
from mesos_service.core.allocation.explanation import Listener
from mesos_service.core.allocation.reasons import no_agents
from mesos_service.domain.ids import AgentId, FrameworkId, Role
from mesos_service.domain.resource import Reservation
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import AgentView, Allocator, AllocatorOptions, FrameworkView, Grant
from mesos_service.plugins.loader import read_config

TOTAL: Final = Resources.parse("cpus:4;mem:4096;ports:[31000-31009];cpus(a):1")
AGENTS: Final = [AgentId(f"agent{number}") for number in range(5)]
A, B = FrameworkId("a"), FrameworkId("b")
PASSES_MAX: Final = 1000
"""A policy may take several passes to hand out what is free, but not for ever."""

Kind = type[Allocator]


class Checked:
    """An allocator whose grants are checked against what is really free, kept here independently."""

    def __init__(self, kind: Kind, *, frameworks: bool = True) -> None:
        self.allocator = kind(AllocatorOptions(), read_config(kind, {}))
        self.random = Random(11)
        self.free: dict[AgentId, Resources] = {}
        self.now = 0.0
        if frameworks:
            for framework_id in (A, B):
                view = FrameworkView(framework_id=framework_id, roles=frozenset({Role(framework_id)}))
                self.allocator.add_framework(view, {}, True)
            for agent_id in AGENTS:
                self.add_agent(agent_id)

    def add_agent(self, agent_id: AgentId) -> None:
        self.allocator.add_agent(AgentView(agent_id=agent_id, hostname=agent_id, total=TOTAL), {})
        self.free[agent_id] = TOTAL

    def allocate(self, agents: list[AgentId] | None = None, limit: int | None = None) -> list[Grant]:
        """One pass where there is a limit, else passes until nothing is granted."""
        grants = self.one_pass(agents, limit)
        for _ in range(PASSES_MAX):
            more = [] if limit is not None else self.one_pass(agents, None)
            if not more:
                return grants
            grants += more
        raise Nonconforming(f"allocate() still grants something in pass {PASSES_MAX} although nothing was given back.")

    def one_pass(self, agents: list[AgentId] | None, limit: int | None) -> list[Grant]:
        grants = list(self.allocator.allocate(self.now, self.random, agents=agents, limit=limit))
        for grant in grants:
            roles = {resource.key.allocation_role for resource in grant.resources}
            require(roles == {grant.role}, f"allocate() granted {grant.resources}, not allocated to '{grant.role}'.")
            require(grant.agent_id in self.free, f"allocate() granted something of '{grant.agent_id}', which has gone.")
            offered, free = grant.resources.unallocated(), self.free[grant.agent_id]
            require(
                free.contains(offered),
                f"allocate() offered what is not there: {offered} of {grant.agent_id}, of which {free} is free.",
            )
            require(
                offered == offered.allocatable_to(grant.role),
                f"allocate() offered to role '{grant.role}' what is reserved to another: {offered}.",
            )
            self.free[grant.agent_id] = free - offered
        require(limit is None or len(grants) <= limit, f"allocate() granted {len(grants)} offers with limit={limit}.")
        return grants

    def recover(self, grant: Grant, refuse: float | None = None, allocated: bool = False) -> None:
        self.allocator.recover(
            grant.framework_id,
            grant.agent_id,
            grant.resources,
            refuse_seconds=refuse,
            allocated=allocated,
            now=self.now,
        )
        if grant.agent_id in self.free:
            self.free[grant.agent_id] = self.free[grant.agent_id] + grant.resources.unallocated()


def _agents(grants: Sequence[Grant]) -> set[AgentId]:
    return {grant.agent_id for grant in grants}


def _expect(grants: Sequence[Grant], agents: Sequence[AgentId], when: str) -> None:
    found, wanted = sorted(_agents(grants)), sorted(agents)
    require(found == wanted, f"{when}, agents {wanted} are to be offered; allocate() offered {found}.")


def everything_is_offered_and_nothing_twice(kind: Kind) -> None:
    """What is free is offered, and offered resources count as used (A39, E60a)."""
    checked = Checked(kind)
    _expect(checked.allocate(), AGENTS, "When all is free")
    left = [agent_id for agent_id, free in checked.free.items() if free.scalar("mem")]
    require(not left, f"allocate() leaves memory of {left} to nobody.")
    _expect(checked.allocate(), [], "When all is offered")


def what_is_recovered_is_offered_again(kind: Kind) -> None:
    """Without a refusal, at once."""
    checked = Checked(kind)
    first = checked.allocate()[0]
    checked.recover(first)
    _expect(checked.allocate([first.agent_id]), [first.agent_id], "When an offer was given back with recover()")


def only_touched_agents_in_an_event_pass(kind: Kind) -> None:
    """``agents`` are all that may be granted then (M-AL-01)."""
    checked = Checked(kind)
    _expect(checked.allocate([AGENTS[2]]), [AGENTS[2]], "With agents=[one]")
    _expect(checked.allocate([]), [], "With agents=[]")


def a_limit_is_kept_and_the_rest_follows(kind: Kind) -> None:
    """Agents left out by ``limit`` stay candidates of the next pass."""
    checked = Checked(kind)
    grants = checked.allocate(limit=2)
    require(bool(grants), "allocate() with limit=2 granted nothing.")
    for number in range(PASSES_MAX):
        # Who offers an agent in many pieces needs as many passes; who grants nothing now and then, a few of them.
        more = checked.allocate([], limit=2)
        if number >= 10 and not more:
            break
        grants += more
    require(_agents(grants) == set(AGENTS), "Agents that a limit left out of one pass are to come in the next ones.")


def refusals_last_as_long_as_they_say(kind: Kind) -> None:
    """Refused agents are not offered to the same framework before the time is over (M-AL-16)."""
    checked = Checked(kind)
    checked.allocator.set_framework_active(B, False)
    for grant in checked.allocate():
        checked.recover(grant, refuse=5.0)
    checked.now = 4.9
    _expect(checked.allocate(), [], "4.9 s after a refusal of 5 s")
    checked.now = 5.1
    _expect(checked.allocate(), AGENTS, "5.1 s after a refusal of 5 s")


def a_refusal_of_0_seconds_waits_for_a_full_pass(kind: Kind) -> None:
    """Or else a framework that refuses everything with 0 spins the master."""
    checked = Checked(kind)
    checked.allocator.set_framework_active(B, False)
    for grant in checked.allocate():
        checked.recover(grant, refuse=0.0)
    _expect(checked.allocate(list(AGENTS)), [], "After a refusal of 0 s, in a pass that an event caused")
    _expect(checked.allocate(), AGENTS, "After a refusal of 0 s, in a full pass")


def revive_lifts_refusals(kind: Kind) -> None:
    """REVIVE, of all roles (M-AL-17)."""
    checked = Checked(kind)
    checked.allocator.set_framework_active(B, False)
    for grant in checked.allocate():
        checked.recover(grant, refuse=1e6)
    checked.allocator.revive(A, [])
    _expect(checked.allocate(), AGENTS, "After revive()")


def inactive_and_suppressed_frameworks_are_offered_nothing(kind: Kind) -> None:
    """Until they revive (M-AL-17, X35)."""
    checked = Checked(kind)
    checked.allocator.set_framework_active(A, False)
    checked.allocator.suppress(B, [Role("b")])
    _expect(checked.allocate(), [], "When one framework is not connected and the other suppressed offers")
    checked.allocator.revive(B, [Role("b")])
    grants = checked.allocate()
    require(
        {one.framework_id for one in grants} == {B}, "After revive() only that framework is to be offered anything."
    )


def inactive_and_removed_agents_are_not_offered(kind: Kind) -> None:
    """Until they are active again (X30)."""
    checked = Checked(kind)
    checked.allocator.set_agent_active(AGENTS[0], False)
    checked.allocator.remove_agent(AGENTS[1])
    del checked.free[AGENTS[1]]
    _expect(checked.allocate(), AGENTS[2:], "When one agent is inactive and one removed")
    checked.allocator.set_agent_active(AGENTS[0], True)
    _expect(checked.allocate(), [AGENTS[0]], "When the agent is active again")


def a_whitelist_bounds_offers(kind: Kind) -> None:
    """By hostname (M-AL-15)."""
    checked = Checked(kind)
    checked.allocator.update_whitelist([AGENTS[3]])
    _expect(checked.allocate(), [AGENTS[3]], "With one host on the whitelist")


def recover_tolerates_who_has_gone(kind: Kind) -> None:
    """A framework, or an agent, may just have been removed."""
    checked = Checked(kind)
    grants = checked.allocate()
    gone = grants[0].framework_id
    checked.allocator.remove_framework(gone)
    checked.allocator.remove_agent(grants[-1].agent_id)
    del checked.free[grants[-1].agent_id]
    for grant in grants:
        checked.recover(grant, refuse=5.0)
    require(gone not in {one.framework_id for one in checked.allocate()}, f"allocate() offered something to '{gone}'.")


def allocated_resources_come_back_when_tasks_end(kind: Kind) -> None:
    """What was offered and used is free again when it is recovered as allocated."""
    checked = Checked(kind)
    grants = checked.allocate()
    for grant in grants:
        checked.allocator.offered_to_allocated(grant.framework_id, grant.agent_id, grant.resources)
    _expect(checked.allocate(), [], "When all is in use")
    for grant in grants:
        checked.recover(grant, allocated=True)
    _expect(checked.allocate(), AGENTS, "When all tasks have ended")


def what_operations_make_of_an_offer_is_there_to_stay(kind: Kind) -> None:
    """Resources that were reserved out of an offer are offered to their role, and to no other, in the same amount."""
    checked = Checked(kind)
    grants = checked.allocate()
    grant = next(one for one in grants if one.resources.unreserved().scalar("cpus"))
    before = grant.resources.unreserved().filter(lambda item: item.name == "cpus")
    after = before.push_reservation(Reservation("DYNAMIC", grant.role))
    checked.allocator.update_allocation(grant.framework_id, grant.agent_id, before, after)
    changed = grant._replace(resources=grant.resources - before + after)
    for one in (changed, *(other for other in grants if other is not grant)):
        checked.recover(one)
    again = checked.allocate()
    found = sum(one.resources.reserved(grant.role).scalar("cpus") for one in again if one.agent_id == grant.agent_id)
    wanted = changed.resources.reserved(grant.role).scalar("cpus")
    require(
        found == wanted,
        f"After update_allocation() {wanted / 1000:g} cpus are reserved to '{grant.role}' on '{grant.agent_id}';"
        f" allocate() offered {found / 1000:g} of them.",
    )


def what_agents_bring_is_not_offered(kind: Kind) -> None:
    """Tasks that run on an agent when it is added hold what they hold."""
    checked = Checked(kind)
    agent_id = AgentId("busy")
    used = Resources.parse("cpus:3;mem:4000")
    view = AgentView(agent_id=agent_id, hostname="busy", total=TOTAL)
    checked.allocator.add_agent(view, {A: used.allocated_to("a")})
    checked.free[agent_id] = TOTAL - used
    offered = sum(grant.resources.scalar("mem") for grant in checked.allocate([agent_id]))
    require(offered == 96_000, f"Of 4096 MB, 4000 of them in use, 96 are to be offered; it was {offered / 1000:g}.")


def same_seed_and_calls_same_grants(kind: Kind) -> None:
    """All chance is in ``random``: the simulator replays histories."""

    def run() -> list[Grant]:
        checked = Checked(kind)
        grants = checked.allocate(limit=3)
        for grant in grants:
            checked.recover(grant, refuse=5.0)
        return [*grants, *checked.allocate()]

    require(run() == run(), "allocate() granted otherwise with the same calls and the same random.")


def a_silent_framework_hears_why(kind: Kind) -> None:
    """Whoever is offered nothing in a full pass is told at least one reason (N01)."""
    checked = Checked(kind)
    checked.allocator.set_framework_active(B, False)
    for agent_id in AGENTS:
        checked.allocator.set_agent_active(agent_id, False)
    heard = Listener([A, B])
    checked.allocator.allocate(0.0, Random(1), agents=None, observer=heard)
    for framework_id in (A, B):
        told = heard.role(framework_id, Role(framework_id), 0, no_agents()).obstacles
        silent = all(one.reason == no_agents().reason or not one.veto.detail for one in told)
        require(not silent, f"allocate() offered '{framework_id}' nothing, and told its observer no reason.")


def requests_and_weights_are_accepted(kind: Kind) -> None:
    """Whatever a policy makes of them."""
    checked = Checked(kind)
    checked.allocator.request_resources(A, [{"cpus": 1000}])
    checked.allocator.update_weights({Role("a"): 2.0})
    _expect(checked.allocate(), AGENTS, "After request_resources() and update_weights()")


CHECKS: Final[tuple[Callable[[Kind], None], ...]] = (
    everything_is_offered_and_nothing_twice,
    what_is_recovered_is_offered_again,
    only_touched_agents_in_an_event_pass,
    a_limit_is_kept_and_the_rest_follows,
    refusals_last_as_long_as_they_say,
    a_refusal_of_0_seconds_waits_for_a_full_pass,
    revive_lifts_refusals,
    inactive_and_suppressed_frameworks_are_offered_nothing,
    inactive_and_removed_agents_are_not_offered,
    a_whitelist_bounds_offers,
    recover_tolerates_who_has_gone,
    allocated_resources_come_back_when_tasks_end,
    what_operations_make_of_an_offer_is_there_to_stay,
    what_agents_bring_is_not_offered,
    same_seed_and_calls_same_grants,
    a_silent_framework_hears_why,
    requests_and_weights_are_accepted,
)
