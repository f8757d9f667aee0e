"""The stock allocator decides exactly as the slow definition does, whatever happened before (X27-X38, E60b)."""

from __future__ import annotations

from random import Random

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mesos_service.core.allocation.audit import contradictions
from mesos_service.core.allocation.ledger import Ledger
from mesos_service.domain.ids import AgentId, FrameworkId, Role
from mesos_service.domain.resources import Resources
from mesos_service.fairness.cluster import NaiveAgent, NaiveFilter, NaiveFramework, NaiveQuota, text_of
from mesos_service.fairness.definition import Naive
from mesos_service.plugins.allocator import AgentView, AllocatorOptions, FrameworkView, Quota
from mesos_service.plugins.loader import ALLOCATORS, load

ROLES = ("a", "b", "a/x", "a/y", "b/z/t", "*")
TOTALS = (
    "cpus:2;mem:1024",
    "cpus:4;mem:1024;disk:100",
    "cpus:1;mem:8192;ports:[1-9]",
    "cpus:2;mem:512;cpus(a):2;mem(a):512",
    "cpus(a/x):1;mem(a/x):64;cpus(b):1;mem(b):64;cpus:1;mem:64",
    "cpus:0.05;mem:16",
    "cpus:3;mem:700;gpus:1;disk:50",
)
MINIMUM = {"cpus": 100, "mem": 32_000}

frameworks = st.sampled_from([f"f{number}" for number in range(5)])
agents = st.sampled_from([f"agent{number}" for number in range(6)])
roles = st.sampled_from(ROLES)
some_roles = st.sets(roles, min_size=1, max_size=3)


