"""Commands that ask a master what there is: ``agents``, ``frameworks``, ``tasks``, ``roles``, ``offers``.

They use the operator API (``POST /api/v1``), as any other client would, so they work with Apache Mesos' masters too.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import httpx
import msgspec

from mesos_service.cli.output import OutputFormat, print_json, print_table
from mesos_service.configuration.forms import split_host_port
from mesos_service.configuration.masking import mask_secrets
from mesos_service.domain.addresses import join_host_port
from mesos_service.domain.errors import ConfigurationError, OperatingFault
from mesos_service.domain.values import Ranges
from mesos_service.election.detector import ZooKeeperDetector, find_leader
from mesos_service.election.interface import Leader
from mesos_service.election.url import ZooKeeperUrl, names_zookeeper, read_url
from mesos_service.http.dialing import HTTPS, from_environment
from mesos_service.wire.operator import Response, ResponseGetAgentsAgent, ResponseGetFrameworks, ResponseGetTasks
from mesos_service.wire.resources import Resource, ValueLimit, ValueScalar
from mesos_service.wire.tasks import Task

TIMEOUT_SECONDS: Final = 10.0
FIND_SECONDS_MAX: Final = 5.0
REDIRECTS_MAX: Final = 5
MASTER_PORT: Final = 5050


@dataclass(frozen=True, slots=True)
class Listing:
    """What a read shows: ``items`` as the master sent them, ``rows`` for people."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    items: object


def ask(master: str, call: str, **arguments: object) -> bytes:
    """The master's answer to an operator call; ``arguments`` are its sub-message, where it has one.

    Raises :class:`~mesos_service.domain.errors.OperatingFault` when nobody answers there, or not as a master would,
    and :class:`~mesos_service.domain.errors.ConfigurationError` when ``master`` is no address.
    """
    address = find_master(master)
    try:
        response = request(master, "POST", address, "/api/v1", {"type": call, **arguments})
    except httpx.TimeoutException as error:
        raise OperatingFault(f"the master at {address} did not answer within {TIMEOUT_SECONDS:g} seconds") from error
    except httpx.HTTPError as error:
        raise OperatingFault(f"no master answers at {address}: {error}") from error
    if response.status_code not in (httpx.codes.OK, httpx.codes.ACCEPTED):
        said = response.text.strip()[:300] or response.reason_phrase
        raise OperatingFault(f"the master at {address} refused {call} ({response.status_code}): {said}")
    return response.content


def request(master: str, method: str, address: str, path: str, json: object = None) -> httpx.Response:
    """Ask the master at ``address``, over TLS and in the name that the environment says (``http.dialing``).

    ``master`` is what the user wrote: it may begin with ``https://``. Raises ``httpx.HTTPError``.
    """
    dialing = from_environment().towards(master)
    headers = {"Accept": "application/json", **dialing.headers}
    url = httpx.URL(f"{dialing.scheme}://{address}{path}")
    # A proxy of the environment is for the web, not for the cluster.
    with httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False, verify=dialing.tls or True) as client:
        for _ in range(REDIRECTS_MAX):
            response = client.request(method, url, json=json, headers=headers)
            if response.status_code != httpx.codes.TEMPORARY_REDIRECT or "location" not in response.headers:
                break
            # Not left to httpx, which would ask another host without saying who asks.
            url = url.join(response.headers["location"])
    return response


def find_master(master: str) -> str:
    """``host:port`` of a ``--master``: the one named, or the one that leads according to ZooKeeper.

    Raises:
        ConfigurationError: ``master`` is neither.
        ElectionFault: ZooKeeper is not there, or knows of no leader.
    """
    try:
        if names_zookeeper(master):
            url = ZooKeeperUrl.parse(read_url(master))
            return str(asyncio.run(_leader(url)))
        return join_host_port(
            *split_host_port(master.removeprefix("http://").removeprefix(HTTPS).rstrip("/"), MASTER_PORT)
        )
    except ValueError as error:
        raise ConfigurationError(f"--master: {mask_secrets(str(error))}") from None


