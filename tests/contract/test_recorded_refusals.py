"""Every recorded exchange of ``errors/`` that is no read, made again: same status, same headers, same words (X18a).

The recordings' requests are spelled out here; what was answered is in ``shapes.json``. The last test holds that nothing
recorded is left out.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
import uvloop

from mesos_service.http.client import Connection, Response
from mesos_service.local import LocalCluster
from tests.contract.live import REFUSED
from tests.contract.shapes import recorded
from tests.e2e.raw import PATH, RawFramework, until

Json = dict[str, Any]
JSON: Final = {"Content-Type": "application/json", "Accept": "application/json"}
OWN: Final = "its own"
"""Stands for the stream id that the framework was given, and for its own id."""
STRANGER: Final = "6b1f4f5e-0c4a-4c39-9f0c-3a1a3c1f4b5e"
"""Nobody's stream."""


@dataclass(frozen=True)
class Recorded:
    """A request; ``framework`` says how the framework fares that makes it, where one does."""

    body: str | Json = ""
    headers: dict[str, str] = field(default_factory=lambda: JSON)
    framework: str = ""


def call(kind: str, framework: str = "subscribed", stream_id: str | None = OWN, **fields: object) -> Recorded:
    headers = JSON if stream_id is None else JSON | {"Mesos-Stream-Id": stream_id}
    body: Json = {"type": kind, "framework_id": {"value": OWN}, **({kind.lower(): fields} if fields else {})}
    return Recorded(body, headers, framework)


def renewed(**changed: object) -> Recorded:
    info = {"user": "root", "name": "e", "id": {"value": OWN}, "roles": ["e"], "capabilities": [{"type": "MULTI_ROLE"}]}
    return call("UPDATE_FRAMEWORK", framework_info=info | changed)


def subscribe(framework_id: str | None = None, suppressed_roles: list[str] | None = None, **info: object) -> Json:
    inner: Json = {"framework_info": {"user": "root", "name": "e"} | info}
    if suppressed_roles is not None:
        inner["suppressed_roles"] = suppressed_roles
    named = {} if framework_id is None else {"framework_id": {"value": framework_id}}
    return {"type": "SUBSCRIBE", "subscribe": inner, **named}


def acknowledgement(uuid: str) -> Recorded:
    return call("ACKNOWLEDGE", agent_id={"value": "S0"}, task_id={"value": "t"}, uuid=uuid)


NO_BODY: Final = (
    "ACCEPT",
    "ACCEPT_INVERSE_OFFERS",
    "ACKNOWLEDGE_OPERATION_STATUS",
    "DECLINE",
    "KILL",
    "RECONCILE",
    "RECONCILE_OPERATIONS",
    "REQUEST",
    "UPDATE_FRAMEWORK",
)
HEALTH: Final = {"type": "GET_HEALTH"}
UNKNOWN_CONTAINER: Final = {"container_id": {"value": "nope"}}
REVIVE_OF_NOBODY: Final = {"type": "REVIVE", "framework_id": {"value": "nope"}}

