"""What Apache Mesos' hierarchical allocator (1.12) offers: its rules told again, from what it does, as a test oracle.

Books are kept as it keeps them, where that can be seen: which frameworks stand under which role and for how long, what
of a role's quota is consumed, what head-room is required and there. The order of agents, which it draws, is handed in.
A shared volume is like any other here, and there are no inverse offers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mesos_service.domain.resources import Resource, Resources
from tests.support.mesos_sorter import Amounts, Sorter

Who = tuple[str, str, str]
"""Framework, role and agent."""


@dataclass
class Agent:
    total: Resources
    held: dict[tuple[str, str], Resources] = field(default_factory=dict)
    """By framework and role."""
    active: bool = True
    region: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def free(self) -> Resources:
        left = self.total
        for held in self.held.values():
            left = left.without(held)[0]
        return left


@dataclass
class Framework:
    roles: set[str]
    suppressed: set[str]
    capabilities: Collection[str]
    least: Mapping[str, Sequence[Amounts]] = field(default_factory=dict)
    only: Sequence[tuple[str, str]] = ()
    active: bool = True
    refused: list[tuple[str, str, Resources, float]] = field(default_factory=list)
    """Role, agent, what was refused, and until when."""


class MesosRules:
    def __init__(
        self,
        least: Sequence[Amounts],
        *,
        region: str | None = None,
        excluded: Collection[str] = (),
        gpus_kept: bool = True,
        exact: bool = False,
    ) -> None:
        self.least = least
        self.region = region
        self.excluded = excluded
        self.gpus_kept = gpus_kept
        self.agents: dict[str, Agent] = {}
        self.frameworks: dict[str, Framework] = {}
        self.weights: dict[str, float] = {}
        self.guarantees: dict[str, Amounts] = {}
        self.limits: dict[str, Amounts] = {}
        self.whitelist: Collection[str] | None = None
        self.now = 0.0
        self._totals: dict[str, int] = {}
        self._exact = exact
        self._roles = Sorter(self._totals, self.weights, excluded, exact=exact)
        self._inside: dict[str, Sorter] = {}
        """By role: the order of frameworks in it."""

    # -- what happens ----------------------------------------------------------------------------------------
    def add_framework(self, name: str, one: Framework) -> None:
        self.frameworks[name] = one
        for role in one.roles:
            self._track(name, role)
            self._inside[role].activate(name, role not in one.suppressed)

    def update_framework(self, name: str, new: Framework) -> None:
        old = self.frameworks[name]
        for role in new.roles - old.roles:
            self._track(name, role)
            self._inside[role].activate(name, True)
        gone = old.roles - new.roles
        again = (old.suppressed - new.suppressed) & new.roles
        new.refused = [one for one in old.refused if one[0] not in gone | again]
        self.frameworks[name] = new
        for role in gone:
            self._inside[role].activate(name, False)
            self._forget(name, role)
        for role in new.suppressed - (old.suppressed - gone):
            self._inside[role].activate(name, False)
        for role in again:
            self._inside[role].activate(name, True)

    def remove_framework(self, name: str) -> None:
        for agent, one in self.agents.items():
            for (framework, role), held in list(one.held.items()):
                if framework == name:
                    self.release(name, role, agent, held)
        for role in self.frameworks[name].roles:
            self._forget(name, role, for_good=True)
        del self.frameworks[name]

    def connect(self, name: str, active: bool) -> None:
        one = self.frameworks[name]
        one.active = active
        for role in one.roles:
            self._inside[role].activate(name, active and role not in one.suppressed)
        if not active:
            one.refused = []

    def suppress(self, name: str, roles: Collection[str]) -> None:
        one = self.frameworks[name]
        for role in roles or one.roles:
            one.suppressed.add(role)
            self._inside[role].activate(name, False)

    def revive(self, name: str, roles: Collection[str]) -> None:
        one = self.frameworks[name]
        for role in roles or one.roles:
            one.suppressed.discard(role)
            one.refused = [each for each in one.refused if each[0] != role]
            self._inside[role].activate(name, True)

    def add_agent(self, name: str, agent: Agent) -> None:
        held, agent.held = agent.held, {}
        self.agents[name] = agent
        self._count(agent.total, 1)
        for (framework, role), resources in held.items():
            self.hold(framework, role, name, resources)

    def resize_agent(self, name: str, total: Resources) -> None:
        agent = self.agents[name]
        self._count(agent.total, -1)
        agent.total = total
        self._count(total, 1)

    def change_attributes(self, name: str, attributes: Mapping[str, str]) -> None:
        self.agents[name].attributes = attributes
        for one in self.frameworks.values():
            one.refused = [each for each in one.refused if each[1] != name]

    def convert(self, framework: str, role: str, agent: str, before: Resources, after: Resources) -> None:
        """An operation on an offer: it is as much as before, and nobody was served."""
        where = self.agents[agent]
        where.held[framework, role] = where.held[framework, role] - before + after
        where.total = where.total - before + after

    def remove_agent(self, name: str) -> None:
        for (framework, role), held in list(self.agents[name].held.items()):
            self.release(framework, role, name, held)
        self._count(self.agents.pop(name).total, -1)
        for one in self.frameworks.values():
            one.refused = [each for each in one.refused if each[1] != name]

    def hold(self, framework: str, role: str, agent: str, resources: Resources) -> None:
        held = self.agents[agent].held
        held[framework, role] = held.get((framework, role), Resources.EMPTY) + resources
        self._track(framework, role)
        for sorter, client in ((self._roles, role), (self._inside[role], framework)):
            sorter.take(client, scalars(resources))

    def release(self, framework: str, role: str, agent: str, resources: Resources, refuse: float | None = None) -> None:
        if not resources:
            return
        held = self.agents[agent].held
        held[framework, role] -= resources
        if not held[framework, role]:
            del held[framework, role]
        for sorter, client in ((self._inside[role], framework), (self._roles, role)):
            sorter.give(client, scalars(resources))
        one = self.frameworks[framework]
        if role not in one.roles:
            self._forget(framework, role)
        if refuse:
            one.refused.append((role, agent, resources, self.now + max(1.0, refuse)))

    def _track(self, framework: str, role: str) -> None:
        if role not in self._inside:
            self._roles.add(role)
            self._roles.activate(role, True)
            self._inside[role] = Sorter(self._totals, {}, self.excluded, exact=self._exact)
        if framework not in self._inside[role]:
            self._inside[role].add(framework)

    def _forget(self, framework: str, role: str, *, for_good: bool = False) -> None:
        """Unless it still holds something there."""
        inside = self._inside[role]
        if not for_good and any((framework, role) in agent.held for agent in self.agents.values()):
            return
        inside.remove(framework)
        if not len(inside):
            self._roles.remove(role)
            del self._inside[role]

    def _count(self, total: Resources, sign: int) -> None:
        for name, amount in scalars(total).items():
            self._totals[name] = self._totals.get(name, 0) + sign * amount

    # -- what is offered -------------------------------------------------------------------------------------
    def allocate(self, first: Sequence[str], second: Sequence[str]) -> dict[Who, Resources]:
        """One pass over agents, in the order of each stage."""
        for one in self.frameworks.values():
            one.refused = [each for each in one.refused if each[3] >= self.now]
        made = _Pass(self)
        for stage, agents in ((made.serve_guarantees, first), (made.share, second)):
            for agent in agents:
                known = self.agents.get(agent)
                listed = self.whitelist is None or agent in self.whitelist
                if known is not None and known.active and listed:
                    for role in self._roles.order():
                        if not known.free:
                            break
                        stage(role, agent)
        return made.offers

    def inside(self, role: str) -> list[str]:
        return self._inside[role].order()

    def is_there(self, role: str) -> bool:
        return role in self._inside

    def wants(self, framework: str, role: str, agent: str) -> Resources:
        """What is free there for it, as far as it can take it; nothing where it wants no offers of that agent."""
        one, where = self.frameworks[framework], self.agents[agent]
        known = {**where.attributes, "HOSTNAME": f"{agent}.host"}
        if any(known.get(name) != value for name, value in one.only):
            return Resources.EMPTY
        far = where.region is not None and where.region != self.region
        kept = self.gpus_kept and scalars(where.total).get("gpus", 0) > 0
        if (kept and "GPU_RESOURCES" not in one.capabilities) or (far and "REGION_AWARE" not in one.capabilities):
            return Resources.EMPTY
        return where.free.allocatable_to(role).filter(
            lambda each: (
                ("REVOCABLE_RESOURCES" in one.capabilities or not each.key.revocable)
                and ("SHARED_RESOURCES" in one.capabilities or not each.key.shared)
                and ("RESERVATION_REFINEMENT" in one.capabilities or len(each.key.reservations) < 2)
            )
        )

    def takes(self, framework: str, role: str, agent: str, offer: Resources) -> bool:
        one = self.frameworks[framework]
        least = one.least.get(role, self.least)
        if not offer or (least and not any(_reaches(offer, each) for each in least)):
            return False
        return not any(
            (one_role, where) == (role, agent) and refused.contains(offer)
            for one_role, where, refused, _ in one.refused
        )

    def consumed(self, role: str) -> dict[str, int]:
        sums: dict[str, int] = {}
        for agent in self.agents.values():
            _add(sums, scalars(agent.total.filter(lambda one: is_at_or_below(one.role, role) and is_reserved(one))))
            for (_, holder), held in agent.held.items():
                if is_at_or_below(holder, role):
                    _add(sums, scalars(held.filter(is_cuttable)))
        return sums

    def headroom(self) -> dict[str, int]:
        """Mesos takes off what agents hold beyond what they have, too: the one thing here that is as with us."""
        sums: dict[str, int] = {}
        for agent in self.agents.values():
            _add(sums, scalars(agent.free.filter(is_cuttable)))
        return sums


class _Pass:
    """What is counted within one."""

    def __init__(self, rules: MesosRules) -> None:
        self._rules = rules
        self.offers: dict[Who, Resources] = {}
        quotas = {*rules.guarantees, *rules.limits}
        self._consumed = {role: rules.consumed(role) for role in quotas}
        self._required: dict[str, int] = {}
        for role, guaranteed in rules.guarantees.items():
            _add(self._required, _less(guaranteed, self._consumed[role]))
        self._there = rules.headroom()

    def serve_guarantees(self, role: str, agent: str) -> None:
        rules = self._rules
        guaranteed = rules.guarantees.get(role)
        if not guaranteed:
            return
        missing = _less(guaranteed, self._consumed[role])
        for framework in rules.inside(role) if missing else ():
            if not missing:
                break
            free = rules.wants(framework, role, agent)
            cuttable = free.filter(is_cuttable)
            towards = _cut_to(cuttable, missing)
            if not towards:
                continue
            more = cuttable - towards
            limit = rules.limits.get(role)
            if limit:
                more = _cut_by(more, _left(_left(limit, self._consumed[role]), scalars(towards)))
            more = self._keep_headroom(more)
            whole = free.filter(
                lambda one: not one.is_scalar or one.key.revocable or (is_reserved(one) and one.role == role)
            )
            offer = towards + whole + more
            if rules.takes(framework, role, agent, offer):
                progress = scalars(towards + more)
                missing = _less(missing, progress)
                _add(self._consumed[role], progress)
                self._required = _less(self._required, scalars(towards))
                self._offer(framework, role, agent, offer, progress)

    def share(self, role: str, agent: str) -> None:
        rules = self._rules
        for framework in rules.inside(role):
            free = rules.wants(framework, role, agent)
            more = free.filter(is_cuttable)
            whole = free - more
            limit = rules.limits.get(role)
            if limit:
                more = _cut_by(more, _left(limit, self._consumed[role]))
            more = self._keep_headroom(more)
            if rules.takes(framework, role, agent, whole + more):
                progress = scalars(more)
                if role in self._consumed:
                    _add(self._consumed[role], progress)
                self._offer(framework, role, agent, whole + more, progress)

    def _keep_headroom(self, more: Resources) -> Resources:
        return _cut_to(more, _less(self._there, self._required)) if self._required else more

    def _offer(self, framework: str, role: str, agent: str, offer: Resources, progress: Amounts) -> None:
        self._there = _less(self._there, progress)
        key = (framework, role, agent)
        self.offers[key] = self.offers.get(key, Resources.EMPTY) + offer
        self._rules.hold(framework, role, agent, offer)


def scalars(resources: Iterable[Resource]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for one in resources:
        if isinstance(one.value, int):
            sums[one.name] = sums.get(one.name, 0) + one.value
    return sums


def is_reserved(one: Resource) -> bool:
    return bool(one.key.reservations)


def is_cuttable(one: Resource) -> bool:
    """Whether quota counts it."""
    return one.is_scalar and not is_reserved(one) and not one.key.revocable


def is_at_or_below(role: str, top: str) -> bool:
    return f"{role}/".startswith(f"{top}/")


def _reaches(offer: Resources, least: Amounts) -> bool:
    amounts = offer.quantities()
    return all(amounts.get(name, 0) >= amount for name, amount in least.items())


def _add(sums: dict[str, int], more: Amounts) -> None:
    for name, amount in more.items():
        sums[name] = sums.get(name, 0) + amount


def _less(amounts: Amounts, taken: Amounts) -> dict[str, int]:
    """What is left; of what nothing is, no word."""
    return {name: amount - taken.get(name, 0) for name, amount in amounts.items() if amount > taken.get(name, 0)}


def _left(limit: Amounts, taken: Amounts) -> dict[str, int]:
    """What is left; of what nothing is, nothing."""
    return {name: max(0, amount - taken.get(name, 0)) for name, amount in limit.items()}


def _cut_to(resources: Resources, most: Amounts) -> Resources:
    """No more than ``most``, and nothing that it does not name."""
    return _cut(resources, most, lambda name: 0)


def _cut_by(resources: Resources, most: Amounts) -> Resources:
    """No more than ``most`` of what it names."""
    return _cut(resources, most, lambda name: None)


def _cut(resources: Resources, most: Amounts, otherwise: Callable[[str], int | None]) -> Resources:
    """Mesos takes resources in random order, which tells for disks that are taken whole; with us it is this one."""
    left = dict(most)
    kept = []
    for one in sorted(resources, key=lambda one: (not one.key.is_counted, -scalars((one,))[one.name], str(one))):
        assert isinstance(one.value, int)
        room = left.get(one.name, otherwise(one.name))
        amount = one.value if room is None else min(one.value, room)
        if amount == one.value or (amount and not one.key.is_counted):
            kept.append(Resource(one.key, amount))
            if one.name in left:
                left[one.name] -= amount
    return Resources(kept)
