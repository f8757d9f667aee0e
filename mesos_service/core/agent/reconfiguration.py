"""May an agent come back as another than it was (M-AG-17, X52)?

Whoever placed tasks on it relied on what it said of itself. ``equal`` lets nothing differ; ``additive``, as in Mesos,
lets resources and attributes be added, and a machine be placed in a region where it was in none.
"""

from __future__ import annotations

from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.attributes import Attribute
from mesos_service.domain.resources import Resources


def refuse_reconfiguration(before: AgentInfo, now: AgentInfo, additive: bool) -> str | None:
    """Say what differs and may not; the id is not compared."""
    for name, was, is_now in (
        ("hostname", before.hostname, now.hostname),
        ("address", before.ip, now.ip),
        ("port", str(before.port), str(now.port)),
        ("region and zone", _place(before), _place(now)),
    ):
        if was != is_now and not (additive and name == "region and zone" and not was):
            return f"its {name} was {was or 'not set'} and is {is_now or 'not set'}"
    return _refuse_resources(before.resources, now.resources, additive) or _refuse_attributes(before, now, additive)


def _place(info: AgentInfo) -> str:
    return f"{info.region}/{info.zone}" if info.region is not None else ""


def _refuse_resources(before: Resources, now: Resources, additive: bool) -> str | None:
    if now == before or (additive and now.contains(before)):
        return None
    return f"its resources were {before} and are {now}"


def _refuse_attributes(before: AgentInfo, now: AgentInfo, additive: bool) -> str | None:
    if sorted(map(_text, before.attributes)) == sorted(map(_text, now.attributes)):
        return None
    missing = [attribute for attribute in before.attributes if attribute not in now.attributes]
    if additive and not missing:
        return None
    return f"its attributes were {_listed(before.attributes)} and are {_listed(now.attributes)}"


def _listed(attributes: tuple[Attribute, ...]) -> str:
    return ";".join(map(_text, attributes)) or "none"


def _text(attribute: Attribute) -> str:
    return str(attribute)
