"""Quota and weights set by command: offers follow, and the next master knows (M-OM-07, M-OM-08)."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
import uvloop

from mesos_service.cli.main import run
from mesos_service.local import AgentSpec, LocalCluster
from mesos_service.registrar.url import file_url
from tests.e2e.conftest import SCENARIO_SECONDS_MAX, Play
from tests.e2e.raw import RawFramework, held, info, offers_of


def test_m_om_07_m_om_08_what_operators_set_shows_in_offers(play: Play, capfd: pytest.CaptureFixture[str]) -> None:
    async def scenario(cluster: LocalCluster) -> None:
        master = ("--master", cluster.master)

        async def command(*arguments: str) -> tuple[int, str, str]:
            status = await asyncio.to_thread(run, [*arguments, *master])
            told = capfd.readouterr()
            return status, told.out, told.err

        framework = await RawFramework.subscribe(cluster.master, info("limited", "a"))
        large, small = await offers_of(framework, 2)
        wanted = ("--guarantee", "cpus:0.5", "--limit", "cpus:3;mem:2048")
        assert await command("quota", "set", "a", *wanted) == (0, "", "")
        assert (await framework.event("RESCIND"))["rescind"]["offer_id"] == large["id"]
        (cut,) = await offers_of(framework, 1)
        assert held(cut).quantities()["cpus"] + held(small).quantities()["cpus"] == 3000

        status, out, _ = await command("quota", "list")
        assert (status, out.split()) == (0, ["ROLE", "GUARANTEES", "LIMITS", "a", "cpus:0.5", "cpus:3;mem:2048"])
        status, _, err = await command("quota", "set", "b", "--guarantee", "cpus:50")
        assert (status, "exceed cluster capacity" in err) == (1, True)
        assert await command("quota", "set", "b", "--guarantee", "cpus:50", "--force") == (0, "", "")
        assert await command("quota", "remove", "b") == (0, "", "")
        assert (await command("quota", "set", "a", "--limit", "ports:[1-2]"))[0] == 2
        assert (await command("quota", "set", "a"))[0] == 2

        assert await command("weights", "set", "a=2", "b/c=0.5") == (0, "", "")
        status, out, _ = await command("weights", "list", "-o", "json")
        assert json.loads(out) == [{"role": "a", "weight": 2.0}, {"role": "b/c", "weight": 0.5}]
        assert (await command("weights", "set", "a"))[0] == 2
        assert (await command("weights", "set", "a=-1"))[0] == 2
        framework.close()

    play(scenario)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_m_al_05_m_om_08_both_outlive_the_master_in_either_database(
    database: str, tmp_path: Path, request: pytest.FixtureRequest, capfd: pytest.CaptureFixture[str]
) -> None:
    """One cluster sets them and ends; the next one finds them in the registry, and offers by them."""
    url = request.getfixturevalue("postgresql_url") if database == "postgresql" else file_url(tmp_path)
    flags = {"registry": url}

    async def first() -> None:
        async with LocalCluster([], work_dir=tmp_path, master_flags=flags) as cluster:
            arguments = ["quota", "set", "a", "--limit", "cpus:1;mem:64", "--master", cluster.master]
            assert await asyncio.to_thread(run, arguments) == 0
            assert await asyncio.to_thread(run, ["weights", "set", "a=3", "--master", cluster.master]) == 0

    async def second() -> None:
        agent = AgentSpec(resources="cpus:4;mem:4096;disk:1024;ports:[31000-31009]")
        async with LocalCluster([agent], work_dir=tmp_path, master_flags=flags) as cluster:
            framework = await RawFramework.subscribe(cluster.master, info("limited", "a"))
            (offer,) = await offers_of(framework, 1)
            assert {name: held(offer).quantities()[name] for name in ("cpus", "mem")} == {"cpus": 1000, "mem": 64_000}
            assert await asyncio.to_thread(run, ["weights", "list", "--master", cluster.master]) == 0
            assert capfd.readouterr().out.split() == ["ROLE", "WEIGHT", "a", "3"]
            framework.close()

    for life in (first, second):
        uvloop.run(asyncio.wait_for(life(), SCENARIO_SECONDS_MAX))
