"""Habits of clients that we did not write, as bytes on a socket, and what monitors and name servers read of a cluster
(M-SC-01, M-OM-01, M-LE-01).

Whose habit it is stands with each: libraries of other languages frame and spell requests in their own ways, and none of
them asks before whether that is understood.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import re
from typing import Any, Final

import httpx
import pytest

from mesos_service.http.asgi import BODY_BYTES_MAX
from tests.contract.live import WithOneTask as Cluster
from tests.contract.sockets import exchanged, post

HEALTH: Final = b'{"type":"GET_HEALTH"}'
PACKED: Final = gzip.compress(HEALTH, mtime=0)
HEALTHY: Final = b'{"type":"GET_HEALTH","get_health":{"healthy":true}}'
H2C: Final = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(post("/api/v1", HEALTH, H2C), id="Java offers HTTP/2 with each request"),
        pytest.param(
            f"POST /api/v1 HTTP/1.1\r\n{H2C}Host: x\r\nContent-Type: application/json\r\n"
            "Transfer-Encoding: chunked\r\n\r\n15\r\n".encode()
            + HEALTH
            + b"\r\n0\r\n\r\n",
            id="Java, of a body whose length it does not know",
        ),
        pytest.param(post("/api/v1/", HEALTH), id="a slash at the end"),
        pytest.param(post("/master/api/v1", HEALTH, "Accept: application/json, text/plain, */*\r\n"), id="axios"),
        pytest.param(
            post("/api/v1", HEALTH, "Accept: application/x-protobuf;q=0.5, application/json;q=0.9\r\n"), id="q"
        ),
        pytest.param(post("/api/v1", HEALTH, "Accept-Encoding: gzip, deflate, br\r\n"), id="short answers plain"),
        pytest.param(post("//api/v1", HEALTH), id="an address that ends in a slash, and a path"),
        pytest.param(post("/master//api//v1", HEALTH), id="and of an address with the prefix"),
        pytest.param(post("/api/v1", gzip.compress(HEALTH), "Content-Encoding: gzip\r\n"), id="compressed"),
        pytest.param(
            b"POST /api/v1 HTTP/1.1\nHost: x\nContent-Type: application/json\nContent-Length: 21\n\n" + HEALTH,
            id="typed by hand, in lines that end as those of a file do",
        ),
        pytest.param(post("http://elsewhere:5050/api/v1", HEALTH), id="through what was set as a proxy"),
        pytest.param(post("/api/v1", b'{"type":"GET_HEALTH","get_health":null,"unknown":{"a":[1]}}'), id="null"),
        pytest.param(post("/api/v1", HEALTH, "Authorization: \r\n"), id="mesos-framework-sdk, as nobody"),
        pytest.param(post("/api/v1", HEALTH, "Authorization: Basic Og==\r\n"), id="mesos-compose, as nobody"),
        pytest.param(post("/api/v1", HEALTH, "Authorization: token=abc\r\n"), id="DC/OS, to who asks for no token"),
        pytest.param(post("/api/v1?_ts=1795357284000", HEALTH), id="DC/OS in a browser, lest an answer be kept"),
    ],
)
def test_m_om_01_a_call_is_understood_however_it_is_sent(runner: asyncio.Runner, cluster: Cluster, sent: bytes) -> None:
    assert runner.run(exchanged(cluster.master, sent, HEALTHY)).endswith(HEALTHY)
    assert runner.run(exchanged(cluster.agent, sent.replace(b"/master/", b"/slave(1)/"), HEALTHY)).endswith(HEALTHY)


def test_m_om_01_many_offers_of_another_protocol_on_one_connection(runner: asyncio.Runner, cluster: Cluster) -> None:
    """Each is answered in its turn, and what follows them is read as what it is."""
    offered = f"GET /health HTTP/1.1\r\nHost: x\r\n{H2C}\r\n".encode()
    found = runner.run(exchanged(cluster.master, 2000 * offered + post("/api/v1", HEALTH), HEALTHY))
    assert found.count(b"HTTP/1.1 200 OK") == 2001


@pytest.mark.parametrize("sent", [b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"])
def test_m_le_01_what_is_no_request_for_us_is_refused_in_our_spelling(
    runner: asyncio.Runner, cluster: Cluster, sent: bytes
) -> None:
    found = runner.run(exchanged(cluster.master, sent, b"received."))
    assert found.startswith(b"HTTP/1.1 400 Bad Request\r\nDate: ")
    assert b"\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 30\r\nConnection: close\r\n\r\n" in found


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(PACKED[:-9], id="cut off"),
        pytest.param(PACKED + PACKED, id="two files in one"),
        pytest.param(PACKED + b"\0", id="something behind it"),
        b"\x1f\x8b",
        HEALTH,
        b"",
    ],
)
def test_m_om_01_what_is_not_compressed_as_it_says_is_refused(
    runner: asyncio.Runner, cluster: Cluster, body: bytes
) -> None:
    """On a connection that goes on."""
    sent = post("/api/v1", body, "Content-Encoding: gzip\r\n") + post("/api/v1", HEALTH)
    found = runner.run(exchanged(cluster.master, sent, HEALTHY))
    assert found.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"Failed to decompress" in found
    assert found.endswith(HEALTHY)


def test_m_om_01_what_is_little_compressed_and_much_otherwise_is_too_large(
    runner: asyncio.Runner, cluster: Cluster
) -> None:
    sent = post("/api/v1", gzip.compress(b" " * (BODY_BYTES_MAX + 1)), "Content-Encoding: gzip\r\n")
    assert len(sent) < 200_000
    assert runner.run(exchanged(cluster.master, sent, b"large.")).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "line",
    [
        "GET /files/browse?path=/é HTTP/1.1\r\n",
        "GET /files/browse?path=/%C3%A9 HTTP/1.1\r\n",
        "GET /files/browse?path=/é HTTP/1.1\n",
        "GET /é HTTP/1.1\r\nHost: x\r\n",
    ],
)
def test_m_le_01_names_with_any_letters_are_looked_for(runner: asyncio.Runner, cluster: Cluster, line: str) -> None:
    """As curl sends them: the letters that were typed."""
    end = "\r\n" if line.endswith("\r\n") else "\n"
    found = runner.run(exchanged(cluster.agent, (line + end).encode(), b"\r\n\r\n"))
    assert found.startswith(b"HTTP/1.1 404 Not Found\r\n")


@pytest.mark.parametrize(
    ("path", "same"),
    [
        ("/state/x/y", "/state"),
        ("/master/state/x", "/state"),
        ("/version/", "/version"),
        ("/metrics/snapshot/x", "/metrics/snapshot"),
        ("/master", "/"),
        ("/master/", "/"),
    ],
)
def test_m_le_01_the_longest_path_that_is_known_answers(
    runner: asyncio.Runner, cluster: Cluster, path: str, same: str
) -> None:
    async def asked() -> tuple[httpx.Response, httpx.Response]:
        async with httpx.AsyncClient(timeout=60, trust_env=False, base_url=f"http://{cluster.master}") as client:
            return await client.get(path), await client.get(same)

    found, expected = runner.run(asked())
    assert (found.status_code, found.headers["content-type"]) == (200, expected.headers["content-type"])
    if same != "/metrics/snapshot":
        assert found.content == expected.content


def test_m_le_01_whoever_asks_for_nothing_in_particular_is_told_where_to_look(
    runner: asyncio.Runner, cluster: Cluster
) -> None:
    """Checks of load balancers, and people who were given an address and nothing else."""

    async def asked(address: str) -> tuple[httpx.Response, list[int]]:
        async with httpx.AsyncClient(timeout=60, trust_env=False, base_url=f"http://{address}") as client:
            page = await client.get("/")
            links = re.findall(r'href="([^"]+)"', page.text)
            assert len(links) >= 4
            return await client.head("/"), [(await client.get(link)).status_code for link in links]

    for address in (cluster.master, cluster.agent):
        head, found = runner.run(asked(address))
        assert (head.status_code, head.content) == (200, b"")
        assert set(found) == {200}


@pytest.mark.parametrize(
    "head",
    [
        "GET /é HTTP/1.1\r\nHost: x\r\nX: a\n\n",
        "GET / HTTP/1.1\r\nHost: x\r\nX: a\n\n",
        "GET / HTTP/1.1\nX: a\n Content-Length: 3\n\n",
        "GET / HTTP/1.1\nX: a\rContent-Length: 3\n\n",
        "GET / HTTP/1.1\nX: a\0\n\n",
        "GET /é\0 HTTP/1.1\r\n\r\n",
        "POST /api/v1 HTTP/1.1\nContent-Length: 3\nTransfer-Encoding: chunked\n\n",
        "POST /api/v1 HTTP/1.1\nContent-Length: 3\nContent-Length: 4\n\n",
    ],
)
def test_m_le_01_a_head_that_others_may_read_otherwise_is_refused(
    runner: asyncio.Runner, cluster: Cluster, head: str
) -> None:
    """A proxy that takes its end to be elsewhere would send us requests that it has not seen."""
    behind = "GET /version HTTP/1.1\r\nHost: x\r\n\r\n"
    for address in (cluster.master, cluster.agent):
        found = runner.run(exchanged(address, (head + behind).encode(), None))
        assert found.startswith(b"HTTP/1.1 400 ")
        assert found.count(b"HTTP/1.1 ") == 1


def test_m_om_01_fields_that_are_newer_than_we_are_do_no_harm(runner: asyncio.Runner, cluster: Cluster) -> None:
    """GET_HEALTH with a field 127, as a later version may have it."""
    sent = post("/api/v1", b"\x08\x01\xfa\x07\x03abc", "Accept: application/x-protobuf\r\n", "application/x-protobuf")
    assert runner.run(exchanged(cluster.master, sent, b"\x12\x02\x08\x01")).endswith(b"\x08\x01\x12\x02\x08\x01")


@pytest.mark.parametrize("spelled", ["Mesos-Stream-Id", "mesos-stream-id", "MESOS-STREAM-ID"])
def test_m_sc_01_a_scheduler_subscribes_and_calls_as_its_library_likes(
    runner: asyncio.Runner, cluster: Cluster, spelled: str
) -> None:
    """Numbers and booleans as text, a single value for a list, ``Expect``, and any letters in a header's name."""
    info: dict[str, Any] = {
        "user": "root",
        "name": "habits",
        "id": None,
        "failover_timeout": "0",
        "checkpoint": "false",
        "capabilities": {"type": "MULTI_ROLE"},
        "roles": "habits",
        "labels": {"labels": []},
        "newer": {"a": 1},
    }
    body = json.dumps({"type": "SUBSCRIBE", "subscribe": {"framework_info": info, "suppressed_roles": "habits"}})
    host, _, port = cluster.master.rpartition(":")

    async def played() -> list[bytes]:
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            async with asyncio.timeout(60):
                writer.write(
                    post(
                        "/api/v1/scheduler",
                        body.encode(),
                        "Accept: application/json\r\nAccept-Encoding: gzip\r\nExpect: 100-continue\r\n",
                    )
                )
                assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
                head = await reader.readuntil(b"\r\n\r\n")
                assert b"Content-Encoding" not in head, "streams are not compressed"
                stream_id = head.partition(b"Mesos-Stream-Id: ")[2].partition(b"\r\n")[0].decode()
                event = await reader.readuntil(b"}}}")
                framework_id = json.loads(event.partition(b"\r\n")[2].partition(b"\n")[2])["subscribed"]["framework_id"]
                calls: list[dict[str, Any]] = [
                    {"type": "REVIVE", "revive": None},
                    {"type": "DECLINE", "decline": {"offer_ids": {"value": "x"}, "filters": {"refuse_seconds": "5.5"}}},
                    {"type": "MESSAGE", "message": _message("YQ")},
                    {"type": "MESSAGE", "message": _message("YWJj\r\nZGVm")},
                    {"type": "ACKNOWLEDGE", "acknowledge": _acknowledge()},
                    {"type": "RECONCILE", "reconcile": {}},
                ]
                found = []
                for call in calls:
                    sent = json.dumps({"framework_id": framework_id, **call}).encode()
                    asked = post("/api/v1/scheduler", sent, f"{spelled}: {stream_id}\r\n")
                    found.append(await exchanged(cluster.master, asked, b"\r\n\r\n"))
                return found
        finally:
            writer.close()

    for answer in runner.run(played()):
        assert answer.startswith(b"HTTP/1.1 202 Accepted\r\n"), answer


