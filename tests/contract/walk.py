"""Somebody who makes recorded requests of a cluster of ours, and takes part in it as a framework."""

from __future__ import annotations

import json
from typing import Final

import httpx

from mesos_service.local import LocalCluster
from tests.contract.live import Live
from tests.contract.shapes import differences, recorded
from tests.e2e.raw import Json, RawFramework, scalar

NOW: Final = {"refuse_seconds": 0}
LONG: Final = {"refuse_seconds": 3600}
JSON: Final = {"Content-Type": "application/json", "Accept": "application/json"}
CAPABILITIES: Final = (
    "MULTI_ROLE",
    "RESERVATION_REFINEMENT",
    "PARTITION_AWARE",
    "TASK_KILLING_STATE",
    "SHARED_RESOURCES",
)
ROLE: Final = "somebodys"
"""A key of some answers: the recorded one is known as somebody's name."""
INFO: Final[Json] = {
    "user": "root",
    "name": "recorded",
    "roles": [ROLE],
    "checkpoint": True,
    "failover_timeout": 600.0,
    "principal": "somebody",
    "hostname": "localhost",
    "webui_url": "http://127.0.0.1/",
    "labels": {"labels": [{"key": "k", "value": "v"}]},
    "capabilities": [{"type": one} for one in CAPABILITIES],
}
FLAGS: Final = {"cluster": "recorded", "offer_timeout": "none"}
WHOLE: Final = 4.0
"""The agent's cpus."""
MACHINE: Final = {"hostname": "localhost", "ip": "127.0.0.1"}


class Walk:
    """Asks what was asked, and keeps the answers by the recordings' names."""

    def __init__(self, cluster: LocalCluster, client: httpx.AsyncClient) -> None:
        self.live = Live()
        self.told: list[list[str]] = []
        """Type of each event that is no offer or heartbeat, with the names of enums and messages in it."""
        self.statuses: list[Json] = []
        """Of operations."""
        self._offers: dict[RawFramework, list[Json]] = {}
        self.unlike: list[str] = []
        """How events differed from the recorded ones."""
        self.master = cluster.master
        self.agent = cluster.agents[0]
        self._client = client
        # httpx would send headers of its own, by which some of the answers are decided.
        client.headers.clear()

    async def ask(self, *names: str, **fields: object) -> None:
        """Make the recorded requests; a call's name stands in the recording's."""
        for name in names:
            exchange = recorded()["exchanges"][name]
            folder, _, title = name.partition("/")
            url = f"http://{self.agent if 'agent' in name.removeprefix('master') else self.master}{exchange['path']}"
            body, headers = None, {}
            if folder.endswith("api-v1"):
                kind = title.split("-")[1] if title.startswith("write-") else title.rpartition("-")[2]
                body = json.dumps({"type": kind, **({kind.lower(): fields} if fields else {})})
                headers = JSON
            answer = await self._client.request(exchange["method"], url, content=body, headers=headers)
            self.live.answers[name] = answer

    async def read(self, path: str, *, agent: bool = False) -> Json:
        """What is told at a moment that was not recorded."""
        answer = await self._client.get(f"http://{self.agent if agent else self.master}{path}")
        found: Json = answer.json()
        return found

    async def event(self, framework: RawFramework, kind: str) -> Json:
        """The next event but heartbeats and offers, which are kept; it is of this type. Updates are acknowledged."""
        while (event := await framework.event())["type"] in ("HEARTBEAT", "OFFERS"):
            self._keep(framework, event)
        assert event["type"] == kind, event
        found = differences(event, recorded()["events"]["scheduler"][kind])
        self.unlike += [f"{kind}: {one}" for one in found]
        told = [kind]
        if kind == "UPDATE":
            status = event["update"]["status"]
            told += [status[key] for key in ("state", "source", "reason") if key in status]
            await framework.acknowledge(event)
        elif kind == "ERROR":
            told.append(event["error"]["message"])
        elif kind == "UPDATE_OPERATION_STATUS":
            status = event["update_operation_status"]["status"]
            self.statuses.append(status)
            if "uuid" in status:
                done = await framework.call(
                    "ACKNOWLEDGE_OPERATION_STATUS",
                    operation_id=status["operation_id"],
                    uuid=status["uuid"]["value"],
                    agent_id=status["agent_id"],
                )
                assert done == (202, "")
        self.told.append(told)
        return event

    async def offer(self, framework: RawFramework, cpus: float = 1.0) -> Json:
        """An offer of so many cpus at least; what comes in parts is declined, to come in one."""
        kept = self._offers.setdefault(framework, [])
        while not any(round(cpus_of(one), 3) >= cpus for one in kept):
            if round(sum(map(cpus_of, kept)), 3) >= cpus:
                ids = [one["id"] for one in kept]
                assert await framework.call("DECLINE", offer_ids=ids, filters=NOW) == (202, "")
                kept.clear()
            event = await framework.event()
            assert event["type"] in ("HEARTBEAT", "OFFERS"), event
            self._keep(framework, event)
        found = max(kept, key=cpus_of)
        kept.remove(found)
        return found

    def _keep(self, framework: RawFramework, event: Json) -> None:
        if event["type"] == "OFFERS":
            found = differences(event, recorded()["events"]["scheduler"]["OFFERS"])
            self.unlike += [f"OFFERS: {one}" for one in found]
            self._offers.setdefault(framework, []).extend(event["offers"]["offers"])

    async def accept(
        self, framework: RawFramework, *operations: tuple[str, Json], name: str = "", filters: Json = NOW
    ) -> Json:
        """Take an offer of the whole agent for operations; ``name`` asks to be told of the (only) one."""
        offer = await self.offer(framework, WHOLE)
        named = {"id": {"value": name}} if name else {}
        made = [{"type": kind, **named, kind.lower(): fields} for kind, fields in operations]
        assert await framework.call("ACCEPT", offer_ids=[offer["id"]], operations=made, filters=filters) == (202, "")
        return offer

    async def run(self, framework: RawFramework, task: Json, *states: str, filters: Json = NOW) -> Json:
        """Launch a task and be told of its states; the last status."""
        offer = await self.offer(framework)
        task = {**task, "agent_id": offer["agent_id"]}
        operation = {"type": "LAUNCH", "launch": {"task_infos": [task]}}
        done = await framework.call("ACCEPT", offer_ids=[offer["id"]], operations=[operation], filters=filters)
        assert done == (202, "")
        status: Json = {}
        for state in states:
            status = (await self.event(framework, "UPDATE"))["update"]["status"]
            assert status["state"] == f"TASK_{state}", status
        return status


def cpus_of(offer: Json) -> float:
    return sum(float(one["scalar"]["value"]) for one in offer["resources"] if one["name"] == "cpus")


def reserved(name: str, value: float, role: str, principal: str) -> Json:
    return {**scalar(name, value), "reservations": [{"type": "DYNAMIC", "role": role, "principal": principal}]}


def volume(value: float, role: str, principal: str) -> Json:
    persistence = {"id": "v1", "principal": principal}
    disk = {"persistence": persistence, "volume": {"mode": "RW", "container_path": "data"}}
    return {**reserved("disk", value, role, principal), "disk": disk}
