"""Regions with real services: flags, reads, offers (M-AL-21)."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec

from mesos_service.local import AgentSpec, LocalCluster
from mesos_service.wire.frameworks import FrameworkInfoCapability
from tests.e2e.frameworks import Patient, play, subscribed_as
from tests.support.asking import patient_client


def domain(region: str, zone: str) -> dict[str, Any]:
    return {"fault_domain": {"region": {"name": region}, "zone": {"name": zone}}}


class Traveller(Patient):
    def __init__(self, master: str) -> None:
        super().__init__(master)
        known = self.framework_info.capabilities
        self.framework_info = msgspec.structs.replace(
            self.framework_info, capabilities=(*known, FrameworkInfoCapability(type="REGION_AWARE"))
        )


def test_m_al_21_where_everybody_is_can_be_read_and_is_heeded(tmp_path: Path) -> None:
    here, far = domain("eu", "rack1"), domain("us", "rack9")
    at = tmp_path / "domain.json"
    at.write_text(json.dumps(far))

    async def scenario() -> None:
        async with (
            LocalCluster(
                [AgentSpec(flags={"domain": json.dumps(here)}), AgentSpec(flags={"domain": f"file://{at}"})],
                work_dir=tmp_path / "cluster",
                master_flags={"domain": json.dumps(here)},
            ) as cluster,
            patient_client(base_url=f"http://{cluster.master}") as client,
        ):
            state = (await client.get("/state")).json()
            assert state["domain"] == state["leader_info"]["domain"] == here
            assert sorted(json.dumps(one["domain"]) for one in state["slaves"]) == sorted(map(json.dumps, (here, far)))
            remote = next(one["id"] for one in state["slaves"] if one["domain"] == far)
            answer = (await client.post("/api/v1", json={"type": "GET_AGENTS"})).json()
            infos = [one["agent_info"] for one in answer["get_agents"]["agents"]]
            assert {one["id"]["value"]: one["domain"] for one in infos}[remote] == far
            answer = (await client.post("/api/v1", json={"type": "GET_MASTER"})).json()
            assert answer["get_master"]["master_info"]["domain"] == here
            for address in cluster.agents:
                own = (await client.get(f"http://{address}/state")).json()
                assert own["domain"] == (far if own["id"] == remote else here)
            async with subscribed_as(Patient, cluster) as local:
                near = await local.an_offer()
                await asyncio.sleep(0)
                assert near.agent_id.value != remote and not local.held
                async with subscribed_as(Traveller, cluster) as traveller:
                    offer = await traveller.an_offer()
                    assert offer.agent_id.value == remote
                    assert offer.domain is not None and msgspec.to_builtins(offer.domain) == far

    play(scenario)
