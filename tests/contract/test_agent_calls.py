"""What an agent's API says to calls that are put wrongly, call by call, as Mesos' agent says it (M-OA-01..04).

Where there is no recording, what is expected is what Mesos' sources answer: ``Http::api`` and ``Http::_api`` of
``slave/http.cpp`` for headers, ``slave/validation.cpp`` for calls, ``files/files.cpp`` for files.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final
from urllib.parse import urlencode

import pytest

from mesos_service.http.client import Connection, Response
from mesos_service.wire.recordio import record
from tests.contract.live import WithOneTask as Cluster

Json = dict[str, Any]
JSON: Final = "application/json"
PROTOBUF: Final = "application/x-protobuf"
RECORDS: Final = "application/recordio"
SENT: Final = {"Content-Type": JSON}
HEALTH: Final = b'{"type":"GET_HEALTH"}'
ACCEPT: Final = f"Expecting 'Accept' to allow {JSON} or {PROTOBUF} or {RECORDS}"
INVALID: Final = "Failed to validate agent::Call: "
TRUE: Final = {"value": "true"}


def ask(
    runner: asyncio.Runner, address: str, path: str, body: bytes = b"", method: str = "POST", **headers: str
) -> Response:
    async def asked() -> Response:
        host, _, port = address.rpartition(":")
        async with asyncio.timeout(60):
            connection = await Connection.open(host, int(port))
            try:
                spelled = {name.replace("_", "-"): value for name, value in headers.items()}
                return await connection.request(method, path, body, spelled)
            finally:
                connection.close()

    return runner.run(asked())


def call(kind: str, **fields: object) -> Json:
    return {"type": kind, kind.lower(): fields}


def name(value: str, *around: str) -> Json:
    """Of a container, and of those around it, the innermost first."""
    found: Json = {"value": value}
    if around:
        found["parent"] = name(*around)
    return found


# -- headers -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("headers", "status", "text"),
    [
        (
            {"Message-Content-Type": JSON},
            415,
            "Expecting 'Message-Content-Type' to be not set for non-streaming requests",
        ),
        ({"Content-Type": RECORDS}, 400, "Expecting 'Message-Content-Type' to be set for streaming requests"),
        (
            {"Content-Type": RECORDS, "Message-Content-Type": "text/plain"},
            415,
            f"Expecting 'Message-Content-Type' of {JSON} or {PROTOBUF}",
        ),
        ({"Accept": "text/html"}, 406, ACCEPT),
        ({"Accept": ""}, 406, ACCEPT),
        ({"Accept": "application/json;q=0"}, 406, ACCEPT),
        ({"Accept": "application/jsonl"}, 406, ACCEPT),
        ({"Accept": RECORDS}, 406, "Streaming response is not supported for GET_HEALTH call"),
        (
            {"Accept": RECORDS, "Message-Accept": "text/html"},
            406,
            f"Expecting 'Message-Accept' to allow {JSON} or {PROTOBUF}",
        ),
        ({"Message-Accept": JSON}, 406, "Expecting 'Message-Accept' to be not set for non-streaming responses"),
        (
            {"Accept": f"{JSON}, {RECORDS}", "Message-Accept": JSON},
            406,
            "Expecting 'Message-Accept' to be not set for non-streaming responses",
        ),
        ({"Accept": f"{RECORDS}, {JSON}"}, 200, ""),
        ({"Accept": f"{RECORDS}, {PROTOBUF};q=0.1"}, 200, ""),
        ({"Accept": "application/*"}, 200, ""),
        ({"Content-Type": "application/JSON"}, 415, f"Expecting 'Content-Type' of {JSON} or {PROTOBUF} or {RECORDS}"),
    ],
)
def test_m_oa_01_headers_say_what_the_call_and_its_answer_are(
    runner: asyncio.Runner, cluster: Cluster, headers: dict[str, str], status: int, text: str
) -> None:
    found = ask(runner, cluster.agent, "/api/v1", HEALTH, **(SENT | headers))
    assert (found.status, found.body.decode() if status != 200 else "") == (status, text)
    if status != 200:
        assert found.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("kind", ["PRUNE_IMAGES", "SET_LOGGING_LEVEL", "KILL_CONTAINER", "WAIT_CONTAINER"])
def test_m_oa_01_an_answer_has_to_be_acceptable_also_where_it_says_nothing(
    runner: asyncio.Runner, cluster: Cluster, kind: str
) -> None:
    fields: Json = {
        "SET_LOGGING_LEVEL": {"level": 0, "duration": {"nanoseconds": 1}},
        "KILL_CONTAINER": {"container_id": name("x")},
        "WAIT_CONTAINER": {"container_id": name("x")},
    }
    body = json.dumps(call(kind, **fields.get(kind, {}))).encode()
    assert ask(runner, cluster.agent, "/api/v1", body, **SENT, Accept="text/html").status == 406
    refused = ask(runner, cluster.agent, "/api/v1", body, **SENT, Accept=RECORDS)
    assert (refused.status, refused.body.decode()) == (406, f"Streaming response is not supported for {kind} call")


def test_m_om_01_a_master_does_nothing_for_whom_it_cannot_answer(runner: asyncio.Runner, cluster: Cluster) -> None:
    """Mesos looks at ``Accept`` first, whatever the call."""
    sent = json.dumps(call("TEARDOWN", framework_id={"value": cluster.framework_id})).encode()
    found = ask(runner, cluster.master, "/api/v1", sent, **SENT, Accept="text/html")
    assert (found.status, found.body) == (
        406,
        b"Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'",
    )
    told = json.loads(ask(runner, cluster.master, "/frameworks", method="GET").body)
    assert [one["id"] for one in told["frameworks"]] == [cluster.framework_id]


def test_m_sc_01_a_stream_has_to_be_acceptable_before_it_is_asked_whose_it_is(
    runner: asyncio.Runner, cluster: Cluster
) -> None:
    body = json.dumps({"type": "SUBSCRIBE", "subscribe": {"framework_info": {"user": "root", "name": "x"}}}).encode()
    headers = SENT | {"Accept": "text/html", "Mesos-Stream-Id": "x"}
    assert ask(runner, cluster.master, "/api/v1/scheduler", body, **headers).status == 406
    sent: Json = {"type": "RECONCILE_OPERATIONS", "framework_id": {"value": "nope"}, "reconcile_operations": {}}
    for accept, status in (("text/html", 406), ("*/*", 400)):
        body = json.dumps(sent).encode()
        assert ask(runner, cluster.master, "/api/v1/scheduler", body, **SENT, Accept=accept).status == status


# -- calls ---------------------------------------------------------------------------------------------------
NEEDED: Final = (
    "GET_METRICS",
    "SET_LOGGING_LEVEL",
    "LIST_FILES",
    "READ_FILE",
    "LAUNCH_NESTED_CONTAINER",
    "WAIT_NESTED_CONTAINER",
    "KILL_NESTED_CONTAINER",
    "REMOVE_NESTED_CONTAINER",
    "LAUNCH_NESTED_CONTAINER_SESSION",
    "ATTACH_CONTAINER_INPUT",
    "ATTACH_CONTAINER_OUTPUT",
    "LAUNCH_CONTAINER",
    "WAIT_CONTAINER",
    "KILL_CONTAINER",
    "REMOVE_CONTAINER",
)
NOT_NEEDED: Final = {
    "GET_HEALTH": 1,
    "GET_FLAGS": 2,
    "GET_VERSION": 3,
    "GET_LOGGING_LEVEL": 5,
    "GET_STATE": 9,
    "GET_CONTAINERS": 10,
    "GET_FRAMEWORKS": 11,
    "GET_EXECUTORS": 12,
    "GET_OPERATIONS": 31,
    "GET_TASKS": 13,
    "GET_AGENT": 20,
    "GET_RESOURCE_PROVIDERS": 26,
    "PRUNE_IMAGES": 30,
}
"""And their numbers in agent.proto."""


@pytest.mark.parametrize("kind", NEEDED)
def test_m_oa_01_a_call_without_what_it_is_about(runner: asyncio.Runner, cluster: Cluster, kind: str) -> None:
    found = ask(runner, cluster.agent, "/api/v1", json.dumps({"type": kind}).encode(), **SENT)
    assert (found.status, found.body.decode()) == (400, f"{INVALID}Expecting '{kind.lower()}' to be present")


@pytest.mark.parametrize("kind", NOT_NEEDED)
def test_m_oa_01_a_call_that_needs_nothing(runner: asyncio.Runner, cluster: Cluster, kind: str) -> None:
    """In JSON, with a field of the future in it, and in protobuf with an answer in protobuf."""
    body = json.dumps({"type": kind, "newer": {"a": [1]}}).encode()
    found = ask(runner, cluster.agent, "/api/v1", body, **SENT)
    assert found.status == 200
    sent = bytes([0x08, NOT_NEEDED[kind]]) + b"\xfa\x07\x03abc"
    binary = ask(runner, cluster.agent, "/api/v1", sent, Content_Type=PROTOBUF, Accept=PROTOBUF)
    assert binary.status == 200
    if kind == "PRUNE_IMAGES":
        assert (found.body, binary.body) == (b"", b"")
    else:
        assert json.loads(found.body)["type"] == kind
        assert binary.headers["content-type"] == PROTOBUF
        assert binary.body[:1] == b"\x08"


LONG: Final = "x" * 243
SHARED: Final = {"type": "MESOS", "linux_info": {"share_cgroups": False}}
DEEP: Final = "containers nested at the second level or greater cannot"


def runs(*around: str, **fields: object) -> Json:
    return {"container_id": name("c", *around), "command": TRUE} | fields


@pytest.mark.parametrize(
    ("kind", "fields", "text"),
    [
        (
            "WAIT_CONTAINER",
            {"container_id": name("")},
            "'wait_container.container_id' is invalid: ID must not be empty",
        ),
        (
            "KILL_CONTAINER",
            {"container_id": name("a b")},
            "'kill_container.container_id' is invalid: 'ContainerID.value' 'a b' contains invalid characters",
        ),
        (
            "REMOVE_CONTAINER",
            {"container_id": name("a.b")},
            "'remove_container.container_id' is invalid: 'ContainerID.value' 'a.b' contains invalid characters",
        ),
        (
            "WAIT_CONTAINER",
            {"container_id": name("a/b")},
            "'wait_container.container_id' is invalid: 'a/b' contains invalid characters",
        ),
        (
            "WAIT_CONTAINER",
            {"container_id": name("..")},
            "'wait_container.container_id' is invalid: '..' is disallowed",
        ),
        (
            "ATTACH_CONTAINER_OUTPUT",
            {"container_id": name(LONG)},
            f"'attach_container_output.container_id' is invalid: 'ContainerID.value' '{LONG}' exceeds the maximum"
            " length (242)",
        ),
        (
            "WAIT_CONTAINER",
            {"container_id": name("a", "b", ".")},
            "'wait_container.container_id' is invalid: 'ContainerID.parent' is invalid: 'ContainerID.parent' is"
            " invalid: '.' is disallowed",
        ),
        *(
            (kind, {"container_id": name("a")}, f"Expecting '{kind.lower()}.container_id.parent' to be present")
            for kind in NEEDED
            if "NESTED" in kind
        ),
        (
            "LAUNCH_NESTED_CONTAINER",
            runs("p", command=TRUE | {"environment": {"variables": [{"name": "A"}]}}),
            "'launch_nested_container.command' is invalid: Environment variable 'A' of type 'VALUE' must have a"
            " value set",
        ),
        (
            "LAUNCH_NESTED_CONTAINER_SESSION",
            runs("p", command=TRUE | {"environment": {"variables": [{"name": "A", "type": "SECRET"}]}}),
            "'launch_nested_container_session.command' is invalid: Environment variable 'A' of type 'SECRET'"
            " must have a secret set",
        ),
        (
            "LAUNCH_CONTAINER",
            runs(command=TRUE | {"environment": {"variables": [{"name": "A", "type": "UNKNOWN", "value": "x"}]}}),
            "'launch_container.command' is invalid: Environment variable of type 'UNKNOWN' is not allowed",
        ),
        (
            "LAUNCH_CONTAINER",
            runs(container={"type": "MESOS", "volumes": [{"mode": "RW", "container_path": "x"}]}),
            "'launch_container.container' is invalid: Invalid volume: Only one of them should be set: 'host_path',"
            " 'image' and 'source'",
        ),
        (
            "LAUNCH_NESTED_CONTAINER",
            runs("p", container={"type": "MESOS", "volumes": [{"mode": "RW", "container_path": "x", "source": {}}]}),
            "'launch_nested_container.container' is invalid: Invalid volume: 'source.type' is unknown",
        ),
        (
            "LAUNCH_NESTED_CONTAINER",
            runs("p", container={"type": "DOCKER"}),
            "'launch_nested_container.container' is invalid: DockerInfo 'docker' is not set for DOCKER typed"
            " ContainerInfo",
        ),
        (
            "LAUNCH_NESTED_CONTAINER",
            runs("p", "q", container=SHARED),
            f"'launch_nested_container' is invalid: {DEEP} set 'share_cgroups' to 'false'",
        ),
        (
            "LAUNCH_NESTED_CONTAINER_SESSION",
            runs("p", container=SHARED),
            "'launch_nested_container_session.container.linux_info' is invalid: 'share_cgroups' cannot be set to"
            " 'false' for nested container sessions",
        ),
        (
            "LAUNCH_CONTAINER",
            runs("p", "q", resources=[{"name": "cpus", "type": "SCALAR", "scalar": {"value": 1}}]),
            f"'launch_container' is invalid: {DEEP} specify resources",
        ),
        (
            "LAUNCH_CONTAINER",
            runs("p", "q", limits={"cpus": {"value": 1}}),
            f"'launch_container' is invalid: {DEEP} specify resource limits",
        ),
        (
            "LAUNCH_CONTAINER",
            runs(resources=[{"name": "cpus", "type": "SCALAR", "scalar": {"value": 1}, "role": "r"}]),
            "'launch_container.resources' must be unreserved",
        ),
        (
            "LAUNCH_CONTAINER",
            runs(resources=[{"name": "cpus", "type": "SCALAR", "scalar": {"value": 1}, "revocable": {}}]),
            "'launch_container.resources' must be non-revocable",
        ),
    ],
)
def test_m_oa_03_what_is_wrong_with_a_call_is_said_in_mesos_words(
    runner: asyncio.Runner, cluster: Cluster, kind: str, fields: Json, text: str
) -> None:
    found = ask(runner, cluster.agent, "/api/v1", json.dumps(call(kind, **fields)).encode(), **SENT)
    assert (found.status, found.body.decode()) == (400, INVALID + text)


@pytest.mark.parametrize(
    ("kind", "fields", "status", "text"),
    [
        ("WAIT_NESTED_CONTAINER", {"container_id": name("a", "b", "c")}, 404, "Container c.b.a cannot be found"),
        (
            "KILL_CONTAINER",
            {"container_id": name("a", "b")},
            404,
            "Container 'b.a' cannot be found (or is already killed)",
        ),
        ("LAUNCH_NESTED_CONTAINER", runs("b", "c"), 400, "Parent container c.b does not exist"),
        ("LAUNCH_NESTED_CONTAINER_SESSION", runs("b"), 400, "Parent container b does not exist"),
        ("ATTACH_CONTAINER_OUTPUT", {"container_id": name("a", "b")}, 404, "Container b.a cannot be found"),
        (
            "ATTACH_CONTAINER_INPUT",
            {"type": "CONTAINER_ID", "container_id": name("a")},
            415,
            "Expecting 'Content-Type' to be application/recordio for ATTACH_CONTAINER_INPUT call",
        ),
        ("READ_FILE", {"path": "/nope", "offset": 2**64 - 1}, 404, ""),
    ],
)
def test_m_oa_03_who_is_not_there_is_named_with_those_around_him(
    runner: asyncio.Runner, cluster: Cluster, kind: str, fields: Json, status: int, text: str
) -> None:
    found = ask(runner, cluster.agent, "/api/v1", json.dumps(call(kind, **fields)).encode(), **SENT)
    assert (found.status, found.body.decode()) == (status, text)


def test_m_oa_01_bytes_that_are_no_protobuf(runner: asyncio.Runner, cluster: Cluster) -> None:
    """Mesos words it otherwise at agents and at masters."""
    for address, text in (
        (cluster.agent, b"Failed to parse body into a protobuf object"),
        (cluster.master, b"Failed to parse body into Call protobuf"),
    ):
        found = ask(runner, address, "/api/v1", b"\x08", Content_Type=PROTOBUF)
        assert (found.status, found.body) == (400, text)


# -- input ---------------------------------------------------------------------------------------------------
def inputs(*fields: Json) -> bytes:
    return b"".join(record(json.dumps(call("ATTACH_CONTAINER_INPUT", **one)).encode()) for one in fields)


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (b"", 400, "Received EOF while reading request body"),
        (inputs({}), 400, f"{INVALID}Expecting 'attach_container_input.type' to be present"),
        (inputs({"type": "UNKNOWN"}), 400, f"{INVALID}'attach_container_input.type' is unknown"),
        (
            inputs({"type": "CONTAINER_ID"}),
            400,
            f"{INVALID}'attach_container_input.container_id' is invalid: ID must not be empty",
        ),
        (inputs({"type": "PROCESS_IO"}), 400, "Expecting 'attach_container_input.type' to be CONTAINER_ID"),
        (
            inputs({"type": "CONTAINER_ID", "container_id": name("a", "b")}),
            404,
            "Container b.a cannot be found",
        ),
        (
            record(HEALTH),
            415,
            "Streaming 'Content-Type' application/recordio is not supported for GET_HEALTH call",
        ),
        (b"0021\n" + HEALTH, 415, "Streaming 'Content-Type' application/recordio is not supported for GET_HEALTH call"),
        (b"21\r\n" + HEALTH, 400, r"Expecting the length of a record, but received b'21\r'"),
    ],
)
def test_m_oa_04_input_that_does_not_begin_as_it_should(
    runner: asyncio.Runner, cluster: Cluster, body: bytes, status: int, text: str
) -> None:
    headers = {"Content-Type": RECORDS, "Message-Content-Type": JSON}
    found = ask(runner, cluster.agent, "/api/v1", body, **headers)
    assert (found.status, found.body.decode()) == (status, text)
    assert found.headers["connection"] == "close", "who sends without an end is not read any more"


# -- old paths -----------------------------------------------------------------------------------------------
def test_m_le_03_containers_of_one_framework_executor_or_id(runner: asyncio.Runner, cluster: Cluster) -> None:
    def containers(**asked: str) -> list[Json]:
        found = ask(runner, cluster.agent, f"/containers?{urlencode(asked)}", method="GET")
        assert found.status == 200
        return list(json.loads(found.body))

    (one,) = containers()
    mine = {key: one[key] for key in ("framework_id", "executor_id")}
    for asked in ({"container_id": one["container_id"]}, {"framework_id": cluster.framework_id}, mine):
        assert [found["container_id"] for found in containers(**asked)] == [one["container_id"]]
    for asked in ({"container_id": "nope"}, {"framework_id": "nope"}, mine | {"executor_id": "nope"}):
        assert containers(**asked) == []
    for asked in ({"executor_id": "t1"}, mine | {"container_id": one["container_id"]}):
        found = ask(runner, cluster.agent, f"/containers?{urlencode(asked)}", method="GET")
        assert (found.status, found.body.decode()) == (
            400,
            "Supported query parameters are container_id only, framework_id only, or executor_id and framework_id only",
        )


def test_m_oa_02_a_piece_far_behind_the_end_of_a_file(runner: asyncio.Runner, cluster: Cluster) -> None:
    """Offsets have 64 bits, files do not."""
    attached = json.loads(ask(runner, cluster.agent, "/files/debug", method="GET").body)
    path = min(attached, key=len) + "/stdout"
    for offset, length in ((2**64 - 1, 1), (2**63, None), (0, 2**64 - 1)):
        fields = {"path": path, "offset": offset} | ({} if length is None else {"length": length})
        found = ask(runner, cluster.agent, "/api/v1", json.dumps(call("READ_FILE", **fields)).encode(), **SENT)
        assert (found.status, json.loads(found.body)["read_file"]["size"]) == (200, len("hello\n"))


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/files/browse", 400, "Expecting 'path=value' in query.\n"),
        ("/files/browse?path=", 400, "Expecting 'path=value' in query.\n"),
        ("/files/read?path=", 400, "Expecting 'path=value' in query.\n"),
        ("/files/download?path=", 400, "Expecting 'path=value' in query.\n"),
        ("/files/read?path=/nope", 404, ""),
        ("/logging/toggle?level=1", 400, "Expecting 'duration=value' in query.\n"),
        ("/logging/toggle?duration=1secs", 400, "Expecting 'level=value' in query.\n"),
        ("/logging/toggle?level=-1&duration=1secs", 400, "Invalid level '-1'.\n"),
    ],
)
def test_m_le_03_old_paths_that_lack_something(
    runner: asyncio.Runner, cluster: Cluster, path: str, status: int, text: str
) -> None:
    for address in (cluster.agent, cluster.master):
        found = ask(runner, address, path, method="GET")
        assert (found.status, found.body.decode()) == (status, text)