async def _leader(url: ZooKeeperUrl) -> Leader:
    return await find_leader(ZooKeeperDetector(url), FIND_SECONDS_MAX)


def agents(body: bytes) -> Listing:
    """Registered agents, with what is allocated of their total."""
    found = decode(body).get_agents
    rows = [
        (
            _id(agent.agent_info.id),
            agent.agent_info.hostname,
            (agent.pid or "").rpartition("@")[2],
            _use(agent),
            *(_part(agent.allocated_resources, agent.total_resources, name) for name in ("cpus", "mem", "disk")),
        )
        for agent in (found.agents if found else ())
    ]
    columns = ("ID", "HOSTNAME", "ADDRESS", "ACTIVE", "CPUS", "MEM", "DISK")
    return Listing(columns, rows, _items(body, "get_agents", "agents"))


def _use(agent: ResponseGetAgentsAgent) -> str:
    if agent.drain_info is not None:
        return agent.drain_info.state.lower()
    return "deactivated" if agent.deactivated else "yes" if agent.active else "no"


def frameworks(body: bytes) -> Listing:
    """Registered frameworks; completed ones are only in the JSON form of ``--all``."""
    found = decode(body).get_frameworks
    rows = [
        (
            _id(framework.framework_info.id),
            framework.framework_info.name,
            framework.framework_info.user,
            ",".join(framework.framework_info.roles) or framework.framework_info.role or "*",
            "connected" if framework.connected else "disconnected",
            "yes" if framework.active else "no",
            _amounts(framework.allocated_resources),
        )
        for framework in (found.frameworks if found else ())
    ]
    columns = ("ID", "NAME", "USER", "ROLES", "STATE", "ACTIVE", "ALLOCATED")
    return Listing(columns, rows, _items(body, "get_frameworks", "frameworks"))


def tasks(body: bytes) -> Listing:
    """Tasks that have not ended."""
    found = decode(body).get_tasks
    return _tasks(found.tasks if found else (), _items(body, "get_tasks", "tasks"))


def all_tasks(body: bytes) -> Listing:
    """Tasks that have not ended, those out of reach, and those that have ended, as far as the master remembers."""
    found = decode(body).get_tasks or ResponseGetTasks()
    lists = ("tasks", "unreachable_tasks", "completed_tasks")
    items = [item for name in lists for item in _items(body, "get_tasks", name)]
    return _tasks((*found.tasks, *found.unreachable_tasks, *found.completed_tasks), items)


def roles(body: bytes) -> Listing:
    """Roles in use, and what each holds."""
    found = decode(body).get_roles
    rows = [
        (role.name, f"{role.weight:g}", str(len(role.frameworks)), _amounts(role.resources))
        for role in (found.roles if found else ())
    ]
    return Listing(("ROLE", "WEIGHT", "FRAMEWORKS", "RESOURCES"), rows, _items(body, "get_roles", "roles"))


def offers(body: bytes) -> Listing:
    """Offers that have not been answered."""
    found = decode(body).get_frameworks or ResponseGetFrameworks()
    rows = [
        (_id(offer.id), _id(offer.framework_id), _id(offer.agent_id), offer.hostname, _amounts(offer.resources))
        for framework in found.frameworks
        for offer in framework.offers
    ]
    items = [offer for item in _items(body, "get_frameworks", "frameworks") for offer in _list(item, "offers")]
    return Listing(("ID", "FRAMEWORK", "AGENT", "HOSTNAME", "RESOURCES"), rows, items)


def quota(body: bytes) -> Listing:
    """Roles with quota: what is guaranteed, and what they may have at most."""
    found = decode(body).get_quota
    rows = [
        (config.role, _quantities(config.guarantees), _quantities(config.limits))
        for config in (found.status.configs if found else ())
    ]
    decoded: object = json.loads(body)
    answer = decoded.get("get_quota") if isinstance(decoded, dict) else None
    status = answer.get("status") if isinstance(answer, dict) else None
    return Listing(("ROLE", "GUARANTEES", "LIMITS"), rows, _list(status, "configs"))


