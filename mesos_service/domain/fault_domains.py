"""Where a master or an agent is: a region, and a zone in it (Mesos docs, "Regions and Fault Domains"; M-AL-21)."""

from __future__ import annotations

import json
from typing import NamedTuple


class FaultDomain(NamedTuple):
    """Both names are the operator's to choose; machines of one zone are likely to fail together."""

    region: str
    zone: str

    def __str__(self) -> str:
        return f"{self.region}/{self.zone}"


def parse_fault_domain(text: str) -> FaultDomain:
    """Read Mesos' JSON, ``{"fault_domain": {"region": {"name": "eu"}, "zone": {"name": "rack1"}}}``.

    Raises:
        ValueError: it is something else; the text says which part is missing.
    """
    try:
        sent = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"a domain is written in JSON: {error}") from error
    found = _part(sent, "fault_domain", "the domain")
    return FaultDomain(_name(found, "region"), _name(found, "zone"))


def refuse_place(master: FaultDomain | None, agent: FaultDomain | None, *, required: bool) -> str | None:
    """Why an agent at ``agent`` may not register with a master at ``master``, or ``None`` (as in Mesos).

    Without a place of its own a master cannot know who is remote; ``required``: ``--require_agent_domain``.
    """
    if agent is not None and master is None:
        return f"it is in domain {agent}, and this master has no --domain"
    if agent is None and required:
        return "it has no --domain, and this master requires one (--require_agent_domain)"
    return None


def _name(domain: dict[str, object], what: str) -> str:
    name = _part(domain, what, "'fault_domain'").get("name")
    if not isinstance(name, str) or not name:
        raise ValueError(f"'{what}' of a domain needs a 'name', which is a text")
    try:
        name.encode()
    except UnicodeEncodeError as error:
        # Half a pair of surrogates, which JSON can escape and nobody can send on.
        raise ValueError(f"'{what}' of a domain has a 'name' that is no text: {error.reason}") from error
    return name


def _part(sent: object, name: str, where: str) -> dict[str, object]:
    part = sent.get(name) if isinstance(sent, dict) else None
    if not isinstance(part, dict):
        raise ValueError(f"{where} needs '{name}', which is an object")
    return part
