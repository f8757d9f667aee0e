"""Asking a running master why a framework is offered nothing, by HTTP and from the command line (N01, N02)."""

from __future__ import annotations

import asyncio
import json

import pytest

from mesos_service.cli.main import run
from mesos_service.local import LocalCluster
from tests.e2e.conftest import Play
from tests.e2e.raw import FOREVER, RawFramework, get, info, offers_of


def test_e72_n01_what_others_hold_is_seen_too_and_nothing_changes_by_looking(
    play: Play, capfd: pytest.CaptureFixture[str]
) -> None:
    """A framework is offered what is free alone; whoever asks is told of every agent, and of who holds it."""

    async def scenario(cluster: LocalCluster) -> None:
        greedy = await RawFramework.subscribe(cluster.master, info("greedy", "one"))
        await offers_of(greedy, 2)
        waiting = await RawFramework.subscribe(cluster.master, info("waiting", "two"))
        await waiting.event("SUBSCRIBED")
        before = await get(cluster.master, "/state")
        for _ in range(3):
            answer = await get(cluster.master, f"/api/v1/explain/frameworks/{waiting.framework_id}")
            (role,) = answer["roles"]
            (obstacle,) = role["obstacles"]
            assert (obstacle["reason"], obstacle["agents"]) == ("nothing_free", 2)
            named = {one["agent_id"] for one in obstacle["examples"]}
            assert named <= {one["id"] for one in before["slaves"]} and named
            for agent in before["slaves"]:
                seen = await get(cluster.master, f"/api/v1/explain/agents/{agent['id']}")
                assert greedy.framework_id in json.dumps(seen) and waiting.framework_id in json.dumps(seen)
        first = before["slaves"][0]["id"]
        assert await asyncio.to_thread(run, ["explain", first, "--agent", "--master", cluster.master]) == 0
        shown = capfd.readouterr().out
        assert f"Agent {first} (" in shown and "  waiting as two: nothing_free" in shown
        assert await asyncio.to_thread(run, ["explain", "nobody", "--agent", "--master", cluster.master]) == 1
        assert "There is no agent 'nobody'." in capfd.readouterr().err
        after = await get(cluster.master, "/state")
        for one in ("slaves", "frameworks"):
            assert after[one] == before[one]
        greedy.close()
        waiting.close()

    play(scenario)


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
