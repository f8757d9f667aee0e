"""``mesos-service reserve``, ``unreserve`` and ``volume``: operations on what nobody uses (M-OM-09, M-OM-10).

By operator calls of Mesos' own, so they work with Apache Mesos' masters too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from mesos_service.cli.output import OutputFormat, print_json, print_table
from mesos_service.cli.reads import ask, plain_number
from mesos_service.domain.errors import ConfigurationError, OperatingFault
from mesos_service.domain.resource import Reservation
from mesos_service.domain.resources import Resources, ResourcesError
from mesos_service.wire.convert.values import resources_to_wire

Json = dict[str, Any]  # Any: JSON documents


@dataclass(frozen=True, slots=True)
class Owner:
    """Whom something is reserved for, and in whose name."""

    role: str
    principal: str | None = None


def reserve(master: str, agent: str, text: str, owner: Owner) -> None:
    """Reserve what ``text`` says.

    Raises:
        ConfigurationError: the resources, the role or ``master`` cannot be used.
        OperatingFault: the master does not answer, or refuses it.
    """
    ask(master, "RESERVE_RESOURCES", reserve_resources=_at(agent, resources=_reserved(text, owner)))


def unreserve(master: str, agent: str, text: str, owner: Owner) -> None:
    """Take the reservation back. Raises as :func:`reserve` does."""
    ask(master, "UNRESERVE_RESOURCES", unreserve_resources=_at(agent, resources=_reserved(text, owner)))


def create_volume(master: str, agent: str, volume_id: str, megabytes: float, path: str, owner: Owner) -> None:
    """Make a volume of disk that is reserved so. Raises as :func:`reserve` does."""
    [disk] = _reserved(f"disk:{megabytes}", owner)
    persistence: Json = {"id": volume_id}
    if owner.principal is not None:
        persistence["principal"] = owner.principal
    disk["disk"] = {"persistence": persistence, "volume": {"mode": "RW", "container_path": path}}
    ask(master, "CREATE_VOLUMES", create_volumes=_at(agent, volumes=[disk]))


def destroy_volume(master: str, agent: str, volume_id: str, role: str) -> None:
    """Destroy a volume, and what is on it. Raises as :func:`reserve` does."""
    ask(master, "DESTROY_VOLUMES", destroy_volumes=_at(agent, volumes=[_find(master, agent, volume_id, role)]))


def resize_volume(master: str, agent: str, volume_id: str, megabytes: float, role: str) -> None:
    """Let a volume have another size; what it grows by is taken from plain disk that is reserved alike.

    Raises as :func:`reserve` does.
    """
    volume = _find(master, agent, volume_id, role)
    difference = megabytes - volume["scalar"]["value"]
    if difference > 0:
        disk = {key: part for key, part in volume["disk"].items() if key == "source"}
        addition = {key: part for key, part in volume.items() if key != "disk"} | ({"disk": disk} if disk else {})
        addition["scalar"] = {"value": difference}
        ask(master, "GROW_VOLUME", grow_volume=_at(agent, volume=volume, addition=addition))
    elif difference < 0:
        ask(master, "SHRINK_VOLUME", shrink_volume=_at(agent, volume=volume, subtract={"value": -difference}))


def show_volumes(master: str, output: OutputFormat) -> None:
    """Print all volumes of all agents. Raises as :func:`reserve` does."""
    found = [
        {
            "agent_id": agent["agent_info"]["id"]["value"],
            "role": _role(item),
            "id": item["disk"]["persistence"]["id"],
            "megabytes": item["scalar"]["value"],
            "container_path": item["disk"]["volume"]["container_path"],
        }
        for agent in _agents(master)
        for item in agent.get("total_resources", ())
        if "persistence" in item.get("disk", {})
    ]
    if output is OutputFormat.JSON:
        print_json(found)
    else:
        titles = ("AGENT", "ROLE", "ID", "MEGABYTES", "PATH")
        print_table(titles, [[*map(_shown, one.values())] for one in found])


def _shown(value: str | float) -> str:
    return value if isinstance(value, str) else plain_number(value)


def _at(agent: str, **more: object) -> Json:
    return {"agent_id": {"value": agent}, **more}


def _reserved(text: str, owner: Owner) -> list[Json]:
    try:
        plain = Resources.parse(text)
        made = plain.push_reservation(Reservation("DYNAMIC", owner.role, owner.principal))
    except ResourcesError as error:
        raise ConfigurationError(str(error)) from error
    documents: list[Json] = msgspec.json.decode(msgspec.json.encode(resources_to_wire(made)))
    return documents


def _find(master: str, agent: str, volume_id: str, role: str) -> Json:
    """The volume as a call names it: reservations are said once there, and twice in what masters show."""
    for one in _agents(master):
        if one["agent_info"]["id"]["value"] == agent:
            for item in one.get("total_resources", ()):
                persistence = item.get("disk", {}).get("persistence", {})
                if persistence.get("id") == volume_id and _role(item) == role:
                    return {key: part for key, part in item.items() if key not in ("role", "reservation")}
    raise OperatingFault(f"agent {agent} has no volume '{volume_id}' of role '{role}'")


def _role(item: Json) -> str:
    reservations = item.get("reservations", ())
    return str(reservations[-1]["role"] if reservations else item.get("role", "*"))


def _agents(master: str) -> list[Json]:
    answer: Json = msgspec.json.decode(ask(master, "GET_AGENTS"))
    found: list[Json] = answer["get_agents"].get("agents", [])
    return found
