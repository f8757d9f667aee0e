"""Small clusters in words: what is there, what happens, and what is offered then.

The words are those of the recording that ``derive_decisions.py`` reads, and more of the kind::

    options region eu, excluded gpus        (first, if at all; also: least cpus:1 or mem:64)
    framework f1 roles a b suppressed b +GPU_RESOURCES least a cpus:4 only rack=r1
    agent x cpus:4;mem:1024 in us with rack=r1 used by f1 in role a: cpus:1;mem:32
    launch f1 on x cpus:1;mem:32 refuse 5   (of what it was offered; the rest is given back and refused)
    wait 5

Resources are written as in ``--resources``, save that ``cpus{revocable}`` may be revoked, ``cpus(~a)`` is reserved
dynamically, ``cpus(~a#me)`` by ``me``, ``cpus(a>a/x)`` is a reservation refined, ``disk(~a)[v]`` a volume,
``disk[mount:/m]`` a whole disk and ``disk[path:/p]`` one that is not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from mesos_service.domain.attributes import Attribute
from mesos_service.domain.ids import AgentId, FrameworkId
from mesos_service.plugins.allocator import Grant
from mesos_service.plugins.offer_filter import OfferFilter
from tests.unit.allocation.cluster import Cluster, amounts, make_filter

Json = Any  # what ``json`` reads and writes

_PIECE = re.compile(
    r"(?P<name>\w+)(?P<revocable>\{revocable\})?(\((?P<stack>[^)]*)\))?(\[(?P<disk>[^\]]*)\])?:(?P<value>.*)"
)


def resources(text: str) -> str:
    """As ``--resources`` takes it; in JSON where plain text cannot say it."""
    if not any(sign in text for sign in ("{revocable}", "~", ">", "[v", "[mount", "[path")):
        return text
    return json.dumps([_resource(piece) for piece in text.split(";")])


def _resource(piece: str) -> Json:
    match = _PIECE.fullmatch(piece)
    if match is None:
        raise ValueError(f"cannot read the resource '{piece}'")
    said: Json = {"name": match["name"]}
    if match["value"].startswith("["):
        pairs = [map(int, each.split("-")) for each in match["value"].strip("[]").split(",")]
        said |= {"type": "RANGES", "ranges": {"range": [{"begin": first, "end": last} for first, last in pairs]}}
    elif match["value"].startswith("{"):
        said |= {"type": "SET", "set": {"item": match["value"].strip("{}").split(",")}}
    else:
        said |= {"type": "SCALAR", "scalar": {"value": float(match["value"])}}
    if match["revocable"]:
        said["revocable"] = {}
    if match["stack"]:
        bottom, *refined = match["stack"].split(">")
        bottom, _, principal = bottom.partition("#")
        said["reservations"] = [
            {
                "role": bottom.removeprefix("~"),
                "type": "DYNAMIC" if bottom.startswith("~") else "STATIC",
                **({"principal": principal} if principal else {}),
            },
            *({"role": role, "type": "DYNAMIC"} for role in refined),
        ]
    if match["disk"]:
        kind, _, root = match["disk"].partition(":")
        if kind in ("mount", "path"):
            said["disk"] = {"source": {"type": kind.upper(), kind: {"root": root}}}
        else:
            name, *shared = kind.split(",")
            said["disk"] = {"persistence": {"id": name}, "volume": {"container_path": name, "mode": "RW"}}
            if shared:
                said["shared"] = {}
    return said


class SmallCluster:
    """Does what steps say to an allocator of ours. ``options``: those of the step of that name."""

    def __init__(self, seed: int, options: Mapping[str, Json]) -> None:
        self.cluster = Cluster(
            seed=seed,
            region=options.get("region"),
            excluded=options.get("excluded", ()),
            minimum=least(options["least"]) if "least" in options else None,
        )
        self.held: dict[tuple[str, str], Grant] = {}
        """The newest offer by framework and agent."""

    def outcome(self) -> dict[str, list[Json]]:
        found = self.cluster.outcome_of_last()
        return {f"{who} {role}": [count, offered] for (who, role), (count, offered) in found.items()}

    def do(self, step: Json) -> None:
        getattr(self, f"_{step['do']}")(step)

    def _framework(self, step: Json) -> None:
        self.cluster.framework(step["name"], *step["roles"], **self._wishes(step))

    def _update(self, step: Json) -> None:
        self.cluster.update(step["name"], *step["roles"], **self._wishes(step))

    def _wishes(self, step: Json) -> dict[str, Json]:
        return {
            "suppressed": step["suppressed"],
            "capabilities": step["capabilities"],
            "minimum": {role: least(texts) for role, texts in step.get("least", {}).items()},
            "filters": only(step["only"]) if step.get("only") else (),
        }

    def _agent(self, step: Json) -> None:
        used: dict[str, dict[str, str]] = {}
        for framework, role, held in step["used"]:
            used.setdefault(framework, {})[role] = held
        attributes = tuple(Attribute(name, value) for name, value in step.get("attributes", ()))
        self.cluster.agent(step["name"], resources(step["resources"]), used, attributes, step.get("region"))

    def _agents(self, step: Json) -> None:
        self.cluster.agents(step["count"], resources(step["resources"]))

    def _weight(self, step: Json) -> None:
        self.cluster.weigh(step["role"], step["weight"])

    def _quota(self, step: Json) -> None:
        self.cluster.quota(step["role"], step["guarantees"], step["limits"])

    def _decline(self, step: Json) -> None:
        if "agent" in step:
            grant = self.held[step["framework"], step["agent"]]
            self.cluster.recover(grant, refuse=step["seconds"])
        else:
            self.cluster.decline(step["framework"], step["seconds"])

    def _rescind(self, step: Json) -> None:
        self.cluster.recover(self.held[step["framework"], step["agent"]])

    def _launch(self, step: Json) -> None:
        grant = self.held[step["framework"], step["agent"]]
        self.cluster.launch(grant, resources(step["resources"]), refuse=step["seconds"])

    def _end(self, step: Json) -> None:
        self.cluster.end(self.held[step["framework"], step["agent"]], resources(step["resources"]))

    def _suppress(self, step: Json) -> None:
        self.cluster.suppress(step["framework"], *step.get("roles", ()))

    def _revive(self, step: Json) -> None:
        self.cluster.revive(step["framework"], *step.get("roles", ()))
        self._cycle(step)

    def _connect(self, step: Json) -> None:
        self.cluster.set_active(step["framework"], True)

    def _disconnect(self, step: Json) -> None:
        self.cluster.set_active(step["framework"], False)

    def _remove_framework(self, step: Json) -> None:
        self.cluster.allocator.remove_framework(FrameworkId(step["framework"]))
        for (framework, agent), grant in list(self.held.items()):
            if framework == step["framework"]:
                self.cluster.recover(grant)
                del self.held[framework, agent]

    def _remove_agent(self, step: Json) -> None:
        self.cluster.remove_agent(step["agent"])

    def _activate(self, step: Json) -> None:
        self.cluster.allocator.set_agent_active(AgentId(step["agent"]), True)

    def _deactivate(self, step: Json) -> None:
        self.cluster.allocator.set_agent_active(AgentId(step["agent"]), False)

    def _whitelist(self, step: Json) -> None:
        who = step["agents"]
        self.cluster.allocator.update_whitelist(None if who is None else [f"{name}.host" for name in who])

    def _wait(self, step: Json) -> None:
        self.cluster.now += step["seconds"]

    def _cycle(self, step: Json) -> None:
        self.cluster.cycle(*step.get("agents", ()))
        for grant in self.cluster.last:
            self.held[grant.framework_id, grant.agent_id] = grant


def run(steps: Sequence[Json], seed: int) -> list[tuple[dict[str, list[Json]], list[Json]]]:
    """What was offered at each ``expect``, and what may be."""
    options = steps[0] if steps[0]["do"] == "options" else {}
    cluster = SmallCluster(seed, options)
    found: list[tuple[dict[str, list[Json]], list[Json]]] = []
    for step in steps[1 if options else 0 :]:
        if step["do"] == "expect":
            found.append((cluster.outcome(), step["one_of"]))
        else:
            cluster.do(step)
    return found


def least(texts: Sequence[str]) -> tuple[dict[str, int], ...]:
    """Alternatives of a minimum size; ``nothing`` is none at all."""
    return tuple(amounts(text) for text in texts if text != "nothing")


def only(wanted: Sequence[str]) -> tuple[OfferFilter, ...]:
    """``rack=r1``: the framework's offer constraints, all of which have to hold."""
    constraints = []
    for one in wanted:
        name, _, value = one.partition("=")
        selector = {"attribute_name": name} if name.islower() else {"pseudoattribute_type": name}
        constraints.append({"selector": selector, "predicate": {"text_equals": {"value": value}}})
    return (make_filter("attribute_constraints", groups=[{"attribute_constraints": constraints}]),)