def test_m_sc_01_calls_may_follow_one_another_before_any_is_answered(runner: asyncio.Runner, cluster: Cluster) -> None:
    """Mesos' own library in C++ sends all calls but SUBSCRIBE so, on one connection."""
    body = json.dumps({"type": "SUBSCRIBE", "subscribe": {"framework_info": {"user": "root", "name": "pipelines"}}})
    host, _, port = cluster.master.rpartition(":")

    async def played() -> bytes:
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(post("/api/v1/scheduler", body.encode()))
            async with asyncio.timeout(60):
                head = await reader.readuntil(b"\r\n\r\n")
                event = await reader.readuntil(b"}}}")
            stream_id = head.partition(b"Mesos-Stream-Id: ")[2].partition(b"\r\n")[0].decode()
            framework_id = json.loads(event.partition(b"\r\n")[2].partition(b"\n")[2])["subscribed"]["framework_id"]
            calls = [{"type": "SUPPRESS"}, {"type": "NOTHING"}, {"type": "REVIVE"}, {"type": "TEARDOWN"}]
            sent = [json.dumps({"framework_id": framework_id, **call}).encode() for call in calls]
            headers = f"Mesos-Stream-Id: {stream_id}\r\n"
            together = b"".join(post("/api/v1/scheduler", one, headers) for one in sent)
            return await exchanged(cluster.master, together + post("/api/v1", HEALTH), HEALTHY)
        finally:
            writer.close()

    found = runner.run(played())
    assert re.findall(rb"HTTP/1\.1 (\d+)", found) == [b"202", b"400", b"202", b"202", b"200"]


