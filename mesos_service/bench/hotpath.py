"""``bench hotpath``: from the bytes of a call to the 202, in one process and without a socket.

What is timed is ours: reading the body off ASGI, decoding, converting, one step of the core, encoding what it causes,
and the answer. CPU time is taken over the calls that an accepted task makes (one ACCEPT, two ACKNOWLEDGEs), and the
median over batches is set in ratio to the calibration loop of the same run.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import statistics
import time

import msgspec

from mesos_service.bench.greedy import Event
from mesos_service.bench.report import Report, calibrate
from mesos_service.core import link, messages
from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.ids import AgentId, ExecutorId, FrameworkId, LinkId, TaskId
from mesos_service.domain.randomness import random_uuid
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import Source, TaskState, TaskStatus
from mesos_service.http.asgi import Message, Scope
from mesos_service.http.held_stream import HeldStream
from mesos_service.master.config import MasterConfig
from mesos_service.master.service import MasterService

BATCH = 200
LINK = LinkId("bench")
TOTAL = Resources.parse("cpus:4;mem:4096;disk:8192;ports:[31000-32000]")

_EVENT = msgspec.json.Decoder(Event)


class _Sink(HeldStream):
    """Takes records and drops them: nobody reads this link."""

    def write(self, payload: bytes) -> None:
        self.records_sent += 1


def _scope(stream_id: str | None) -> Scope:
    headers = [
        (b"host", b"127.0.0.1:5050"),
        (b"content-type", b"application/json"),
        (b"accept", b"application/json"),
    ]
    if stream_id is not None:
        headers.append((b"mesos-stream-id", stream_id.encode()))
    return {"type": "http", "method": "POST", "path": "/api/v1/scheduler", "headers": headers}


class _Bench:
    """A master that is called in process, one registered agent, one subscribed framework."""

    def __init__(self) -> None:
        self._service = MasterService(MasterConfig.load({"port": 0}))
        self._driver = self._service.driver
        self._random = self._service.state.random
        self._scope: Scope = {}
        self._agent_id = AgentId("")
        self._framework_id = ""
        self._offered = asyncio.Event()
        self._offer = ""
        self._task_id = TaskId("")
        self._counter = 0
        self._stream: asyncio.Task[None] | None = None

    async def subscribe(self) -> None:
        """Register the agent, subscribe the framework, and wait for the first offer."""
        await self._service.lead()
        self._service.outlets.links[LINK] = _Sink(bytes)
        info = AgentInfo(hostname="bench", resources=TOTAL)
        register = link.Register(agent=info, registration="bench")
        self._driver.submit(messages.FromAgent(link_id=LINK, agent_id=None, message=register))
        await asyncio.sleep(0.01)  # The registrar answers on a later turn of the loop.
        (self._agent_id,) = self._service.state.agents
        info_json = {
            "user": "root",
            "name": "bench",
            "roles": ["bench"],
            "capabilities": [{"type": "MULTI_ROLE"}, {"type": "PARTITION_AWARE"}],
        }
        body = json.dumps({"type": "SUBSCRIBE", "subscribe": {"framework_info": info_json}}).encode()
        opened = asyncio.Event()
        forever = asyncio.Event()
        sent = False

        async def receive() -> Message:
            nonlocal sent
            if sent:
                await forever.wait()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                if message["status"] != 200:
                    raise RuntimeError(f"SUBSCRIBE was answered {message['status']}")
                stream_id = dict(message["headers"])[b"Mesos-Stream-Id"].decode()
                self._scope = _scope(stream_id)
                opened.set()
            elif message.get("body"):
                self._on_event(_EVENT.decode(message["body"].partition(b"\n")[2]))

        self._stream = asyncio.create_task(self._service.scheduler_api(_scope(None), receive, send))
        await opened.wait()

    async def close(self) -> None:
        """End the framework's stream and give the port back."""
        if self._stream is not None:
            self._stream.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._stream
        await self._service.close()

    def _on_event(self, event: Event) -> None:
        if event.subscribed is not None:
            self._framework_id = event.subscribed.framework_id.value
        elif event.offers is not None:
            self._offer = event.offers.offers[-1].id.value
            self._offered.set()

    async def accept_body(self) -> bytes:
        """Waits, untimed, until the agent has been offered again."""
        await self._offered.wait()
        self._offered.clear()
        self._counter += 1
        self._task_id = TaskId(f"task-{self._counter}")
        return (
            '{"framework_id":{"value":"%s"},"type":"ACCEPT","accept":{"offer_ids":[{"value":"%s"}],"operations":['
            '{"type":"LAUNCH","launch":{"task_infos":[{"name":"bench","task_id":{"value":"%s"},"agent_id":{"value":'
            '"%s"},"resources":[{"name":"cpus","type":"SCALAR","scalar":{"value":1}},{"name":"mem","type":"SCALAR",'
            '"scalar":{"value":128}}],"command":{"value":"sleep 30","environment":{"variables":[{"name":"A",'
            '"value":"1"}]}},"labels":{"labels":[{"key":"tier","value":"batch"}]}}]}}],'
            '"filters":{"refuse_seconds":0}}}' % (self._framework_id, self._offer, self._task_id, self._agent_id)
        ).encode()

    def update(self, state: str) -> bytes:
        """The agent tells, untimed, that the task is in ``state``; the body that acknowledges it."""
        uuid = random_uuid(self._random)
        status = TaskStatus(
            task_id=self._task_id,
            state=TaskState(state),
            source=Source.EXECUTOR,
            agent_id=self._agent_id,
            executor_id=ExecutorId(self._task_id),
            timestamp=time.time(),
            uuid=uuid,
        )
        message = link.UpdateStatus(
            framework_id=FrameworkId(self._framework_id), status=status, latest_state=status.state
        )
        self._driver.submit(messages.FromAgent(link_id=LINK, agent_id=self._agent_id, message=message))
        return (
            '{"framework_id":{"value":"%s"},"type":"ACKNOWLEDGE","acknowledge":{"agent_id":{"value":"%s"},'
            '"task_id":{"value":"%s"},"uuid":"%s"}}'
            % (self._framework_id, self._agent_id, self._task_id, base64.b64encode(uuid).decode())
        ).encode()

    async def call(self, body: bytes) -> None:
        """One call, all the way to its answer.

        Raises:
            RuntimeError: it was refused, so that nothing worth timing happened.
        """
        status = 0
        request: Message = {"type": "http.request", "body": body, "more_body": False}

        async def receive() -> Message:
            return request

        async def send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]

        await self._service.scheduler_api(self._scope, receive, send)
        if status != 202:
            raise RuntimeError(f"a call of the benchmark was answered {status}: {body.decode()[:200]}")


