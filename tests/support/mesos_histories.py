"""Histories of small clusters, done to an allocator of ours and to the rules of Apache Mesos, pass after pass.

What happens is drawn: a seed is a history. ``mesos_more_histories.py`` draws more kinds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random
from typing import ClassVar

from mesos_service.domain.attributes import Attribute
from mesos_service.domain.ids import AgentId, FrameworkId
from mesos_service.domain.resources import Resources
from mesos_service.fairness.definition import place, second
from mesos_service.plugins.allocator import Grant
from tests.contract.small_clusters import least, only, resources
from tests.support.mesos_rules import Agent, Framework, MesosRules, Who
from tests.unit.allocation.cluster import Cluster, amounts

ROLES = ("a", "b", "c", "a/x", "a/y", "a/x/p", "b/z", "q", "q/s")
TOPS = ("a", "b", "c", "q")
MACHINES = (
    "cpus:2;mem:1024",
    "cpus:4;mem:2048",
    "cpus:2;mem:4096;disk:1000",
    "cpus:4;mem:1024;disk:100;ports:[31000-31009]",
    "cpus:1;mem:8192",
    "cpus:16;mem:8192;disk:1000;ports:[31000-32000]",
    "cpus:8;mem:512;gpus:2",
    "cpus(a):3;mem(a):512;cpus:1;mem:512",
    "cpus(a/x):1;mem(a/x):64;cpus(b):2;mem(b/z):128;cpus:3;mem:640",
    "cpus(q):2;mem(q):256;cpus:2;mem:1024;disk(q):100",
    "cpus(~a):2;mem(~a):256;cpus(a>a/x):1;mem(a>a/x):64;cpus:1;mem:64",
    "cpus(q>q/s):1;cpus:3;mem:2048;disk(~a)[v]:64",
    "cpus:2;cpus{revocable}:2;mem:1024;mem{revocable}:512",
    "cpus:3;mem:700;disk:50;disk[mount:/m]:200",
    "cpus:0.3;mem:100.5",
)
CAPABILITIES = ("GPU_RESOURCES", "REVOCABLE_RESOURCES", "RESERVATION_REFINEMENT", "REGION_AWARE")
LEAST = (["cpus:1"], ["mem:64"], ["cpus:2;mem:512"], ["cpus:1", "disk:100"], ["nothing"], ["gpus:1"])
USUAL = ["cpus:0.01", "mem:32"]
WEIGHTS = (0.5, 1.0, 2.0, 3.0, 4.0, 0.1)
STEPS_MAX = 24


class Disagreement(AssertionError):
    """Says all that happened, in the words of ``derived_decisions.txt``."""


class Both:
    """One cluster, twice, and what is out: the newest grant by framework, role and agent."""

    ROLES: ClassVar[Sequence[str]] = ROLES
    TOPS: ClassVar[Sequence[str]] = TOPS
    MACHINES: ClassVar[Sequence[str]] = MACHINES
    CAPABILITIES: ClassVar[Sequence[str]] = CAPABILITIES

    def __init__(self, seed: int, *, exact: bool) -> None:
        self.random = draw = Random(seed)
        self.said: list[str] = []
        self.seen = Counter[str]()
        region = "eu" if draw.random() < 0.2 else None
        excluded = ["gpus"] if draw.random() < 0.15 else []
        minimum = draw.choice(LEAST) if draw.random() < 0.15 else USUAL
        self.region = region
        gpus_kept = self.keeps_gpus()
        self.ours = Cluster(
            seed=seed, region=region, excluded=excluded, minimum=least(minimum), filter_gpu_resources=gpus_kept
        )
        self.rules = MesosRules(least(minimum), region=region, excluded=excluded, gpus_kept=gpus_kept, exact=exact)
        self.said.append(f"options region {region}, excluded {excluded}, least {minimum}, gpus kept {gpus_kept}")
        self.offered: dict[Who, Resources] = {}
        self.running: dict[Who, Resources] = {}
        self.names = 0
        for role in draw.sample(self.ROLES, draw.choice((0, 0, 1, 2, 3))):
            self.weigh(role)
        for role in draw.sample(self.TOPS, draw.choice((0, 1, 1, 2))):
            self.set_quota(role)
        many = self.is_large()
        for number in range(1 + draw.randrange(12 if many else 5)):
            self.add_framework(f"f{number}")
        for _ in range(20 + draw.randrange(40) if many else 1 + draw.randrange(7)):
            self.add_agent()

    def keeps_gpus(self) -> bool:
        return True

    def is_large(self) -> bool:
        """Whether there are dozens of agents."""
        return False

    # -- what happens ----------------------------------------------------------------------------------------
    def weigh(self, role: str) -> None:
        weight = self.random.choice(WEIGHTS)
        self.say(f"weight {role} {weight}")
        self.ours.weigh(role, weight)
        self.rules.weights[role] = weight

    def set_quota(self, role: str) -> None:
        draw = self.random
        guarantees, limits = {}, {}
        for name, unit in (("cpus", 0.5), ("mem", 128), ("disk", 50), ("gpus", 1)):
            if name in ("cpus", "mem") or draw.random() < 0.15:
                if draw.random() < 0.5:
                    guarantees[name] = unit * (1 + draw.randrange(12))
                if draw.random() < 0.5:
                    limits[name] = guarantees.get(name, 0) + unit * draw.randrange(16)
        said = ["; ".join(f"{name}:{amount}" for name, amount in each.items()) for each in (guarantees, limits)]
        guaranteed, limited = (text.replace(" ", "") for text in said)
        self.say(f"quota {role} guarantees {{{guaranteed}}} limits {{{limited}}}")
        self.ours.quota(role, guaranteed, limited)
        for book, text in ((self.rules.guarantees, guaranteed), (self.rules.limits, limited)):
            book.pop(role, None)
            if text:
                book[role] = amounts(text)

    def add_framework(self, name: str) -> None:
        roles, suppressed, capabilities, wanted, attributes = self._wishes()
        self.say(f"framework {name} {roles} suppressed {suppressed} {capabilities} least {wanted} only {attributes}")
        self.ours.framework(
            name,
            *roles,
            suppressed=suppressed,
            capabilities=capabilities,
            minimum={role: least(texts) for role, texts in wanted.items()},
            filters=only(attributes) if attributes else (),
        )
        self.rules.add_framework(name, self._framework(roles, suppressed, capabilities, wanted, attributes))

    def update_framework(self, name: str) -> None:
        roles, suppressed, capabilities, wanted, attributes = self._wishes()
        self.say(f"update {name} {roles} suppressed {suppressed} {capabilities} least {wanted} only {attributes}")
        self.ours.update(
            name,
            *roles,
            suppressed=suppressed,
            capabilities=capabilities,
            minimum={role: least(texts) for role, texts in wanted.items()},
            filters=only(attributes) if attributes else (),
        )
        self.rules.update_framework(name, self._framework(roles, suppressed, capabilities, wanted, attributes))

    def _wishes(self) -> tuple[list[str], list[str], list[str], Mapping[str, Sequence[str]], list[str]]:
        draw = self.random
        roles = sorted({draw.choice(self.ROLES) for _ in range(draw.choice((1, 1, 1, 2, 3)))})
        suppressed = [role for role in roles if draw.random() < 0.1]
        capabilities = [name for name in self.CAPABILITIES if draw.random() < 0.4]
        wanted = {role: draw.choice(LEAST) for role in roles if draw.random() < 0.1}
        attributes = draw.sample(["rack=r1", "HOSTNAME=x1.host", "kind=big"], 1) if draw.random() < 0.15 else []
        return roles, suppressed, capabilities, wanted, attributes

    def _framework(
        self,
        roles: Sequence[str],
        suppressed: Sequence[str],
        capabilities: Sequence[str],
        wanted: Mapping[str, Sequence[str]],
        attributes: Sequence[str],
    ) -> Framework:
        pairs = [(name, value) for name, _, value in (one.partition("=") for one in attributes)]
        by_role = {role: least(texts) for role, texts in wanted.items()}
        return Framework(set(roles), set(suppressed), capabilities, by_role, pairs)

    def remove_framework(self, name: str) -> None:
        self.say(f"remove framework {name}")
        self.ours.allocator.remove_framework(FrameworkId(name))
        for book, allocated in ((self.offered, False), (self.running, True)):
            for who in [one for one in book if one[0] == name]:
                self.ours.recover(grant(who, book.pop(who)), allocated=allocated)
        self.rules.remove_framework(name)

    def connect(self, name: str) -> None:
        active = not self.rules.frameworks[name].active
        self.say(f"{'connect' if active else 'disconnect'} {name}")
        self.ours.set_active(name, active)
        self.rules.connect(name, active)

    def add_agent(self) -> None:
        draw = self.random
        name = f"x{self.names}"
        self.names += 1
        text = resources(draw.choice(self.MACHINES))
        total = Resources.parse(text)
        held: dict[tuple[str, str], Resources] = {}
        used: dict[str, dict[str, str]] = {}
        if draw.random() < 0.25 and self.rules.frameworks:
            framework = draw.choice(sorted(self.rules.frameworks))
            role = draw.choice(sorted(self.rules.frameworks[framework].roles) or ["a"])
            task = "cpus:0.5;mem:100"
            if total.filter(lambda one: not one.key.revocable).contains(Resources.parse(task)):
                held[framework, role] = Resources.parse(task)
                used[framework] = {role: task}
                self.running[framework, role, name] = Resources.parse(task)
        region = draw.choice(("eu", "us", None)) if self.region else None
        attributes = {key: draw.choice(("r1", "r2", "big")) for key in ("rack", "kind") if draw.random() < 0.5}
        self.say(f"agent {name} {text} in {region} with {attributes} used {used}")
        listed = tuple(Attribute(key, value) for key, value in attributes.items())
        self.ours.agent(name, text, used, listed, region)
        self.rules.add_agent(name, Agent(total, held, True, region, attributes))

    def grow_agent(self, name: str) -> None:
        more = self.random.choice(("cpus:1;mem:256", "disk:100", "cpus(a):1", "mem{revocable}:64", "gpus:1"))
        total = self.rules.agents[name].total + Resources.parse(resources(more))
        self.say(f"agent {name} grows by {more}")
        self.ours.resize(name, total)
        self.rules.resize_agent(name, total)

    def remove_agent(self, name: str) -> None:
        self.say(f"remove agent {name}")
        self.ours.remove_agent(name)
        for book, allocated in ((self.offered, False), (self.running, True)):
            for who in [one for one in book if one[2] == name]:
                self.ours.recover(grant(who, book.pop(who)), allocated=allocated)
        self.rules.remove_agent(name)

    def switch_agent(self, name: str) -> None:
        agent = self.rules.agents[name]
        agent.active = not agent.active
        self.say(f"{'activate' if agent.active else 'deactivate'} {name}")
        self.ours.allocator.set_agent_active(AgentId(name), agent.active)

    def list_agents(self) -> None:
        draw = self.random
        listed = None if draw.random() < 0.5 else [name for name in self.rules.agents if draw.random() < 0.7]
        self.say(f"whitelist {listed}")
        self.ours.allocator.update_whitelist(None if listed is None else [f"{name}.host" for name in listed])
        self.rules.whitelist = listed

    def suppress(self, name: str) -> None:
        roles = self._some_roles(name)
        self.say(f"suppress {name} in {roles}")
        self.ours.suppress(name, *roles)
        self.rules.suppress(name, roles)

    def revive(self, name: str) -> None:
        roles = self._some_roles(name)
        self.say(f"revive {name} in {roles}")
        self.ours.revive(name, *roles)
        self.rules.revive(name, roles)

    def _some_roles(self, name: str) -> list[str]:
        roles = sorted(self.rules.frameworks[name].roles)
        return [] if self.random.random() < 0.5 or not roles else [self.random.choice(roles)]

    def answer(self, who: Who, offer: Resources) -> None:
        """Decline, let it be rescinded, or launch on a part of it and give back the rest."""
        draw = self.random
        framework, role, agent = who
        refuse = draw.choice((None, None, 3.0, 5.0, 3600.0))
        if not self.rules.frameworks[framework].active or role not in self.rules.frameworks[framework].roles:
            refuse = None  # Who is away, or has left the role, refuses nothing: his offers were rescinded.
        used = Resources.EMPTY
        if draw.random() < 0.4:
            used = offer.filter(lambda one: isinstance(one.value, int) and one.name in ("cpus", "mem", "gpus"))
            if draw.random() < 0.6:
                task = Resources.parse(draw.choice(("cpus:0.5;mem:64", "cpus:1;mem:256", "cpus:0.1")))
                used = task if offer.contains(task) else used
        rest = offer - used
        self.say(f"{framework} as {role} on {agent}: launch {used}, rest {rest} refuse {refuse}")
        if used:
            self.ours.allocator.offered_to_allocated(FrameworkId(framework), AgentId(agent), used.allocated_to(role))
            self.running[who] = self.running.get(who, Resources.EMPTY) + used
        if rest:
            self.ours.recover(grant(who, rest), refuse=refuse)
            self.rules.release(framework, role, agent, rest, refuse)
        del self.offered[who]

    def end(self, who: Who) -> None:
        self.say(f"tasks of {who} end")
        held = self.running.pop(who)
        self.ours.recover(grant(who, held), allocated=True)
        self.rules.release(*who, held)

    def wait(self) -> None:
        seconds = self.random.choice((0.5, 1.0, 2.5, 6.0, 4000.0))
        self.say(f"wait {seconds}")
        self.ours.now += seconds
        self.rules.now += seconds

    def cycle(self, *names: str) -> None:
        self.say("cycle" + (f" of {names}" if names else ""))
        state = self.ours.random.getstate()
        seed = self.ours.random.getrandbits(64)
        self.ours.random.setstate(state)
        serials = {name: self.ours.ledger.agents[AgentId(name)].serial for name in names or self.rules.agents}
        first, after = (sorted(serials, key=lambda name: place(way, serials[name])) for way in (seed, second(seed)))
        if not self.rules.guarantees and not self.rules.limits:
            after = first  # Ours draws an order for the second stage only where there is a first.
        said = self.rules.allocate(first, after)
        self.ours.cycle(*names)
        told = {
            (str(one.framework_id), str(one.role), str(one.agent_id)): one.resources.unallocated()
            for one in self.ours.last
        }
        if told != said:
            raise Disagreement("\n".join([*self.said, f"rules {_text(said)}", f"ours  {_text(told)}"]))
        self.say(f"=> {_text(said)}")
        for who, offer in said.items():
            self.offered[who] = self.offered.get(who, Resources.EMPTY) + offer
        self._look(said)

    def _look(self, said: Mapping[Who, Resources]) -> None:
        """Count what came up."""
        self.seen["offers"] += len(said)
        self.seen["refused"] += sum(bool(one.refused) for one in self.rules.frameworks.values())
        for (_, _, agent), offer in said.items():
            rest = self.rules.agents[agent].free
            self.seen["cut"] += any(one.key in {other.key for other in rest} for one in offer if one.is_scalar)
            self.seen["reserved"] += any(len(one.key.reservations) == 1 for one in offer)
            self.seen["refined"] += any(len(one.key.reservations) > 1 for one in offer)
            self.seen["revocable"] += any(one.key.revocable for one in offer)
            self.seen["gpus"] += any(one.name == "gpus" for one in offer)

    def say(self, text: str) -> None:
        self.said.append(text)

    def step(self) -> None:
        draw = self.random
        frameworks, agents = sorted(self.rules.frameworks), sorted(self.rules.agents)
        kind = draw.randrange(20)
        if kind < 6 and self.offered:
            for who in draw.sample(sorted(self.offered), 1 + draw.randrange(len(self.offered))):
                self.answer(who, self.offered[who])
        elif kind < 8 and self.running:
            self.end(draw.choice(sorted(self.running)))
        elif kind == 8 and frameworks:
            self.suppress(draw.choice(frameworks))
        elif kind == 9 and frameworks:
            name = draw.choice(frameworks)
            if self.rules.frameworks[name].active:
                self.revive(name)
        elif kind == 10 and frameworks:
            name = draw.choice(frameworks)
            if self.rules.frameworks[name].active:
                self.update_framework(name)
        elif kind == 11 and frameworks:
            self.connect(draw.choice(frameworks))
        elif kind == 12 and frameworks and draw.random() < 0.4:
            self.remove_framework(draw.choice(frameworks))
        elif kind == 12:
            self.add_framework(f"g{len(self.said)}")
        elif kind == 13:
            self.add_agent()
        elif kind == 14 and agents:
            self.grow_agent(draw.choice(agents))
        elif kind == 15 and agents:
            draw.choice((self.remove_agent, self.switch_agent))(draw.choice(agents))
        elif kind == 16:
            self.list_agents()
        elif kind == 17:
            draw.choice((self.weigh, self.set_quota))(draw.choice(self.TOPS))
        else:
            self.wait()


def grant(who: Who, held: Resources) -> Grant:
    framework, role, agent = who
    return Grant(FrameworkId(framework), role, AgentId(agent), held.allocated_to(role))  # type: ignore[arg-type]


def _text(offers: Mapping[Who, Resources]) -> str:
    return " | ".join(f"{' '.join(who)}: {'; '.join(sorted(map(str, offer)))}" for who, offer in sorted(offers.items()))


def run(seed: int, kind: type[Both] = Both, *, exact: bool = True) -> Counter[str]:
    """One history; raises :class:`Disagreement`. Tells what came up in it, and how often."""
    both = kind(seed, exact=exact)
    both.cycle()
    for _ in range(STEPS_MAX):
        both.step()
        if both.random.random() < 0.6:
            touched = [name for name in both.rules.agents if both.random.random() < 0.3]
            both.cycle(*(touched if both.random.random() < 0.2 else ()))
    return both.seen