@pytest.mark.parametrize("path", ["/api/v1/scheduler", "/api/v1/executor"])
def test_m_sc_01_a_look_whether_there_is_anybody(runner: asyncio.Runner, cluster: Cluster, path: str) -> None:
    """mentos asks with GET before it subscribes: a redirect names the leader, a refusal of GET means yes."""

    async def asked() -> httpx.Response:
        async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
            service = cluster.master if path.endswith("scheduler") else cluster.agent
            return await client.get(f"http://{service}{path}", headers={"Connection": "close"})

    answer = runner.run(asked())
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


def _message(data: str) -> dict[str, Any]:
    return {"agent_id": {"value": "a"}, "executor_id": {"value": "e"}, "data": data}


def _acknowledge() -> dict[str, Any]:
    unpadded = base64.b64encode(b"0" * 16).decode().rstrip("=")
    return {"agent_id": {"value": "a"}, "task_id": {"value": "t"}, "uuid": unpadded}


# -- those who only read -------------------------------------------------------------------------------------------


def read(runner: asyncio.Runner, address: str, path: str) -> Any:  # Any: JSON documents
    async def asked() -> Any:
        async with httpx.AsyncClient(timeout=60, trust_env=False, base_url=f"http://{address}") as client:
            answer = await client.get(path)
            assert answer.status_code == 200, answer.text
            assert answer.headers["content-type"] == "application/json"
            return answer.json()

    return runner.run(asked())


