"""Answers of a cluster of ours in the situations in which Apache Mesos' answers were recorded.

``idle``: an agent, no framework. ``state``: a framework with an offer. ``running``: it has one command task. ``pod``:
it has a task group, after the command task was killed. ``after``: an operator has torn it down. Beside them, calls that
are refused, and a look into a sandbox.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx
import msgspec

from mesos_service.local import AgentSpec, LocalCluster
from mesos_service.sdk import SubscriptionEnded, tasks
from mesos_service.sdk.scheduler import Scheduler
from mesos_service.wire.common import Label, Labels
from mesos_service.wire.offers import Offer
from mesos_service.wire.tasks import TaskStatus
from tests.contract.shapes import recorded

AGENT: Final = AgentSpec(
    resources="cpus:4;mem:4096;disk:8192;ports:[31000-32000]", attributes="rack:r1;level:3;range:[1-10]"
)
STAGES: Final = ("idle", "state", "running", "pod", "after")
FOLDERS: Final = ("master", "agent", "master-api-v1", "agent-api-v1")
TIMEOUT_SECONDS: Final = 120


_OTHER: Final = re.compile(r"/after-(errors|failover|quota|weights|CREATE|UPDATE)").search
"""Situations of their own, in spite of their names."""

_JSON: Final = {"Content-Type": "application/json"}
_HEALTH: Final = '{"type":"GET_HEALTH"}'
REFUSED: Final[dict[str, tuple[str, dict[str, str], str]]] = {
    "accept-html": ("POST", _JSON | {"Accept": "text/html"}, _HEALTH),
    "accept-star": ("POST", _JSON | {"Accept": "*/*"}, _HEALTH),
    "content-type-charset": ("POST", {"Content-Type": "application/json; charset=utf-8"}, _HEALTH),
    "empty-body": ("POST", _JSON, ""),
    "empty-object": ("POST", _JSON, "{}"),
    "get": ("GET", {}, ""),
    "json-array": ("POST", _JSON, "[]"),
    "list-files-not-found": ("POST", _JSON, '{"type":"LIST_FILES","list_files":{"path":"/nope"}}'),
    "malformed-json": ("POST", _JSON, '{"type":'),
    "missing-sub-message": ("POST", _JSON, '{"type":"GET_METRICS"}'),
    "no-accept": ("POST", _JSON, _HEALTH),
    "no-content-type": ("POST", {}, _HEALTH),
    "put": ("PUT", _JSON, "{}"),
    "type-UNKNOWN": ("POST", _JSON, '{"type":"UNKNOWN"}'),
    "type-number": ("POST", _JSON, '{"type":1}'),
    "unknown-field": ("POST", _JSON, '{"type":"GET_HEALTH","nope":1}'),
    "unknown-type": ("POST", _JSON, '{"type":"NO_SUCH_CALL"}'),
    "wrong-content-type": ("POST", {"Content-Type": "text/plain"}, _HEALTH),
    "wrong-field-type": ("POST", _JSON, '{"type":"LIST_FILES","list_files":{"path":7}}'),
}
"""Method, headers and body of what was recorded as ``errors/<service>-api-v1-<name>``."""


class Framework(Scheduler):
    """Runs one command task, and then a task group on the built-in executor."""

    def __init__(self, master: str) -> None:
        super().__init__(
            "recorded",
            master,
            roles=("role",),
            failover_timeout_seconds=600,
            capabilities=(
                "MULTI_ROLE",
                "RESERVATION_REFINEMENT",
                "PARTITION_AWARE",
                "TASK_KILLING_STATE",
                "SHARED_RESOURCES",
            ),
            principal="somebody",
        )
        self.framework_info = msgspec.structs.replace(
            self.framework_info,
            webui_url="http://127.0.0.1/",
            labels=Labels(labels=(Label(key="k", value="v"),)),
        )
        self._offer: asyncio.Queue[Offer] = asyncio.Queue()
        self._states: dict[str, str] = {}
        self._news = asyncio.Event()

    async def offers(self, offers: Sequence[Offer]) -> None:
        for offer in offers:
            self._offer.put_nowait(offer)

    async def update(self, status: TaskStatus) -> None:
        self._states[status.task_id.value] = status.state
        self._news.set()

    async def be_offered(self) -> None:
        self._offer.put_nowait(await self._offer.get())

    async def run_task(self) -> None:
        offer = await self._offer.get()
        task = tasks.task("t1", offer, "cpus:0.1;mem:32", "echo hello; exec sleep 600", name="task t1")
        # What is left over is not wanted for long enough that no offer is out while answers are compared.
        await self.accept([offer], [tasks.launch(task)], refuse_seconds=3600)
        await self.until({"t1": "TASK_RUNNING"})

    async def run_group(self) -> None:
        await self.kill("t1")
        await self.until({"t1": "TASK_KILLED"})
        await self.revive()
        offer = await self._offer.get()
        group = [tasks.task(name, offer, "cpus:0.1;mem:32", "exec sleep 600") for name in ("a", "b")]
        executor = tasks.default_executor("pod", "cpus:0.1;mem:32;disk:10")
        await self.accept([offer], [tasks.launch_group(executor, *group)], refuse_seconds=3600)
        await self.until({"a": "TASK_RUNNING", "b": "TASK_RUNNING"})

    async def until(self, states: dict[str, str]) -> None:
        while not states.items() <= self._states.items():
            self._news.clear()
            await self._news.wait()


class Live:
    """What was answered to each recorded request, by the recording's name."""

    def __init__(self) -> None:
        self.answers: dict[str, httpx.Response] = {}

    def json(self, name: str) -> Any:  # Any: JSON documents
        return json.loads(self.answers[name].content)