class AllocatorAgainstOracle(RuleBasedStateMachine):
    """Everything is done to both; grants must be equal, in order and content."""

    def __init__(self) -> None:
        super().__init__()
        self.real = load(ALLOCATORS, "hierarchical")(AllocatorOptions(min_allocatable=(MINIMUM,)))
        self.naive = Naive((MINIMUM,))
        self.random = Random(1)
        self.now = 0.0
        self.added = 0
        self.offered: list[tuple[str, str, str, Resources]] = []
        self.running: list[tuple[str, str, str, Resources]] = []

    @initialize(
        one=some_roles,
        two=some_roles,
        three=some_roles,
        first=st.sampled_from(TOTALS[:5]),
        second=st.sampled_from(TOTALS[:5]),
    )
    def begin(self, one: set[str], two: set[str], three: set[str], first: str, second: str) -> None:
        """Enough of a cluster for something to be offered soon."""
        for name, wanted in (("f0", one), ("f1", two), ("f2", three)):
            self.subscribe(name, wanted)
        for name, total in (("agent0", first), ("agent1", second)):
            self.add_agent(name, total, "f0", "a", False)

    # -- frameworks ------------------------------------------------------------------------------------------
    @rule(name=frameworks, wanted=some_roles)
    def subscribe(self, name: str, wanted: set[str]) -> None:
        known = self.naive.frameworks.get(name)
        if known is None:
            used: dict[AgentId, Resources] = {}
            self.real.add_framework(view(name, wanted, set()), used, True)
            self.naive.frameworks[name] = NaiveFramework(set(wanted))
        else:
            self.real.update_framework(view(name, wanted, known.suppressed & wanted))
            self._drop_filters(name, (known.roles - wanted) | (known.suppressed - wanted))
            known.roles = set(wanted)
            known.suppressed &= wanted
        self.naive.forget()

    @rule(name=frameworks)
    def remove_framework(self, name: str) -> None:
        if name not in self.naive.frameworks:
            return
        self.real.remove_framework(FrameworkId(name))
        del self.naive.frameworks[name]
        self._drop_filters(name)
        self.naive.forget()
        # What it held comes back only now: the allocator must tolerate that.
        for kind, allocated in ((self.offered, False), (self.running, True)):
            for held in [one for one in kind if one[0] == name]:
                self._give_back(held, None, allocated=allocated)
                kind.remove(held)

    @rule(name=frameworks, active=st.booleans())
    def connect(self, name: str, active: bool) -> None:
        known = self.naive.frameworks.get(name)
        if known is not None:
            self.real.set_framework_active(FrameworkId(name), active)
            known.active = active
            if not active:
                self._drop_filters(name)

    @rule(name=frameworks, of=some_roles, everything=st.booleans())
    def suppress(self, name: str, of: set[str], everything: bool) -> None:
        known = self.naive.frameworks.get(name)
        if known is not None:
            of = known.roles if everything else of & known.roles
            if of:
                self.real.suppress(FrameworkId(name), [] if everything else [Role(role) for role in sorted(of)])
                known.suppressed |= of

    @rule(name=frameworks, of=some_roles, everything=st.booleans())
    def revive(self, name: str, of: set[str], everything: bool) -> None:
        known = self.naive.frameworks.get(name)
        if known is not None:
            of = known.roles if everything else of & known.roles
            if of:
                self.real.revive(FrameworkId(name), [] if everything else [Role(role) for role in sorted(of)])
                known.suppressed -= of
                self._drop_filters(name, of)
                self._pass(None)

    # -- agents ----------------------------------------------------------------------------------------------
    @rule(name=agents, total=st.sampled_from(TOTALS), user=frameworks, role=roles, uses=st.booleans())
    def add_agent(self, name: str, total: str, user: str, role: str, uses: bool) -> None:
        if name in self.naive.agents:
            return
        self.added += 1
        resources = Resources.parse(total)
        used: dict[FrameworkId, Resources] = {}
        if uses and user in self.naive.frameworks:
            # A task that has been running there already, with what this role may have.
            task = resources.allocatable_to(role)
            if task:
                used[FrameworkId(user)] = task.allocated_to(role)
                self.naive.hold(user, role, name, task)
                self.running.append((user, role, name, task))
        self.real.add_agent(AgentView(agent_id=AgentId(name), hostname=name, total=resources), used)
        self.naive.agents[name] = NaiveAgent(self._serial(name), resources)
        for framework_id in used:
            self.naive.serve(framework_id, role)

    @rule(name=agents)
    def remove_agent(self, name: str) -> None:
        if name not in self.naive.agents:
            return
        self.real.remove_agent(AgentId(name))
        del self.naive.agents[name]
        self.naive.held = {key: held for key, held in self.naive.held.items() if key[2] != name}
        self.naive.filters = [one for one in self.naive.filters if one.agent != name]
        self.naive.forget()
        for kind, allocated in ((self.offered, False), (self.running, True)):
            for held in [one for one in kind if one[2] == name]:
                kind.remove(held)
                self._recover(held, 5.0, allocated=allocated)

    @rule(name=agents, active=st.booleans())
    def activate_agent(self, name: str, active: bool) -> None:
        if name in self.naive.agents:
            self.real.set_agent_active(AgentId(name), active)
            self.naive.agents[name].active = active

    # -- resources -------------------------------------------------------------------------------------------
    @precondition(lambda self: self.offered)
    @rule(data=st.data(), seconds=st.sampled_from((None, 0.0, 3.0, 5.0, 60.0)))
    def decline(self, data: st.DataObject, seconds: float | None) -> None:
        held = self.offered.pop(data.draw(st.integers(0, len(self.offered) - 1)))
        self._give_back(held, seconds, allocated=False)

    @precondition(lambda self: self.offered)
    @rule(seconds=st.sampled_from((None, 0.0, 5.0, 60.0)), touched=st.booleans())
    def decline_all_and_pass(self, seconds: float | None, touched: bool) -> None:
        """What every framework does that has nothing to run."""
        declined, self.offered = self.offered, []
        for held in declined:
            self._give_back(held, seconds, allocated=False)
        self._pass({agent for _, _, agent, _ in declined} if touched else None)

    @precondition(lambda self: self.offered)
    @rule(data=st.data(), seconds=st.sampled_from((None, 0.0, 5.0)))
    def accept_part(self, data: st.DataObject, seconds: float | None) -> None:
        framework, role, agent, resources = self.offered.pop(data.draw(st.integers(0, len(self.offered) - 1)))
        used = Resources.of(resource for resource in resources if resource.name == "cpus")
        if not used:
            used = resources
        self.real.offered_to_allocated(FrameworkId(framework), AgentId(agent), used.allocated_to(role))
        self.running.append((framework, role, agent, used))
        rest = resources - used
        if rest:
            self._give_back((framework, role, agent, rest), seconds, allocated=False)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def end_task(self, data: st.DataObject) -> None:
        held = self.running.pop(data.draw(st.integers(0, len(self.running) - 1)))
        self._give_back(held, None, allocated=True)

    # -- time and passes -------------------------------------------------------------------------------------
    @rule(seconds=st.sampled_from((0.5, 1.0, 5.0, 30.0)))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self._pass(None)

    @rule(role=st.sampled_from(("a", "b", "a/x", "b/z", "*")), weight=st.sampled_from((0.5, 1.0, 2.0, 3.0)))
    def weigh(self, role: str, weight: float) -> None:
        self.real.update_weights({Role(role): weight})
        self.naive.weights[role] = weight

    @rule(
        role=st.sampled_from(("a", "b", "*")),
        guaranteed=st.sampled_from(({}, {}, {"cpus": 3000}, {"cpus": 2000, "mem": 600_000}, {"mem": 90_000})),
        limit=st.sampled_from(({}, {"cpus": 4000}, {"cpus": 5000, "disk": 0}, {"mem": 2_000_000}, {"cpus": 3000})),
    )
    def set_quota(self, role: str, guaranteed: dict[str, int], limit: dict[str, int]) -> None:
        self.real.update_quota(Role(role), Quota(guarantees=guaranteed, limits=limit))
        if guaranteed or limit:
            self.naive.quotas[role] = NaiveQuota(guaranteed, limit)
        else:
            self.naive.quotas.pop(role, None)

    @rule()
    def full_pass(self) -> None:
        self._pass(None)

    @rule(touched=st.sets(agents))
    def event_pass(self, touched: set[str]) -> None:
        self._pass(touched)

    @invariant()
    def books_add_up(self) -> None:
        assert contradictions(self._ledger()) == []

    # -- within ----------------------------------------------------------------------------------------------
    def _pass(self, touched: set[str] | None) -> None:
        state = self.random.getstate()
        seed = self.random.getrandbits(64)  # the pass will draw the same
        self.random.setstate(state)
        said = self.naive.allocate(self.now, seed, touched)
        grants = self.real.allocate(
            self.now, self.random, agents=None if touched is None else {AgentId(name) for name in touched}
        )
        assert [
            (str(one.framework_id), str(one.role), str(one.agent_id), text_of(one.resources)) for one in grants
        ] == [(framework, role, agent, text_of(resources)) for framework, role, agent, resources in said]
        for one in grants:
            assert all(resource.key.allocation_role == one.role for resource in one.resources)
            self.offered.append((one.framework_id, one.role, one.agent_id, one.resources.unallocated()))

    def _give_back(self, held: tuple[str, str, str, Resources], seconds: float | None, *, allocated: bool) -> None:
        self._recover(held, seconds, allocated=allocated)
        framework, role, agent, resources = held
        self.naive.release(framework, role, agent, resources)
        known = self.naive.frameworks.get(framework)
        exists = known is not None and (framework, role) in self.naive.clients()
        if seconds is not None and exists and known is not None and known.active:
            until = None if seconds == 0 else self.now + seconds
            self.naive.filters.append(NaiveFilter(framework, role, agent, resources, until))
        self.naive.forget()

    def _recover(self, held: tuple[str, str, str, Resources], seconds: float | None, *, allocated: bool) -> None:
        framework, role, agent, resources = held
        self.real.recover(
            FrameworkId(framework),
            AgentId(agent),
            resources.allocated_to(role),
            refuse_seconds=seconds,
            allocated=allocated,
            now=self.now,
        )

    def _drop_filters(self, framework: str, of: set[str] | None = None) -> None:
        self.naive.filters = [
            one for one in self.naive.filters if one.framework != framework or (of is not None and one.role not in of)
        ]

    def _ledger(self) -> Ledger:
        ledger = getattr(self.real, "ledger", None)
        assert isinstance(ledger, Ledger)
        return ledger

    def _serial(self, name: str) -> int:
        return self._ledger().agents[AgentId(name)].serial


def view(name: str, wanted: set[str], suppressed: set[str]) -> FrameworkView:
    return FrameworkView(
        framework_id=FrameworkId(name),
        roles=frozenset(map(Role, wanted)),
        suppressed=frozenset(map(Role, suppressed)),
    )


TestAllocatorAgainstOracle = AllocatorAgainstOracle.TestCase
TestAllocatorAgainstOracle.settings = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