REQUESTS: Final[dict[str, Recorded]] = {
    "agent-api-v1-accept-protobuf": Recorded(HEALTH, JSON | {"Accept": "application/x-protobuf"}),
    "agent-executor-get": Recorded(headers={}),
    "agent-executor-no-ids": Recorded({"type": "UPDATE"}),
    "agent-executor-subscribe-unknown": Recorded(
        {"type": "SUBSCRIBE", "executor_id": {"value": "x"}, "framework_id": {"value": "y"}, "subscribe": {}}
    ),
    "agent-executor-wrong-content-type": Recorded({}, {"Content-Type": "text/plain"}),
    "agent-kill-container-unknown": Recorded({"type": "KILL_CONTAINER", "kill_container": UNKNOWN_CONTAINER}),
    "agent-wait-container-unknown": Recorded({"type": "WAIT_CONTAINER", "wait_container": UNKNOWN_CONTAINER}),
    "call-accept-empty": Recorded(
        {"type": "ACCEPT", "accept": {}, "framework_id": {"value": OWN}}, JSON | {"Mesos-Stream-Id": OWN}, "subscribed"
    ),
    "call-accept-text-plain": Recorded(
        call("REVIVE").body, JSON | {"Accept": "text/plain", "Mesos-Stream-Id": OWN}, "subscribed"
    ),
    "call-ack-not-base64": acknowledgement("%%%"),
    "call-ack-unknown-task": acknowledgement("AAAAAAAAAAAAAAAAAAAAAA=="),
    "call-after-disconnect-and-zero-failover-timeout": call("REVIVE", "removed"),
    "call-decline-empty": call("DECLINE", offer_ids=[]),
    "call-malformed-stream-id": call("REVIVE", stream_id="xyz"),
    "call-missing-stream-id": call("REVIVE", stream_id=None),
    "call-no-accept-header": Recorded(
        call("REVIVE").body, {"Content-Type": "application/json", "Mesos-Stream-Id": OWN}, "subscribed"
    ),
    **{f"call-no-body-{kind}": call(kind) for kind in NO_BODY},
    "call-request": call("REQUEST", requests=[]),
    "call-revive-bad-role": call("REVIVE", roles=["a b"]),
    "call-revive-ok": call("REVIVE"),
    "call-revive-unknown-role": call("REVIVE", roles=["zz"]),
    "call-subscribe-again-on-open-stream-with-stream-id": Recorded(
        subscribe(OWN, id={"value": OWN}), JSON | {"Mesos-Stream-Id": OWN}, "subscribed"
    ),
    "call-suppress-ok": call("SUPPRESS"),
    "call-suppress-unknown-role": call("SUPPRESS", roles=["zz"]),
    "call-update-framework-bad-id": renewed(id={"value": "zzz"}),
    "call-update-framework-change-checkpoint": renewed(checkpoint=True),
    "call-update-framework-change-user": renewed(user="other"),
    "call-while-disconnected": call("REVIVE", "disconnected"),
    "call-wrong-stream-id": call("REVIVE", stream_id=STRANGER),
    "master-api-v1-accept-protobuf": Recorded(HEALTH, JSON | {"Accept": "application/x-protobuf"}),
    "master-delete-state": Recorded(headers={}),
    "operator-teardown-of-disconnected": Recorded(
        f"frameworkId={OWN}", {"Content-Type": "application/x-www-form-urlencoded"}, "disconnected"
    ),
    "scheduler-accept-html": Recorded(subscribe(), JSON | {"Accept": "text/html"}),
    "scheduler-accept-no-body-unknown-framework": Recorded({"type": "ACCEPT", "framework_id": {"value": "nope"}}),
    "scheduler-call-no-framework-id": Recorded({"type": "REVIVE"}),
    "scheduler-call-unknown-framework": Recorded(REVIVE_OF_NOBODY, JSON | {"Mesos-Stream-Id": "x"}),
    "scheduler-call-unknown-framework-no-stream-id": Recorded(REVIVE_OF_NOBODY),
    "scheduler-empty-body": Recorded(),
    "scheduler-empty-object": Recorded({}),
    "scheduler-get": Recorded(headers={}),
    "scheduler-malformed-json": Recorded('{"type":'),
    "scheduler-no-content-type": Recorded(subscribe(), {}),
    "scheduler-subscribe-id-mismatch": Recorded(subscribe("b", id={"value": "a"})),
    "scheduler-subscribe-id-only-in-call": Recorded(subscribe("b")),
    "scheduler-subscribe-with-stream-id": Recorded(subscribe(), JSON | {"Mesos-Stream-Id": "x"}),
    "scheduler-type-UNKNOWN": Recorded({"type": "UNKNOWN"}),
    "scheduler-unknown-type": Recorded({"type": "NOPE"}),
}
MULTI_ROLE: Final = [{"type": "MULTI_ROLE"}]
SUBSCRIPTIONS: Final[dict[str, Json]] = {
    "bad-framework-id": subscribe("a/b", id={"value": "a/b"}),
    "duplicate-roles": subscribe(roles=["a", "a"], capabilities=MULTI_ROLE),
    "empty-user": subscribe(user=""),
    "huge-failover-timeout": subscribe(failover_timeout=1e300),
    "negative-failover-timeout": subscribe(failover_timeout=-1.0),
    "old-role-default": subscribe(),
    "role-and-roles": subscribe(role="a", roles=["b"], capabilities=MULTI_ROLE),
    "role-leading-slash": subscribe(roles=["/a"], capabilities=MULTI_ROLE),
    "role-star-dotdot": subscribe(roles=[".."], capabilities=MULTI_ROLE),
    "role-with-MULTI_ROLE": subscribe(role="a", capabilities=MULTI_ROLE),
    "role-with-space": subscribe(roles=["a b"], capabilities=MULTI_ROLE),
    "roles-without-MULTI_ROLE": subscribe(roles=["a"]),
    "suppressed-not-in-roles": subscribe(suppressed_roles=["zz"], roles=["a"], capabilities=MULTI_ROLE),
    "unknown-capability": subscribe(capabilities=[{"type": "NOT_A_CAPABILITY"}]),
    "unknown-field": subscribe(nope=1),
    "unknown-framework-id": subscribe("never-seen", id={"value": "never-seen"}),
}


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as one:
        yield one