@pytest.mark.parametrize("path", ["/master/state", "/master/state.json", "/state"])
def test_m_le_01_what_a_name_server_makes_records_of(runner: asyncio.Runner, cluster: Cluster, path: str) -> None:
    """mesos-dns and its like: the leader, each agent's address, and of each task that runs where, and its ports."""
    state = read(runner, cluster.master, path)
    assert state["leader"] == f"master@{cluster.master}"
    agents = {one["id"]: one for one in state["slaves"]}
    assert [one["pid"] for one in agents.values()] == [f"slave(1)@{cluster.agent}"]
    (framework,) = (one for one in state["frameworks"] if one["id"] == cluster.framework_id)
    (task,) = framework["tasks"]
    assert (task["id"], task["framework_id"], task["state"]) == ("t1", cluster.framework_id, "TASK_RUNNING")
    assert task["slave_id"] in agents
    assert {"cpus", "mem", "disk"} <= task["resources"].keys()
    network = task["statuses"][-1]["container_status"]["network_infos"][0]
    assert network["ip_addresses"][0]["ip_address"]
    assert isinstance(framework["hostname"], str)


def test_m_le_01_what_monitors_ask_masters_and_agents(runner: asyncio.Runner, cluster: Cluster) -> None:
    """Telegraf's and Prometheus' collectors: metrics with a timeout, gauges of the master, and usage on each agent."""
    told = read(runner, cluster.master, "/metrics/snapshot?timeout=100ms")
    assert told["master/elected"] == 1
    assert told["master/tasks_running"] == 1
    assert all(isinstance(value, (int, float)) for value in told.values())
    there = read(runner, cluster.agent, "/metrics/snapshot?timeout=2000ms")
    assert there["slave/registered"] == 1
    assert there["slave/tasks_running"] == 1
    for path in ("/monitor/statistics", "/monitor/statistics.json", "/slave(1)/monitor/statistics"):
        (usage,) = read(runner, cluster.agent, path)
        assert usage["framework_id"] == cluster.framework_id
        assert usage["statistics"]["timestamp"] > 0
    agent = read(runner, cluster.agent, "/slave(1)/state")
    assert agent["frameworks"][0]["executors"][0]["tasks"][0]["id"] == "t1"
    assert agent["master_hostname"]


