"""What every allocator must hold, whatever its policy: one suite over all that the loader finds.

``MESOS_MODULES_DIR`` (the variable of the flag ``--modules_dir``) adds folders of an author's own.
"""

from __future__ import annotations

from random import Random

import pytest

from mesos_service.domain.ids import AgentId, FrameworkId, Role
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import AgentView, Allocator, AllocatorOptions, FrameworkView, Grant
from mesos_service.plugins.loader import ALLOCATORS, available, load
from tests.contract.modules import modules_dirs
from tests.unit.allocation.cluster import Reasons, view

TOTAL = Resources.parse("cpus:4;mem:4096;ports:[31000-31009];cpus(a):1")
AGENTS = [AgentId(f"agent{number}") for number in range(5)]
A, B = FrameworkId("a"), FrameworkId("b")


class Checked:
    """An allocator whose grants are checked against what is really free, kept here independently."""

    def __init__(self, allocator: Allocator) -> None:
        self.allocator = allocator
        self.random = Random(11)
        self.free: dict[AgentId, Resources] = {}
        self.now = 0.0

    def add_agent(self, agent_id: AgentId) -> None:
        self.allocator.add_agent(AgentView(agent_id=agent_id, hostname=agent_id, total=TOTAL), {})
        self.free[agent_id] = TOTAL

    def allocate(self, agents: list[AgentId] | None = None, limit: int | None = None) -> list[Grant]:
        """One pass where there is a limit, else passes until nothing is granted: a policy may take several."""
        grants = self.one_pass(agents, limit)
        while limit is None and (more := self.one_pass(agents, None)):
            grants += more
        return grants

    def one_pass(self, agents: list[AgentId] | None, limit: int | None) -> list[Grant]:
        grants = list(self.allocator.allocate(self.now, self.random, agents=agents, limit=limit))
        for grant in grants:
            assert {resource.key.allocation_role for resource in grant.resources} == {grant.role}
            offered = grant.resources.unallocated()
            assert self.free[grant.agent_id].contains(offered), "offered twice (E60a)"
            assert offered == offered.allocatable_to(grant.role), "reserved to somebody else (X44)"
            self.free[grant.agent_id] = self.free[grant.agent_id] - offered
        assert limit is None or len(grants) <= limit
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


def framework(name: FrameworkId) -> FrameworkView:
    return view(name, [name])


def made(name: str) -> Checked:
    return Checked(load(ALLOCATORS, name, modules_dirs())(AllocatorOptions()))


@pytest.fixture(params=[found.name for found in available(ALLOCATORS, modules_dirs())])
def checked(request: pytest.FixtureRequest) -> Checked:
    name = request.param
    assert isinstance(name, str)
    checked = made(name)
    checked.allocator.add_framework(framework(A), {}, True)
    checked.allocator.add_framework(framework(B), {}, True)
    for agent_id in AGENTS:
        checked.add_agent(agent_id)
    return checked


def test_everything_allocatable_is_offered_and_nothing_twice(checked: Checked) -> None:
    grants = checked.allocate()
    assert {grant.agent_id for grant in grants} == set(AGENTS)
    assert all(not free.scalar("mem") for free in checked.free.values())
    assert checked.allocate() == []


def test_what_is_recovered_is_offered_again(checked: Checked) -> None:
    grants = checked.allocate()
    checked.recover(grants[0])
    again = checked.allocate([grants[0].agent_id])
    assert {grant.agent_id for grant in again} == {grants[0].agent_id}


def test_only_touched_agents_in_an_event_pass(checked: Checked) -> None:
    assert {grant.agent_id for grant in checked.allocate([AGENTS[2]])} == {AGENTS[2]}
    assert checked.allocate([]) == []


def test_limit_is_kept_and_the_rest_follows(checked: Checked) -> None:
    grants = checked.allocate(limit=2)
    assert 0 < len(grants) <= 2
    for _ in range(10):
        grants += checked.allocate([], limit=2)
    assert {grant.agent_id for grant in grants} == set(AGENTS)


def test_refused_agents_are_not_offered_to_the_same_framework_until_the_time_is_over(checked: Checked) -> None:
    checked.allocator.set_framework_active(B, False)
    for grant in checked.allocate():
        checked.recover(grant, refuse=5.0)
    checked.now = 4.9
    assert checked.allocate() == []
    checked.now = 5.1
    assert {grant.agent_id for grant in checked.allocate()} == set(AGENTS)


