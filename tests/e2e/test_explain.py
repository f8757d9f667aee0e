"""Asking a running master why a framework is offered nothing, by HTTP and from the command line (N01, N02)."""

from __future__ import annotations

import asyncio
import json

import pytest

from mesos_service.cli.main import run
from mesos_service.local import LocalCluster
from tests.e2e.conftest import Play
from tests.e2e.raw import RawFramework, get
from tests.e2e.test_whole_cluster import FOREVER, info, offers_of


def test_e72_n01_n02_who_asks_hears_why_and_what_is_named_helps(play: Play, capfd: pytest.CaptureFixture[str]) -> None:
    async def scenario(cluster: LocalCluster) -> None:
        framework = await RawFramework.subscribe(cluster.master, info("picky", "one"))
        for offer in await offers_of(framework, 2):
            assert (await framework.call("DECLINE", offer_ids=[offer["id"]], filters=FOREVER))[0] == 202

        answer = await get(cluster.master, f"/api/v1/explain/frameworks/{framework.framework_id}")
        (role,) = answer["roles"]
        (obstacle,) = role["obstacles"]
        assert (role["role"], obstacle["reason"], obstacle["agents"]) == ("one", "refusal_filter", 2)
        example = obstacle["examples"][0]
        assert example["remedies"][0]["action"] == "revive" and example["until"] > answer["at"]
        assert answer["summary"].startswith("On 2 agents of 2: The framework refused")

        asked = ["explain", "picky", "--master", cluster.master]
        assert await asyncio.to_thread(run, asked) == 0
        shown = capfd.readouterr().out
        assert "refusal_filter (2 agents)" in shown and "-> Call REVIVE for role 'one'. (framework)" in shown
        assert await asyncio.to_thread(run, [*asked, "-o", "json"]) == 0
        assert json.loads(capfd.readouterr().out)["framework_name"] == "picky"
        assert await asyncio.to_thread(run, ["explain", "nobody", "--master", cluster.master]) == 1
        assert "There is no framework 'nobody'." in capfd.readouterr().err

        assert (await framework.call("REVIVE"))[0] == 202
        assert len(await offers_of(framework, 2)) == 2
        framework.close()

    play(scenario)