def test_m_le_01_what_command_lines_ask(runner: asyncio.Runner, cluster: Cluster) -> None:
    """The tools of Mesos and of DC/OS: who leads, a summary with counts, one agent, one task and its sandbox."""
    summary = read(runner, cluster.master, "/master/state-summary")
    (agent,) = summary["slaves"]
    assert agent["TASK_RUNNING"] == 1
    assert agent["framework_ids"] == [cluster.framework_id]
    (one,) = read(runner, cluster.master, f"/master/slaves?slave_id={agent['id']}")["slaves"]
    assert one["hostname"] == agent["hostname"]
    assert read(runner, cluster.master, "/master/slaves?slave_id=nobody")["slaves"] == []
    (framework,) = read(runner, cluster.master, f"/frameworks?framework_id={cluster.framework_id}")["frameworks"]
    assert framework["used_resources"]["cpus"] > 0
    (task,) = read(runner, cluster.master, "/master/tasks?limit=10&order=asc&task_id=t1")["tasks"]
    assert task["slave_id"] == agent["id"]
    (executor,) = read(runner, cluster.agent, "/state")["frameworks"][0]["executors"]
    found = {one["path"].rpartition("/")[2] for one in read(runner, cluster.agent, _files("browse", executor))}
    assert {"stdout", "stderr"} <= found
    assert read(runner, cluster.agent, _files("read", executor, "/stdout", "&offset=0&length=5"))["offset"] == 0