def test_refusal_of_0_seconds_waits_for_a_full_pass(checked: Checked) -> None:
    checked.allocator.set_framework_active(B, False)
    for grant in checked.allocate():
        checked.recover(grant, refuse=0.0)
    assert checked.allocate(list(AGENTS)) == []
    assert {grant.agent_id for grant in checked.allocate()} == set(AGENTS)


def test_revive_lifts_refusals(checked: Checked) -> None:
    checked.allocator.set_framework_active(B, False)
    for grant in checked.allocate():
        checked.recover(grant, refuse=1e6)
    checked.allocator.revive(A, [])
    assert {grant.agent_id for grant in checked.allocate()} == set(AGENTS)


def test_inactive_and_suppressed_frameworks_are_offered_nothing(checked: Checked) -> None:
    checked.allocator.set_framework_active(A, False)
    checked.allocator.suppress(B, [Role("b")])
    assert checked.allocate() == []
    checked.allocator.revive(B, [Role("b")])
    assert {grant.framework_id for grant in checked.allocate()} == {B}


def test_inactive_and_removed_agents_are_not_offered(checked: Checked) -> None:
    checked.allocator.set_agent_active(AGENTS[0], False)
    checked.allocator.remove_agent(AGENTS[1])
    assert {grant.agent_id for grant in checked.allocate()} == set(AGENTS[2:])
    checked.allocator.set_agent_active(AGENTS[0], True)
    assert {grant.agent_id for grant in checked.allocate()} == {AGENTS[0]}


def test_whitelist_bounds_offers(checked: Checked) -> None:
    checked.allocator.update_whitelist([AGENTS[3]])
    assert {grant.agent_id for grant in checked.allocate()} == {AGENTS[3]}


def test_recover_tolerates_who_has_gone(checked: Checked) -> None:
    grants = checked.allocate()
    gone = grants[0].framework_id
    checked.allocator.remove_framework(gone)
    checked.allocator.remove_agent(grants[-1].agent_id)
    del checked.free[grants[-1].agent_id]
    for grant in grants:
        checked.recover(grant, refuse=5.0)
    other = B if gone == A else A
    assert {grant.framework_id for grant in checked.allocate()} <= {other}


def test_allocated_resources_come_back_when_tasks_end(checked: Checked) -> None:
    grants = checked.allocate()
    for grant in grants:
        checked.allocator.offered_to_allocated(grant.framework_id, grant.agent_id, grant.resources)
    assert checked.allocate() == []
    for grant in grants:
        checked.recover(grant, allocated=True)
    assert {grant.agent_id for grant in checked.allocate()} == set(AGENTS)


def test_what_agents_bring_is_not_offered(checked: Checked) -> None:
    agent_id = AgentId("busy")
    used = {A: Resources.parse("cpus:3;mem:4000").allocated_to("a")}
    checked.allocator.add_agent(AgentView(agent_id=agent_id, hostname="busy", total=TOTAL), used)
    checked.free[agent_id] = TOTAL - Resources.parse("cpus:3;mem:4000")
    offered = [grant.resources.scalar("mem") for grant in checked.allocate([agent_id])]
    assert sum(offered) == 96_000


def test_same_seed_and_calls_same_grants(checked: Checked) -> None:
    def run(name: str) -> list[Grant]:
        other = made(name)
        other.allocator.add_framework(framework(A), {}, True)
        other.allocator.add_framework(framework(B), {}, True)
        for agent_id in AGENTS:
            other.add_agent(agent_id)
        grants = other.allocate(limit=3)
        for grant in grants:
            other.recover(grant, refuse=5.0)
        return [*grants, *other.allocate()]

    assert run(checked.allocator.name) == run(checked.allocator.name)


def test_a_silent_framework_hears_why(checked: Checked) -> None:
    """N01: whoever is offered nothing in a full pass is told at least one reason."""
    reasons = Reasons()
    checked.allocator.set_framework_active(B, False)
    for agent_id in AGENTS:
        checked.allocator.set_agent_active(agent_id, False)
    assert checked.allocator.allocate(0.0, Random(1), agents=None, observer=reasons) == []
    assert {who for who, _, _, _ in reasons.heard} == {A, B}
    assert all(veto.reason and veto.detail for _, _, _, veto in reasons.heard)


def test_requests_and_weights_are_accepted(checked: Checked) -> None:
    checked.allocator.request_resources(A, [{"cpus": 1000}])
    checked.allocator.update_weights({Role("a"): 2.0})
    assert {grant.agent_id for grant in checked.allocate()} == set(AGENTS)
