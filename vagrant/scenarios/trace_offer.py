"""An offer's life is one trace over three hosts: the master's, the agent's with its task, and the task's helper's."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Final

import httpx
import msgspec

from mesos_service.domain.resources import Resources
from mesos_service.sdk import Scheduler, available, take, task
from mesos_service.sdk.sandbox import SandboxFile, agent_of, sandbox_path
from mesos_service.tracing_store.answers import StoredTrace, TraceList
from mesos_service.tracing_store.tree import skews
from mesos_service.tracing_store.waterfall import waterfall
from mesos_service.wire.offers import Offer
from mesos_service.wire.tasks import TaskStatus
from vagrant.cluster import Cluster, until
from vagrant.hosts import Host
from vagrant.scenarios.story import Story

PORT: Final = 4318
PYTHON: Final = "/opt/mesos-service/mesos-agent/bin/python3"
COLUMNS: Final = 150
TASK: Final = "traced"
_SECONDS_MAX: Final = 60.0
_WORK: Final = (
    "from mesos_service.sdk.tracing import task_span; import time\n"
    "with task_span('work') as span:\n"
    "    found = span.get_span_context()\n"
    "    print(f'00-{found.trace_id:032x}-{found.span_id:016x}-01')\n"
    "    time.sleep(0.2)\n"
)
_PART: Final = "from mesos_service.sdk.tracing import task_span\nwith task_span('part-of-it'): pass"


class _Traced(Scheduler):
    """Runs one task on a host that is not ``avoided``, and keeps what it printed: its own span."""

    def __init__(self, master: str, endpoint: str, avoided: str) -> None:
        super().__init__("traced", master, failover_timeout_seconds=0.0)
        self._command = f'OTEL_EXPORTER_OTLP_ENDPOINT={endpoint} {PYTHON} -c "{_WORK}"'
        self._avoided = avoided
        self._file: SandboxFile | None = None
        self.host = ""
        self.context = ""

    async def offers(self, offers: Sequence[Offer]) -> None:
        for offer in offers:
            part = take(available(offer), Resources.parse("cpus:0.1;mem:64"))
            if self._file is not None or part is None or offer.hostname == self._avoided:
                await self.decline(offer, refuse_seconds=1.0)
                continue
            self.host = offer.hostname
            self._file = SandboxFile(*agent_of(offer), f"{sandbox_path(offer.framework_id.value, TASK)}/stdout")
            await self.launch(offer, task(TASK, offer, part, self._command))

    async def update(self, status: TaskStatus) -> None:
        if status.state == "TASK_FINISHED" and self._file is not None:
            await self.acknowledge(status)
            self.context = (await self._file.read_to_end()).split()[-1]
            self._file.close()
            await self.teardown()


def run(cluster: Cluster, story: Story) -> None:
    (store,) = (host for host in cluster.testbed.hosts.values() if "otel_collector" in host.machine.groups)
    endpoint = f"http://{store.address}:{PORT}"
    leader = cluster.leader()
    framework = _run(_Traced(cluster.zk, endpoint, leader.name))
    story.tell(f"{leader.name} leads, and a task has run on {framework.host}")
    third = next(host for host in cluster.agents if host.name not in (leader.name, framework.host))
    third.sh(
        f"TRACEPARENT={framework.context} OTEL_EXPORTER_OTLP_ENDPOINT={endpoint}"
        f' OTEL_RESOURCE_ATTRIBUTES=host.name={third.name} {PYTHON} -c "{_PART}"'
    )
    story.tell(f"it had a part of its work done on {third.name}")
    trace = until("all spans have come", lambda: _whole(store, framework.context.split("-")[1]))
    for line in waterfall(trace, COLUMNS):
        print(f"    {line}".rstrip(), file=story.out, flush=True)
    hosts = {(span.service, span.host) for span in trace.spans}
    story.hold(
        "spans of the master, the agent, the task and its part are in one trace, each of its host",
        hosts
        == {
            ("mesos-master", leader.name),
            ("mesos-agent", framework.host),
            ("task", framework.host),
            ("task", third.name),
        },
    )
    ids = {span.span_id for span in trace.spans}
    story.hold(
        "they hang from one offer",
        [span.name for span in trace.spans if span.parent_span_id not in ids] == ["master.offer"],
    )
    story.hold("no clocks contradict each other", not skews(trace.spans))


def _run(framework: _Traced) -> _Traced:
    # In a thread: whoever calls may have a loop of his own.
    thread = threading.Thread(target=lambda: asyncio.run(framework.run()), name="traced", daemon=True)
    thread.start()
    thread.join(_SECONDS_MAX)
    return until("the task has told its span", lambda: framework if framework.context else None, 1.0)


def _whole(store: Host, trace_id: str) -> StoredTrace | None:
    with httpx.Client(base_url=f"http://{store.address}:{PORT}", trust_env=False, timeout=10.0) as client:
        found = msgspec.json.decode(client.get("/api/v1/traces", params={"task": TASK}).content, type=TraceList)
        if trace_id not in {one.trace_id for one in found.traces}:
            return None
        trace = msgspec.json.decode(client.get(f"/api/v1/traces/{trace_id}").content, type=StoredTrace)
    names = [span.name for span in trace.spans]
    whole = names.count("master.acknowledgement") == 3 and names.count("agent.update") == 3
    return trace if whole and {"part-of-it", "work", "task.running"} <= set(names) else None