async def measure(tasks: int = 20_000) -> Report:
    """One agent, one framework; each task is one ACCEPT and, once it runs and once it has ended, one ACKNOWLEDGE.

    What the agent says in between, and the ticks that make offers, are stepped untimed. Garbage collection is left
    on, as it is in a master.
    """
    bench = _Bench()
    try:
        await bench.subscribe()
        return await _measure(bench, tasks)
    finally:
        await bench.close()


async def _measure(bench: _Bench, tasks: int) -> Report:
    accepts: list[float] = []
    acknowledgements: list[float] = []
    for _ in range(max(1, tasks // BATCH)):
        accept_cpu = acknowledge_cpu = 0.0
        for _ in range(BATCH):
            accept = await bench.accept_body()
            begin = time.process_time()
            await bench.call(accept)
            accept_cpu += time.process_time() - begin
            for state in ("TASK_RUNNING", "TASK_FINISHED"):
                acknowledge = bench.update(state)
                begin = time.process_time()
                await bench.call(acknowledge)
                acknowledge_cpu += time.process_time() - begin
        accepts.append(accept_cpu / BATCH)
        acknowledgements.append(acknowledge_cpu / (2 * BATCH))
    report = Report("hotpath")
    yardstick = calibrate()
    mixed = [(one + 2 * other) / 3 for one, other in zip(accepts, acknowledgements, strict=True)]
    report.figures = {
        "hot_path_us": statistics.median(mixed) * 1e6,
        "hot_path_ratio": statistics.median(mixed) / yardstick,
        "accept_us": statistics.median(accepts) * 1e6,
        "acknowledge_us": statistics.median(acknowledgements) * 1e6,
        "tasks": len(accepts) * BATCH,
    }
    report.legend = {
        "hot_path_ratio": f"CPU time of one call, as a share of the calibration loop ({yardstick * 1e6:.0f} us here)"
    }
    return report
