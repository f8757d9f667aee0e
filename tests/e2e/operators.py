"""What operators ask of masters and agents."""

from __future__ import annotations

import json
import os
from typing import Any

import httpx

from mesos_service.http.client import Connection
from tests.e2e.raw import Json
from tests.e2e.restarting import Restartable

JSON = {"Content-Type": "application/json", "Accept": "application/json"}
INFO = {
    "user": "root",
    "name": "f",
    "roles": ["a"],
    "checkpoint": True,
    "capabilities": [{"type": "MULTI_ROLE"}, {"type": "TASK_KILLING_STATE"}],
}


class Operator:
    """One who asks an agent over its API."""

    def __init__(self, agent: Restartable, client: httpx.AsyncClient) -> None:
        self._url = f"http://127.0.0.1:{agent.flags['port']}"
        self._client = client

    async def call(self, kind: str, expect: int = 200, **fields: object) -> Any:  # Any: JSON
        answer = await self._client.post(f"{self._url}/api/v1", json={"type": kind, kind.lower(): fields}, timeout=30)
        assert answer.status_code == expect, answer.text
        return answer.json() if answer.text.startswith("{") else answer.text

    async def launch(self, name: str, line: str, expect: int = 200, **more: object) -> Any:  # Any: JSON
        return await self.call(
            "LAUNCH_CONTAINER", expect, container_id={"value": name}, command={"value": line}, **more
        )  # fmt: skip

    async def wait(self, name: str) -> int | None:
        told = await self.call("WAIT_CONTAINER", container_id={"value": name})
        status = told["wait_container"].get("exit_status")
        return None if status is None else os.waitstatus_to_exitcode(status)

    async def shown(self, **which: bool) -> list[dict[str, Any]]:
        told = await self.call("GET_CONTAINERS", **which)
        return list(told.get("get_containers", {}).get("containers", []))

    async def offered(self) -> object:
        answer = await self._client.get(f"{self._url}/state")
        return answer.json()["resources"]["cpus"]


async def ask(master: str, call: Json) -> tuple[int, Any]:  # Any: JSON documents
    host, _, port = master.rpartition(":")
    connection = await Connection.open(host, int(port))
    try:
        answer = await connection.request("POST", "/api/v1", json.dumps(call).encode(), JSON)
        return answer.status, json.loads(answer.body) if answer.body[:1] == b"{" else answer.body.decode()
    finally:
        connection.close()


async def agents(master: str) -> list[Json]:
    found: list[Json] = (await ask(master, {"type": "GET_AGENTS"}))[1]["get_agents"]["agents"]
    return found
