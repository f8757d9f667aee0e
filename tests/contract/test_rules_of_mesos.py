"""The oracle of ``tests/properties/test_mesos_rules.py`` itself: it offers what Mesos offered, and what was derived.

``decisions.json`` are recorded decisions of Apache Mesos' allocator. An oracle that did not agree with them would prove
nothing; and outcomes that a person reasoned out (``derived_decisions.txt``) are reasoned out once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest

from mesos_service.domain.resources import Resources
from tests.contract.clusters import CLUSTERS, DERIVED, SEEDS, SEEDS_MANY
from tests.contract.derive_decisions import Json, derive
from tests.contract.small_clusters import least, resources
from tests.support.mesos_rules import Agent, Framework, MesosRules, Who
from tests.unit.allocation.cluster import amounts

USUAL = ("cpus:0.01", "mem:32")


class RulesCluster:
    """Does to the oracle what ``SmallCluster`` does to an allocator of ours."""

    def __init__(self, seed: int, options: Json) -> None:
        self.random = Random(seed)
        self.rules = MesosRules(
            least(options.get("least", USUAL)), region=options.get("region"), excluded=options.get("excluded", ())
        )
        self.last: dict[Who, Resources] = {}
        self.held: dict[tuple[str, str], tuple[Who, Resources]] = {}

    def outcome(self) -> dict[str, list[Json]]:
        sums: dict[str, tuple[int, Resources]] = {}
        for (framework, role, _), offer in self.last.items():
            count, total = sums.get(f"{framework} {role}", (0, Resources.EMPTY))
            sums[f"{framework} {role}"] = count + 1, total + offer
        return {who: [count, "; ".join(sorted(map(str, total)))] for who, (count, total) in sums.items()}

    def do(self, step: Json) -> None:
        rules, kind = self.rules, step["do"]
        match kind:
            case "framework" | "update":
                one = Framework(
                    set(step["roles"]),
                    set(step["suppressed"]),
                    step["capabilities"],
                    {role: least(texts) for role, texts in step.get("least", {}).items()},
                    [(name, value) for name, _, value in (text.partition("=") for text in step.get("only", ()))],
                )
                (rules.add_framework if kind == "framework" else rules.update_framework)(step["name"], one)
            case "agents":
                for number in range(step["count"]):
                    rules.add_agent(f"agent{number:03}", Agent(Resources.parse(step["resources"])))
            case "agent":
                self._agent(step)
            case "weight":
                rules.weights[step["role"]] = step["weight"]
            case "quota":
                rules.guarantees[step["role"]] = amounts(step["guarantees"])
                rules.limits[step["role"]] = amounts(step["limits"])
            case "suppress":
                rules.suppress(step["framework"], step.get("roles", ()))
            case "connect" | "disconnect":
                rules.connect(step["framework"], kind == "connect")
            case "remove_framework":
                rules.remove_framework(step["framework"])
            case "remove_agent":
                rules.remove_agent(step["agent"])
            case "activate" | "deactivate":
                rules.agents[step["agent"]].active = kind == "activate"
            case "whitelist":
                rules.whitelist = step["agents"]
            case "wait":
                rules.now += step["seconds"]
            case "revive":
                rules.revive(step["framework"], step.get("roles", ()))
                self._cycle(())
            case "cycle":
                self._cycle(step.get("agents", ()))
            case _:
                self._answer(step)

    def _agent(self, step: Json) -> None:
        total = Resources.parse(resources(step["resources"]))
        if step["name"] in self.rules.agents:
            self.rules.resize_agent(step["name"], total)
            return
        held = {(framework, role): Resources.parse(resources(text)) for framework, role, text in step["used"]}
        self.rules.add_agent(
            step["name"], Agent(total, held, True, step.get("region"), dict(step.get("attributes", ())))
        )

    def _answer(self, step: Json) -> None:
        """Decline, rescind, launch or end."""
        if "agent" not in step:
            for who, offer in self.last.items():
                if who[0] == step["framework"]:
                    self.rules.release(*who, offer, step["seconds"])
            return
        who, offer = self.held[step["framework"], step["agent"]]
        used = Resources.parse(resources(step["resources"])) if "resources" in step else Resources.EMPTY
        gone = used if step["do"] == "end" else offer - used
        self.rules.release(*who, gone, step.get("seconds"))

    def _cycle(self, agents: Sequence[str]) -> None:
        first, second = list(agents or self.rules.agents), list(agents or self.rules.agents)
        self.random.shuffle(first)
        self.random.shuffle(second)
        self.last = self.rules.allocate(first, second)
        for (framework, role, agent), offer in self.last.items():
            self.held[framework, agent] = (framework, role, agent), offer


def offered(steps: Sequence[Json], seed: int) -> list[tuple[Json, list[Json]]]:
    """What the oracle offers at each ``expect``, and what may be."""
    options = steps[0] if steps[0]["do"] == "options" else {}
    cluster = RulesCluster(seed, options)
    found = []
    for step in steps[1 if options else 0 :]:
        if step["do"] == "expect":
            found.append((cluster.outcome(), step["one_of"]))
        else:
            cluster.do(step)
    return found


@pytest.mark.parametrize("cluster", CLUSTERS, ids=[one["name"] for one in CLUSTERS])
def test_x32_the_oracle_offers_what_mesos_offered(cluster: Json) -> None:
    runs = [offered(cluster["steps"], seed) for seed in range(SEEDS)]
    for number, (_, seen) in enumerate(runs[0]):
        if len(seen) > 1:
            runs = [offered(cluster["steps"], seed) for seed in range(SEEDS_MANY)]
        found = [one[number][0] for one in runs]
        assert [one for one in seen if one not in found] == []
        assert len(seen) > 1 or [one for one in found if one not in seen] == []


@pytest.mark.parametrize(("name", "why", "steps"), DERIVED, ids=[one[0] for one in DERIVED])
def test_x32_x36_x37_x38_the_oracle_agrees_with_what_was_derived(name: str, why: str, steps: Sequence[str]) -> None:
    [cluster] = derive([{"name": name, "steps": list(steps)}])
    for seed in range(SEEDS):
        for told, rules in offered(cluster["steps"], seed):
            assert [told] == rules, why
