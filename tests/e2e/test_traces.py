"""One trace for each offer's life, over master, agent and task, in a collector that takes OTLP over HTTP (N03)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from mesos_service.local import LocalCluster
from mesos_service.sdk import Scheduler, launch, task
from mesos_service.sdk.sandbox import SandboxFile, agent_of, sandbox_path
from mesos_service.wire.offers import Offer
from mesos_service.wire.tasks import TaskStatus
from tests.unit.telemetry.otlp_receiver import OtlpReceiver

CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class OneTask(Scheduler):
    """Runs one task that prints its TRACEPARENT, and keeps what it printed."""

    def __init__(self, master: str) -> None:
        super().__init__("traced", master, failover_timeout_seconds=0)
        self.printed = ""
        self._file: SandboxFile | None = None

    async def offers(self, offers: Sequence[Offer]) -> None:
        offer = offers[0]
        if self._file is not None:
            await self.decline(*offers)
            return
        path = f"{sandbox_path(offer.framework_id.value, 't1')}/stdout"
        self._file = SandboxFile(*agent_of(offer), path)
        await self.accept(
            [offer], [launch(task("t1", offer, "cpus:0.1;mem:32", "echo $TRACEPARENT"))], traceparent=CALLER
        )

    async def update(self, status: TaskStatus) -> None:
        if status.state == "TASK_FINISHED" and self._file is not None:
            await self.acknowledge(status)
            self.printed = (await self._file.read_to_end()).strip()
            self._file.close()
            await self.teardown()


def test_n03_an_offers_life_is_one_trace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)

    async def run(collector: OtlpReceiver) -> str:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        async with asyncio.timeout(60), LocalCluster(agents=1, work_dir=tmp_path) as cluster:
            scheduler = OneTask(cluster.master)
            await scheduler.run()
            return scheduler.printed

    with OtlpReceiver() as collector:
        traceparent = asyncio.run(run(collector))
        spans = list(collector.spans)
    _, trace_id, span_id, flags = traceparent.split("-")
    assert flags == "01"
    mine = [(service, span) for service, span in spans if span.trace_id.hex() == trace_id]
    ids = {span.span_id for _, span in mine}
    assert len(ids) == len(mine)
    assert [span.name for _, span in mine if not span.parent_span_id] == ["master.offer"]
    assert all(span.parent_span_id in ids for _, span in mine if span.parent_span_id)
    assert bytes.fromhex(span_id) in {span.span_id for _, span in mine if span.name == "task.running"}
    assert {service for service, _ in mine} == {"mesos-master", "mesos-agent"}
    assert sorted(span.name for _, span in mine) == [
        "agent.launch",
        *["agent.update"] * 3,
        "master.accept",
        *["master.acknowledgement"] * 3,
        "master.allocation",
        "master.launch",
        "master.offer",
        *["master.update"] * 3,
        "task.running",
    ]
    by_id = {span.span_id: span.name for _, span in mine}
    parents = {(span.name, by_id[span.parent_span_id]) for _, span in mine if span.parent_span_id}
    assert parents == {
        ("master.allocation", "master.offer"),
        ("master.accept", "master.offer"),
        ("master.launch", "master.accept"),
        ("agent.launch", "master.launch"),
        ("task.running", "master.launch"),
        ("agent.update", "master.launch"),
        ("master.update", "agent.update"),
        ("master.acknowledgement", "master.update"),
    }
    assert all(span.end_time_unix_nano >= span.start_time_unix_nano for _, span in mine)
    links = {f"00-{link.trace_id.hex()}-{link.span_id.hex()}-01" for _, span in mine for link in span.links}
    assert links == {CALLER}