@pytest.fixture(scope="module")
def cluster(runner: asyncio.Runner) -> Iterator[LocalCluster]:
    one = LocalCluster(agents=1)
    runner.run(one.__aenter__())
    yield one
    runner.run(one.__aexit__(None, None, None))


async def ask(address: str, method: str, path: str, body: bytes, headers: dict[str, str]) -> Response:
    host, _, port = address.rpartition(":")
    connection = await Connection.open(host, int(port))
    try:
        return await connection.request(method, path, body, headers)
    finally:
        connection.close()


async def framework_that_is(how: str, master: str) -> RawFramework:
    """``subscribed``, ``disconnected`` or, as it does not wait for its scheduler, ``removed``."""
    timeout = 0.0 if how == "removed" else 60.0
    info = {"user": "root", "name": "e", "roles": ["e"], "capabilities": MULTI_ROLE, "failover_timeout": timeout}
    framework = await RawFramework.subscribe(master, info)
    await framework.event("SUBSCRIBED")
    if how != "subscribed":
        framework.stream.close()
        kind = "completed_frameworks" if how == "removed" else "frameworks"

        async def has_come_about() -> bool:
            answer = await ask(master, "GET", "/frameworks", b"", {})
            found = {one["id"]: one["connected"] for one in json.loads(answer.body)[kind]}
            return found.get(framework.framework_id) is False

        await until(has_come_about)
    return framework


@pytest.mark.parametrize("name", REQUESTS)
def test_x18a_it_is_answered_as_recorded(runner: asyncio.Runner, cluster: LocalCluster, name: str) -> None:
    request, wanted = REQUESTS[name], recorded()["exchanges"][f"errors/{name}"]

    async def run() -> tuple[Response, str]:
        headers, own = dict(request.headers), "nobody's"
        body = request.body if isinstance(request.body, str) else json.dumps(request.body)
        framework = None
        if request.framework:
            framework = await framework_that_is(request.framework, cluster.master)
            own = framework.framework_id
            body = body.replace(OWN, own)
            if headers.get("Mesos-Stream-Id") == OWN:
                headers["Mesos-Stream-Id"] = framework.head.headers["mesos-stream-id"]
        address = cluster.agents[0] if name.startswith("agent-") else cluster.master
        answer = await ask(address, wanted["method"], wanted["path"], body.encode(), headers)
        if framework is not None:
            framework.close()
        return answer, own

    answer, own = runner.run(asyncio.wait_for(run(), 60))
    assert answer.status == wanted["status"], answer.body
    # How much there is to say of the state is another matter, and so is whether it is worth compressing.
    told = {header.lower() for header in wanted["headers"]}
    assert set(answer.headers) - {"transfer-encoding"} == told - {"transfer-encoding"}
    assert answer.headers.get("content-type") == wanted.get("content_type")
    if "text" in wanted and wanted["status"] != 200:
        assert answer.body.decode().replace(own, "<id>").replace(STRANGER, "<id>") == wanted["text"]


@pytest.mark.parametrize("name", SUBSCRIPTIONS)
def test_m_sc_01_a_subscription_begins_as_recorded(runner: asyncio.Runner, cluster: LocalCluster, name: str) -> None:
    wanted = recorded()["streams"][f"errors/subscribe-{name}"]

    async def run() -> tuple[Response, list[list[str]]]:
        host, _, port = cluster.master.rpartition(":")
        connection = await Connection.open(host, int(port))
        head, chunks = await connection.stream("POST", PATH, json.dumps(SUBSCRIPTIONS[name]).encode(), JSON)
        events: list[list[str]] = []
        async for chunk in chunks:
            _, _, record = chunk.partition(b"\n")
            event = json.loads(record)
            events.append([event["type"], *([event["error"]["message"]] if event["type"] == "ERROR" else [])])
            if len(events) == len(wanted["events"]) and event["type"] != "ERROR":
                break
        connection.close()
        return head, events

    head, events = runner.run(asyncio.wait_for(run(), 60))
    assert head.status == wanted["status"]
    assert set(head.headers) == {header.lower() for header in wanted["headers"]}
    assert events[0] == wanted["events"][0]
    # Offers may come before the first heartbeat, and may not (both were recorded).
    assert sorted(events) == sorted(wanted["events"])


def test_nothing_that_was_recorded_is_left_out() -> None:
    exchanges = {name.removeprefix("errors/") for name in recorded()["exchanges"] if name.startswith("errors/")}
    calls = {f"{service}-api-v1-{name}" for service in ("master", "agent") for name in REFUSED}
    assert exchanges - calls == set(REQUESTS)
    streams = {name for name in recorded()["streams"] if name.startswith("errors/")}
    assert streams == {f"errors/subscribe-{name}" for name in SUBSCRIPTIONS}
