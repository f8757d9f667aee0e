"""Rate limits with a real master: a flood of one principal, and others beside it (M-AL-28)."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import httpx
import msgspec

from mesos_service.local import LocalCluster
from tests.e2e.frameworks import Patient, play, subscribed_as
from tests.e2e.raw import until

SLOW_QPS, FLOOD = 5, 40
"""It takes eight seconds, in which others are to be answered."""
LIMITS = {"limits": [{"principal": "slow", "qps": SLOW_QPS}, {"principal": "tiny", "qps": 0.5, "capacity": 1}]}


class Slow(Patient):
    def __init__(self, master: str) -> None:
        super().__init__(master)
        self.framework_info = msgspec.structs.replace(self.framework_info, principal="slow")


class Tiny(Patient):
    def __init__(self, master: str) -> None:
        super().__init__(master)
        self.framework_info = msgspec.structs.replace(self.framework_info, principal="tiny")


def test_m_al_28_a_flood_of_one_principal_is_slowed_down_and_others_are_not(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path, master_flags={"rate_limits": json.dumps(LIMITS)}) as cluster,
            subscribed_as(Slow, cluster) as slow,
            subscribed_as(Tiny, cluster) as tiny,
            subscribed_as(Patient, cluster) as quick,
            httpx.AsyncClient(
                base_url=f"http://{cluster.master}", timeout=60.0, limits=httpx.Limits(max_connections=None)
            ) as client,
        ):

            async def calls(framework: Patient, count: int) -> tuple[list[int], float]:
                begun = time.monotonic()
                body = {"type": "REVIVE", "framework_id": {"value": framework.framework_id}}
                subscription = framework._subscription
                assert subscription is not None and subscription.stream_id is not None
                headers = {"Mesos-Stream-Id": subscription.stream_id}
                sent = [client.post("/api/v1/scheduler", json=body, headers=headers) for _ in range(count)]
                return [one.status_code for one in await asyncio.gather(*sent)], time.monotonic() - begun

            async def both() -> bool:
                return all(one._subscription is not None and one.framework_id for one in (slow, tiny, quick))

            await until(both)
            flood = asyncio.create_task(calls(slow, FLOOD))
            others, _ = await calls(quick, 20)
            assert others == [202] * 20 and not flood.done()
            metrics = (await client.get("/metrics/snapshot")).json()
            assert metrics["frameworks/slow/messages_received"] > metrics["frameworks/slow/messages_processed"]
            answers, seconds = await flood
            assert answers == [202] * FLOOD and seconds >= (FLOOD - 1) / SLOW_QPS - 0.1
            stolen = {"type": "REVIVE", "framework_id": {"value": slow.framework_id}}
            wrong = await client.post("/api/v1/scheduler", json=stolen, headers={"Mesos-Stream-Id": "not-his"})
            assert wrong.status_code == 400, "at once, and at nobody's cost"
            answers, _ = await calls(tiny, 5)
            assert sorted(answers) == [202, 202, 429, 429, 429], "one at once, one that waits"

    play(scenario)
