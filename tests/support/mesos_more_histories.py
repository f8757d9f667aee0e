"""More kinds of small clusters, and more that happens in them, for :mod:`tests.support.mesos_histories`.

Operations on offers and by operators (reservations made, refined, taken back and given to others, volumes), agents that
change their attributes or shrink below what is held there, gpus that are not kept, sets and several ranges, disks of
all kinds, frameworks in no role and in many, roles whose names sort otherwise than their paths, and clusters large
enough for the long queues. A shared volume is in one offer at a time, as with us; no task uses one here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from mesos_service.domain.attributes import Attribute
from mesos_service.domain.ids import AgentId, FrameworkId
from mesos_service.domain.resource import DiskInfo, Persistence, Reservation, Resource, Volume
from mesos_service.domain.resources import Resources
from tests.support.mesos_histories import CAPABILITIES, MACHINES, ROLES, TOPS, Both, grant
from tests.support.mesos_rules import Who, is_at_or_below


class MoreKinds(Both):
    HAVE_TO_COME_UP: ClassVar[Sequence[str]] = (
        *("cut", "reserved", "refined", "revocable", "gpus", "refused"),
        *("operations", "re-reserved", "volumes", "shared", "sets", "attributes", "shrunk"),
    )
    ROLES = (*ROLES, "*", "a-b", "a.b", "Z", "a/x-y", "q/s/t")
    TOPS = (*TOPS, "a-b", "Z")
    CAPABILITIES = (*CAPABILITIES, "SHARED_RESOURCES")
    MACHINES = (
        *MACHINES,
        "cpus:4;mem:1024;ids:{i1,i2,i3};ports:[1-3,7-9]",
        "cpus:4;mem:1024;ids(a):{i1,i2};ids:{i3};ports(a):[1-3];ports:[4-9]",
        "cpus:2;mem:512;disk[mount:/m]:100;disk[mount:/n]:60;disk[path:/p]:80;disk:40",
        "cpus:2;mem:512;disk(~a)[v1]:64;disk(~a):36;disk(~q)[v2]:20;disk(~q):12",
        "cpus:2;mem:512;disk(~a)[v,shared]:64;disk(~q)[vq,shared]:64",
        "cpus(~a#me):1;cpus(~a#you):2;mem(~a#me):64;cpus:1;mem:128",
        "cpus:6;mem:3000;gpus:4;gpus(a):1",
        "cpus:4;mem:2000;gpus(q):2",
        "cpus{revocable}:3;mem{revocable}:700;disk:10",
        "cpus:5;mem:1000;bandwidth:100;fpgas:3",
        "cpus(~q>q/s):2;mem(~q>q/s):100;cpus(q>q/s):1;cpus:2;mem:500",
    )

    def keeps_gpus(self) -> bool:
        return self.random.random() < 0.7

    def is_large(self) -> bool:
        return self.random.random() < 0.08

    def _wishes(self) -> tuple[list[str], list[str], list[str], Mapping[str, Sequence[str]], list[str]]:
        draw = self.random
        roles, suppressed, capabilities, wanted, attributes = super()._wishes()
        chance = draw.random()
        if chance < 0.04:
            return [], [], capabilities, {}, attributes
        if chance < 0.15:
            roles = sorted({*roles, *draw.sample(self.ROLES, 5)})
            suppressed = [role for role in roles if role in suppressed or draw.random() < 0.2]
        return roles, suppressed, capabilities, wanted, attributes

    # -- what happens ----------------------------------------------------------------------------------------
    def answer(self, who: Who, offer: Resources) -> None:
        framework, role, _ = who
        one = self.rules.frameworks[framework]
        if one.active and role in one.roles:
            for _ in range(self.random.choice((0, 0, 1, 3))):
                offer = self._operate(who, offer)
        super().answer(who, offer)

    def _operate(self, who: Who, offer: Resources) -> Resources:
        """One operation of an ACCEPT; what it made is given back with the rest."""
        framework, role, agent = who
        found = self._conversion(offer, role, agent)
        if found is None:
            return offer
        before, after = found
        self.say(f"{framework} as {role} on {agent} makes {after} of {before}")
        self.ours.allocator.update_allocation(
            FrameworkId(framework), AgentId(agent), before.allocated_to(role), after.allocated_to(role)
        )
        self.ours.audit()
        self.ours.note_total(agent, self.rules.agents[agent].total - before + after)
        self.rules.convert(framework, role, agent, before, after)
        self.offered[who] = offer - before + after
        self.seen["operations"] += 1
        return self.offered[who]

    def operate_on_free(self, name: str) -> None:
        """An operator's operation."""
        agent = self.rules.agents[name]
        found = self._conversion(agent.free, self.random.choice([role for role in self.ROLES if role != "*"]), name)
        if found is not None:
            before, after = found
            self.say(f"an operator makes {after} of {before} on {name}")
            self.ours.resize(name, agent.total - before + after)
            self.rules.resize_agent(name, agent.total - before + after)
            self.seen["operations"] += 1

    def _conversion(self, there: Resources, role: str, agent: str) -> tuple[Resources, Resources] | None:
        """What one lawful operation would consume of ``there``, and what stands in its place then."""
        draw = self.random
        items = [one for one in there if not one.key.revocable and one.name != "gpus"]
        if not items:
            return None
        one = draw.choice(items)
        disk = one.key.disk
        if disk is not None and disk.persistence is not None:
            plain = DiskInfo(source=disk.source) if disk.source is not None else None
            return Resources.of((one,)), Resources.of((_with(one, disk=plain, shared=False),))
        if one.is_scalar and not one.key.is_counted and draw.random() < 0.6:
            assert isinstance(one.value, int)
            one = one._replace(value=min(one.value, draw.choice((500, 1000, 16_000, 100_000))))
        stack, kind = one.key.reservations, draw.random()
        if one.name == "disk" and stack and kind < 0.5:
            volume = DiskInfo(
                source=disk.source if disk else None,
                persistence=Persistence(f"made{len(self.said)}"),
                volume=Volume("data"),
            )
            return Resources.of((one,)), Resources.of((_with(one, disk=volume, shared=kind < 0.1),))
        if stack and stack[-1].type == "DYNAMIC" and kind < 0.75:
            below = stack[:-1]
            if kind < 0.6 and not below:
                below = (Reservation("DYNAMIC", draw.choice(self.TOPS)),)
                self.seen["re-reserved"] += 1
            return Resources.of((one,)), Resources.of((_with(one, reservations=below),))
        if role == "*" or (stack and (stack[-1].role == role or not is_at_or_below(role, stack[-1].role))):
            return None
        above = Reservation("DYNAMIC", role, principal=draw.choice((None, None, "me")))
        return Resources.of((one,)), Resources.of((_with(one, reservations=(*stack, above)),))

    def change_attributes(self, name: str) -> None:
        attributes = {key: self.random.choice(("r1", "r2", "big")) for key in ("rack", "kind")}
        if attributes == self.rules.agents[name].attributes:
            return  # A restart that changes nothing lifts no filter.
        self.say(f"agent {name} comes back with {attributes}")
        self.ours.describe(name, tuple(Attribute(key, value) for key, value in attributes.items()))
        self.rules.change_attributes(name, attributes)
        self.seen["attributes"] += 1

    def shrink_agent(self, name: str) -> None:
        """It comes back with less, and may hold more than it has."""
        total = self.rules.agents[name].total
        items = [one for one in total if one.is_scalar and not one.key.is_counted]
        if not items:
            return
        one = self.random.choice(items)
        assert isinstance(one.value, int)
        gone = one.value if self.random.random() < 0.2 else max(1, one.value // 2)
        total -= Resources.of((one._replace(value=gone),))
        for who in [each for each in self.offered if each[2] == name]:
            offer = self.offered.pop(who)  # Its connection was lost, and what was offered of it with it.
            self.ours.recover(grant(who, offer))
            self.rules.release(*who, offer)
        self.say(f"agent {name} shrinks to {total}")
        self.ours.resize(name, total)
        self.rules.resize_agent(name, total)
        self.seen["shrunk"] += 1

    def take_quota_away(self) -> None:
        role = self.random.choice(self.TOPS)
        self.say(f"quota {role} guarantees {{}} limits {{}}")
        self.ours.quota(role)
        self.rules.guarantees.pop(role, None)
        self.rules.limits.pop(role, None)

    def step(self) -> None:
        agents = sorted(self.rules.agents)
        kind = self.random.randrange(30)
        if kind < 3 and agents:
            self.operate_on_free(self.random.choice(agents))
        elif kind == 3 and agents:
            self.change_attributes(self.random.choice(agents))
        elif kind == 4 and agents:
            self.shrink_agent(self.random.choice(agents))
        elif kind == 5:
            self.take_quota_away()
        else:
            super().step()

    def _look(self, said: Mapping[Who, Resources]) -> None:
        super()._look(said)
        for offer in said.values():
            self.seen["volumes"] += any(one.key.disk is not None and one.key.disk.persistence for one in offer)
            self.seen["shared"] += any(one.key.shared for one in offer)
            self.seen["sets"] += any(one.name == "ids" for one in offer)


def _with(one: Resource, **changes: object) -> Resource:
    return one._replace(key=one.key._replace(**changes))  # type: ignore[arg-type]
