"""Operators' operations between HTTP and the core (M-OM-09, M-LE-02)."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast
from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from mesos_service.core.effects import Reply
from mesos_service.core.messages import MasterMessage
from mesos_service.core.resource_messages import OperatorOperation
from mesos_service.domain.operations import parts
from mesos_service.http.asgi import PRINCIPAL
from mesos_service.master.routes.operator import MasterOperatorCalls
from mesos_service.master.routes.reads import MasterReads, give_reads
from mesos_service.master.routes.resource_calls import router

RESERVED = {
    "name": "cpus",
    "type": "SCALAR",
    "scalar": {"value": 1},
    "reservations": [{"type": "DYNAMIC", "role": "ops"}],
}


class Core:
    """A master of which nothing but the driver is there; takes any message."""

    def __init__(self) -> None:
        self.driver = self
        self.taken: list[MasterMessage] = []

    def new_request(self) -> int:
        return 1

    def call(self, request: int, message: MasterMessage) -> Reply:
        self.taken.append(message)
        return Reply(request, 202)

    def operation(self) -> OperatorOperation:
        [message] = self.taken
        assert isinstance(message, OperatorOperation)
        return message


class AsOps:
    """In front of an application: whoever asks has proved to be ``ops``."""

    def __init__(self, application: Any) -> None:  # Any: an ASGI application of either library
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._application({**scope, PRINCIPAL: "ops"}, receive, send)


def post(application: Any, path: str, **request: Any) -> httpx.Response:  # Any: as httpx takes them
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(AsOps(application))
        async with httpx.AsyncClient(transport=transport, base_url="http://master") as client:
            return await client.post(path, **request)

    return asyncio.run(ask())


def test_m_om_09_the_core_learns_who_asks_and_202_is_all_that_is_said() -> None:
    core = Core()
    body = {"agent_id": {"value": "S0"}, "resources": [RESERVED]}
    headers = {"Content-Type": "application/json", "Accept": "*/*"}
    document = json.dumps({"type": "RESERVE_RESOURCES", "reserve_resources": body})
    answer = post(MasterOperatorCalls(cast("MasterReads", core)), "/api/v1", content=document, headers=headers)
    assert (answer.status_code, answer.content, answer.headers.get("content-type")) == (202, b"", None)
    assert (core.operation().principal, core.operation().agent_id) == ("ops", "S0")


def test_m_le_02_the_old_paths_tell_as_much() -> None:
    core = Core()
    application = FastAPI()
    give_reads(application, cast("MasterReads", core))
    application.include_router(router)
    answer = post(application, "/reserve", data={"slaveId": "S0", "resources": json.dumps([RESERVED])})
    assert (answer.status_code, core.operation().principal) == (202, "ops")


@pytest.mark.parametrize(
    "resources", ["", "{}", "[", '[{"name": 1}]', "[[[]]]", "[" * 5000, "null", '[{"name":"cpus","type":"SCALAR"}]']
)
def test_m_le_02_what_is_no_list_of_resources_is_refused(resources: str) -> None:
    core = Core()
    application = FastAPI()
    give_reads(application, cast("MasterReads", core))
    application.include_router(router)
    form = f"slaveId=S0&resources={quote(resources)}"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = post(application, "/reserve", content=form, headers=headers)
    if answer.status_code == 202:
        # It reads as a resource that makes no sense, or as none at all: the core refuses both.
        assert core.operation().refusal is not None or not list(parts(core.operation().operation))
    else:
        assert answer.status_code == 400
        assert core.taken == []