def test_m_le_01_what_the_first_command_line_asks(runner: asyncio.Runner, cluster: Cluster) -> None:
    """mesos.cli on PyPI, and DC/OS' after it: every path ends in ``.json``, and a file is sized by reading at -1."""
    (agent,) = read(runner, cluster.master, "/master/state.json")["slaves"]
    state = read(runner, cluster.agent, "/slave(1)/state.json")
    assert state["id"] == agent["id"]
    (executor,) = state["frameworks"][0]["executors"]
    assert {one["id"] for one in executor["tasks"]} == {"t1"}
    (usage,) = read(runner, cluster.agent, "/monitor/statistics.json")
    assert usage["executor_id"] == executor["id"]
    files = read(runner, cluster.agent, f"/files/browse.json?path={executor['directory']}")
    (stdout,) = (one for one in files if one["path"].endswith("/stdout"))
    asked = f"/files/read.json?path={stdout['path']}&offset=-1&length=1024"
    assert read(runner, cluster.agent, asked) == {"data": "", "offset": stdout["size"]}
    assert read(runner, cluster.agent, "/files/debug.json") == read(runner, cluster.agent, "/files/debug")


def test_m_le_01_what_checks_and_exporters_ask(runner: asyncio.Runner, cluster: Cluster) -> None:
    """Nagios' checks send HEAD to learn who leads; an exporter of tasks' own metrics closes after each call, and names
    a path below ``/api/v1`` that no Mesos ever had, which is that one."""

    async def asked() -> tuple[httpx.Response, httpx.Response]:
        async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
            leader = await client.head(f"http://{cluster.master}/master/redirect")
            call = {"type": "GET_TASKS"}
            closing = {"Connection": "close"}
            return leader, await client.post(f"http://{cluster.agent}/api/v1/state", json=call, headers=closing)

    leader, tasks = runner.run(asked())
    assert leader.status_code == 307
    assert leader.headers["location"].startswith("//")
    assert leader.headers["location"].endswith(f":{cluster.master.rpartition(':')[2]}")
    assert (tasks.status_code, tasks.headers["content-type"]) == (200, "application/json")
    assert [one["task_id"]["value"] for one in tasks.json()["get_tasks"]["launched_tasks"]] == ["t1"]


def _files(verb: str, executor: dict[str, Any], name: str = "", more: str = "") -> str:
    return f"/files/{verb}?path={executor['directory']}{name}{more}"


def test_m_oa_01_an_exporter_asks_an_agent_by_a_path_of_its_own_making(
    runner: asyncio.Runner, cluster: Cluster
) -> None:
    """As the Mesos App Exporter for Prometheus (``mae``) does: a call, below the path of calls, on a connection that is
    to be closed."""

    async def asked() -> httpx.Response:
        headers = {"User-Agent": "Mesos-App-Exporter/1.0.11", "Connection": "close"}
        async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
            return await client.post(
                f"http://{cluster.agent}/api/v1/state", json={"type": "GET_TASKS"}, headers=headers
            )

    answer = runner.run(asked())
    assert answer.status_code == 200
    [task] = answer.json()["get_tasks"]["launched_tasks"]
    assert task["task_id"] == {"value": "t1"}


def test_m_le_01_a_monitor_asks_who_leads_without_wanting_a_body(runner: asyncio.Runner, cluster: Cluster) -> None:
    """As ``nagios-mesos`` does, which makes an address of what it is told, and then reads the old spelling of state."""

    async def asked() -> tuple[httpx.Response, dict[str, Any]]:
        async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
            told = await client.head(f"http://{cluster.master}/master/redirect", follow_redirects=False)
            state = await client.get(f"http:{told.headers['Location']}/master/state.json")
            return told, state.json()

    told, state = runner.run(asked())
    assert (told.status_code, told.content) == (307, b"")
    assert told.headers["Location"].endswith(cluster.master.rpartition(":")[2])
    assert (state["activated_slaves"], bool(state["leader"])) == (1.0, True)
    [framework] = state["frameworks"]
    assert (framework["active"], framework["unregistered_time"]) == (True, 0.0)
