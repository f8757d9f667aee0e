"""Standing filters as a framework sends them; a pair that one keeps apart causes no traffic (B44, M-AL-14, N10)."""

from __future__ import annotations

from mesos_service.local import LocalCluster
from tests.e2e.conftest import Play
from tests.e2e.raw import Json, RawFramework, get, info, offers_of

ON_R2: Json = {"role_constraints": {"one": {"groups": [{"attribute_constraints": [
    {"selector": {"attribute_name": "rack"}, "predicate": {"text_equals": {"value": "r2"}}}
]}]}}}  # fmt: skip


def filtered(name: str, *filters: Json) -> Json:
    return info(name, "one") | {"offer_filters": {"one": {"filters": list(filters)}}}


async def passes(cluster: LocalCluster, framework: RawFramework) -> Json:
    """One more full pass, and what it says."""
    answer: Json = await get(cluster.master, f"/api/v1/explain/frameworks/{framework.framework_id}")
    return answer


async def offers_sent(cluster: LocalCluster) -> float:
    sent = await get(cluster.master, "/metrics/snapshot")
    return float(sum(value for name, value in sent.items() if name.endswith("/events/offers")))


def test_a38_c25_n10_a_filtered_pair_causes_no_traffic(play: Play) -> None:
    async def scenario(cluster: LocalCluster) -> None:
        none = {"name": "only_agents", "parameters": {"agents": ["nowhere"]}}
        framework = await RawFramework.subscribe(cluster.master, filtered("picky", none))
        await framework.event("SUBSCRIBED")
        before = await offers_sent(cluster)
        for _ in range(3):
            answer = await passes(cluster, framework)
            (obstacle,) = answer["roles"][0]["obstacles"]
            assert (obstacle["reason"], obstacle["agents"]) == ("offer_filter", 2)
            assert obstacle["examples"][0]["culprit"] == "only_agents"
        assert await offers_sent(cluster) == before == 0
        framework.close()

    play(scenario)


def test_a38_where_a_filter_stands_nobody_sends_and_nobody_declines(play: Play) -> None:
    """Two frameworks that want rack r2 alone: one says so to the master, the other declines what is not there."""

    async def traffic(cluster: LocalCluster, name: str) -> tuple[float, float]:
        told = await get(cluster.master, "/metrics/snapshot")
        prefix = f"master/frameworks/{name}/"
        found = {key: value for key, value in told.items() if key.startswith(prefix)}
        sent = sum(value for key, value in found.items() if key.endswith("/offers/sent"))
        return float(sent), float(sum(value for key, value in found.items() if key.endswith("/calls/decline")))

    async def scenario(cluster: LocalCluster) -> None:
        asking = await RawFramework.subscribe(cluster.master, info("asking", "one"), offer_constraints=ON_R2)
        await asking.event("SUBSCRIBED")
        (wanted,) = await offers_of(asking, 1)
        for _ in range(3):
            await passes(cluster, asking)
        assert await traffic(cluster, "asking") == (1.0, 0.0)
        assert (await asking.call("TEARDOWN"))[0] == 202
        asking.close()

        declining = await RawFramework.subscribe(cluster.master, info("declining", "one"))
        await declining.event("SUBSCRIBED")
        (unwanted,) = [one for one in await offers_of(declining, 2) if one["agent_id"] != wanted["agent_id"]]
        assert (await declining.call("DECLINE", offer_ids=[unwanted["id"]], filters={"refuse_seconds": 0}))[0] == 202
        (again,) = await offers_of(declining, 1)
        assert again["agent_id"] == unwanted["agent_id"]
        assert await traffic(cluster, "declining") == (3.0, 1.0)
        declining.close()

    play(scenario)


def test_m_al_14_offer_constraints_stand_until_an_update_says_otherwise(play: Play) -> None:
    async def scenario(cluster: LocalCluster) -> None:
        framework = await RawFramework.subscribe(cluster.master, info("picky", "one"), offer_constraints=ON_R2)
        await framework.event("SUBSCRIBED")
        (offer,) = await offers_of(framework, 1)
        assert [one["text"]["value"] for one in offer["attributes"]] == ["r2"]
        (shown,) = (await get(cluster.master, "/frameworks"))["frameworks"]
        assert shown["offer_constraints"] == ON_R2

        mine = info("picky", "one") | {"id": {"value": framework.framework_id}}
        assert (await framework.call("UPDATE_FRAMEWORK", framework_info=mine))[0] == 200
        (other,) = await offers_of(framework, 1)
        assert other["agent_id"] != offer["agent_id"]
        framework.close()

    play(scenario)


def test_n10_what_cannot_stand_is_refused_with_a_sentence(play: Play) -> None:
    async def scenario(cluster: LocalCluster) -> None:
        for asked, said in (
            ({"name": "no_such"}, "There is no offer filter 'no_such'"),
            ({"name": "at_least", "parameters": {"resources": {"cpus": "many"}}}, "parameter 'resources.cpus'"),
        ):
            framework = await RawFramework.subscribe(cluster.master, filtered("wrong", asked))
            assert said in (await framework.event("ERROR"))["error"]["message"]
            framework.close()

    play(scenario)
