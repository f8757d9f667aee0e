"""Offers follow the file of ``--whitelist`` while a master runs (M-AL-15, C25)."""

from __future__ import annotations

from pathlib import Path

from mesos_service.local import LocalCluster
from tests.e2e.frameworks import play
from tests.e2e.raw import RawFramework, get, info, offers_of


def test_c25_m_al_15_the_file_is_edited_and_offers_move(tmp_path: Path) -> None:
    """Within the five seconds after which it is read again."""
    file = tmp_path / "hosts"
    file.write_text("elsewhere\n")

    async def scenario() -> None:
        async with LocalCluster(1, work_dir=tmp_path / "cluster", master_flags={"whitelist": file}) as cluster:
            framework = await RawFramework.subscribe(cluster.master, info("f", "one"))
            await framework.event("SUBSCRIBED")
            answer = await get(cluster.master, f"/api/v1/explain/frameworks/{framework.framework_id}")
            (obstacle,) = answer["roles"][0]["obstacles"]
            assert obstacle["reason"] == "agent_not_whitelisted"
            (remedy,) = obstacle["examples"][0]["remedies"]
            file.write_text(f"elsewhere\n{remedy['arguments']['hostname']}\n")
            assert len(await offers_of(framework, 1)) == 1
            framework.close()

    play(scenario)