def weights(body: bytes) -> Listing:
    """Roles for which a weight was set; all others weigh 1."""
    found = decode(body).get_weights
    rows = [(info.role or "*", f"{info.weight:g}") for info in (found.weight_infos if found else ())]
    return Listing(("ROLE", "WEIGHT"), rows, _items(body, "get_weights", "weight_infos"))


READS: Final[dict[str, tuple[str, Callable[[bytes], Listing]]]] = {
    "agents": ("GET_AGENTS", agents),
    "frameworks": ("GET_FRAMEWORKS", frameworks),
    "tasks": ("GET_TASKS", tasks),
    "all_tasks": ("GET_TASKS", all_tasks),
    "roles": ("GET_ROLES", roles),
    "offers": ("GET_FRAMEWORKS", offers),
    "quota": ("GET_QUOTA", quota),
    "weights": ("GET_WEIGHTS", weights),
}
"""By name: the operator call, and how its answer is read."""


def show(name: str, master: str, output: OutputFormat) -> None:
    """Ask ``master`` and print; raises as :func:`ask` does."""
    call, read = READS[name]
    body = ask(master, call)
    try:
        listing = read(body)
    except (msgspec.DecodeError, ValueError) as error:
        raise OperatingFault(f"what {master} sent is no answer to {call}: {error}") from error
    if output is OutputFormat.JSON:
        print_json(listing.items)
    else:
        print_table(listing.columns, listing.rows)


def decode(body: bytes) -> Response:
    """A master's answer."""
    # Mesos prints whole numbers as 1.0 in places where its own documents say integer.
    return msgspec.json.decode(body, type=Response, strict=False)


def _items(body: bytes, answer: str, name: str) -> list[object]:
    decoded: object = json.loads(body)
    return _list(decoded.get(answer), name) if isinstance(decoded, dict) else []


def _list(value: object, name: str) -> list[object]:
    items = value.get(name) if isinstance(value, dict) else None
    return list(items) if isinstance(items, list) else []


class _Identifier(Protocol):
    @property
    def value(self) -> str: ...


def _id(identifier: _Identifier | None) -> str:
    return "" if identifier is None else identifier.value


def _tasks(found: Sequence[Task], items: object) -> Listing:
    rows = [
        (
            _id(task.task_id),
            task.name,
            task.state,
            _id(task.framework_id),
            _id(task.agent_id),
            _amounts(task.resources),
        )
        for task in found
    ]
    return Listing(("ID", "NAME", "STATE", "FRAMEWORK", "AGENT", "RESOURCES"), rows, items)


def _scalar(resources: Sequence[Resource], name: str) -> float:
    return sum(resource.scalar.value for resource in resources if resource.name == name and resource.scalar)


def _part(used: Sequence[Resource], total: Sequence[Resource], name: str) -> str:
    return f"{plain_number(_scalar(used, name))}/{plain_number(_scalar(total, name))}"


def plain_number(amount: float) -> str:
    """For people: 48 rather than 48.0, and no more than thousandths."""
    return f"{round(amount, 3):.3f}".rstrip("0").rstrip(".")


def _quantities(amounts: Mapping[str, ValueScalar] | Mapping[str, ValueLimit]) -> str:
    # A limit may be spelled "Infinity", which reads as a number.
    return ";".join(
        f"{name}:{plain_number(float(amount.value)).replace('inf', 'Infinity')}" for name, amount in amounts.items()
    )


def _amounts(resources: Sequence[Resource]) -> str:
    """``cpus:1;mem:32;ports:[31000-31005]``, kinds in the order of the answer, amounts of one kind added up."""
    scalars: dict[str, float] = {}
    others: list[str] = []
    for resource in resources:
        if resource.scalar is not None:
            scalars[resource.name] = scalars.get(resource.name, 0.0) + resource.scalar.value
        elif resource.ranges is not None:
            spans = Ranges.of((span.begin, span.end) for span in resource.ranges.range)
            others.append(f"{resource.name}:{spans}")
        elif resource.set is not None:
            others.append(f"{resource.name}:{{{','.join(resource.set.item)}}}")
    return ";".join([*(f"{name}:{plain_number(amount)}" for name, amount in scalars.items()), *others])