@dataclass(frozen=True)
class WithOneTask:
    """A master and an agent, with a command task of a framework that runs."""

    master: str
    agent: str
    framework_id: str


@contextlib.contextmanager
def with_one_task(runner: asyncio.Runner) -> Iterator[WithOneTask]:
    """While ``runner`` does something: the cluster stands in its loop."""
    local = LocalCluster(agents=[AGENT])
    runner.run(local.__aenter__())
    framework = Framework(local.master)
    running: list[asyncio.Future[Any]] = []

    async def begin() -> None:
        async with asyncio.timeout(60):
            running.append(asyncio.ensure_future(framework.run()))
            await framework.be_offered()
            await framework.run_task()

    async def end() -> None:
        framework.stop()
        await asyncio.wait(running)

    try:
        runner.run(begin())
        assert framework.framework_id is not None
        yield WithOneTask(local.master, local.agents[0], framework.framework_id)
    finally:
        runner.run(end())
        runner.run(local.__aexit__(None, None, None))


async def passed_twice(client: httpx.AsyncClient, master: str) -> None:
    """Wait until there are percentiles of how long an allocation takes."""
    async with asyncio.timeout(60):
        told = ""
        while "allocation_run_latency_ms/p50" not in told:
            told = (await client.get(f"http://{master}/metrics/snapshot")).text


def requested(name: str) -> tuple[str, str, bytes | None]:
    """Method, path and body of a recorded request."""
    exchange = recorded()["exchanges"][name]
    folder, _, title = name.partition("/")
    if not folder.endswith("api-v1"):
        return exchange["method"], exchange["path"], None
    call: dict[str, Any] = {"type": title.split("-")[1]}
    if call["type"] == "GET_METRICS":
        call["get_metrics"] = {"timeout": {"nanoseconds": 5_000_000_000}}
    if title == "pod-GET_CONTAINERS-nested":
        call["get_containers"] = {"show_nested": True}
    if call["type"] == "LIST_FILES":
        call["list_files"] = {"path": "/nowhere"}
    if call["type"] == "READ_FILE":
        call["read_file"] = {"path": "/nowhere", "offset": 0}
    return exchange["method"], exchange["path"], json.dumps(call).encode()


def recordings(stage: str) -> list[str]:
    """Names of the recorded exchanges of one situation."""
    return [
        name
        for name in recorded()["exchanges"]
        if name.partition("/")[0] in FOLDERS and name.partition("/")[2].startswith(f"{stage}-") and not _OTHER(name)
    ]


async def record() -> Live:
    """Go through all situations once."""
    live = Live()
    async with (
        asyncio.timeout(TIMEOUT_SECONDS),
        LocalCluster(agents=[AGENT], master_flags={"cluster": "recorded"}) as cluster,
        httpx.AsyncClient(timeout=60) as client,
    ):
        # httpx would send headers of its own, by which some of the answers are decided.
        client.headers.clear()

        async def ask(stage: str) -> None:
            for name in recordings(stage):
                method, path, body = requested(name)
                address = cluster.agents[0] if name.startswith("agent") else cluster.master
                url = f"http://{address}{path}"
                live.answers[name] = await client.request(method, url, content=body, headers=_JSON if body else {})

        async def be_refused(name: str) -> None:
            for service, address in (("master", cluster.master), ("agent", cluster.agents[0])):
                method, headers, body = REFUSED[name]
                answer = await client.request(method, f"http://{address}/api/v1", content=body, headers=headers)
                live.answers[f"errors/{service}-api-v1-{name}"] = answer

        async def look_into(directory: str) -> None:
            url = f"http://{cluster.agents[0]}/slave(1)/api/v1"
            call = {"type": "READ_FILE", "read_file": {"path": f"{directory}/stdout", "offset": 1, "length": 3}}
            while True:
                answer = live.answers["sandbox-READ_FILE"] = await client.post(url, json=call)
                if answer.json()["read_file"]["size"]:
                    break
                # The task is RUNNING from its process' first moment; its words take another one.
                await asyncio.sleep(0.01)
            for name, path in (("sandbox-LIST_FILES", directory), ("outside-LIST_FILES", "/etc")):
                call = {"type": "LIST_FILES", "list_files": {"path": path}}
                live.answers[name] = await client.post(url, json=call)

        for service, address in (("master", cluster.master), ("agent", cluster.agents[0])):
            for path in ("/openapi.json", "/openapi-3.2.json", "/docs"):
                live.answers[service + path] = await client.get(f"http://{address}{path}")
        await passed_twice(client, cluster.master)
        await ask("idle")
        for name in REFUSED:
            await be_refused(name)
        framework = Framework(cluster.master)
        running = asyncio.create_task(framework.run())
        try:
            await framework.be_offered()
            await ask("state")
            await framework.run_task()
            await ask("running")
            executor = live.json("agent/running-state")["frameworks"][0]["executors"][0]
            await look_into(executor["directory"])
            await framework.run_group()
            await ask("pod")
            for name, framework_id in (
                ("write-TEARDOWN-unknown", "nope"),
                ("operator-teardown", framework.framework_id),
            ):
                call = {"type": "TEARDOWN", "teardown": {"framework_id": {"value": framework_id}}}
                live.answers[name] = await client.post(f"http://{cluster.master}/api/v1", json=call)
            await ask("after")
        finally:
            framework.stop()
            await asyncio.wait((running,))
            # An operator's teardown ends a subscription with an ERROR event; any other end is a failure.
            with contextlib.suppress(SubscriptionEnded):
                running.result()
    return live
