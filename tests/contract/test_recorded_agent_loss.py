"""The recorded story of an agent that is lost, comes back, is drained and given up: every answer on the way.

Two frameworks have a task each on it; one is partition-aware, the other knows neither partitions nor several roles. The
answers are taken in one walk through the story, as it was recorded, and compared one by one.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from mesos_service.local import LocalCluster
from tests.contract.compare import check_body
from tests.contract.live import AGENT, Live
from tests.contract.shapes import recorded
from tests.e2e.raw import Json, RawFramework, get, scalar, until
from tests.e2e.restarting import restartable
from tests.e2e.watching import Watcher, begin

SECONDS_MAX = 240
SOON: Final = {"refuse_seconds": 0.1}
LONG: Final = {"refuse_seconds": 3600}
READS: Final[dict[str, tuple[str, ...]]] = {
    "maintenance": ("slaves-with-maintenance",),
    "killed": ("killed-slaves-at-0.7s", "killed-GET_AGENTS-at-0.7s"),
    "unreachable": tuple(
        f"unreachable-{name}"
        for name in (
            "GET_AGENTS",
            "GET_FRAMEWORKS",
            "GET_STATE",
            "GET_TASKS",
            "frameworks",
            "slaves",
            "state-summary",
            "state",
            "tasks",
        )
    ),
    "reregistered": ("reregistered-slaves", "reregistered-state"),
    "drained": ("drained-slaves", "drained-GET_AGENTS"),
    "gone": ("gone-slaves", "gone-GET_AGENTS", "gone-state"),
}
"""What was asked when."""
CALLS: Final = (
    "update-maintenance-schedule",
    "get-maintenance-status-before",
    "maintenance-status-accepted",
    "get-maintenance-status-accepted",
    "get-maintenance-status-declined",
    "clear-maintenance-schedule",
    "drain-agent",
    "reactivate",
    "mark-agent-gone",
    "operator-teardown",
)
NAMES: Final = (*CALLS, *(name for names in READS.values() for name in names))


class Story:
    """Asks what was asked, and keeps the answers by the recordings' names."""

    def __init__(self, master: str, client: httpx.AsyncClient) -> None:
        self.live = Live()
        self.order: list[tuple[str, str]] = []
        self.seen: list[tuple[str, str]] = []
        """By operators: whose (a task's id, or nothing), and what: a task's state, or the event's type."""
        self._master = master
        self._client = client

    async def call(self, name: str, kind: str, **fields: object) -> Json:
        """An operator's call."""
        body: Json = {"type": kind, **({kind.lower(): fields} if fields else {})}
        url = f"http://{self._master}/api/v1"
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        answer = await self._client.post(url, content=json.dumps(body), headers=headers)
        self.live.answers[f"agent-loss/{name}"] = answer
        return answer.json() if answer.content else {}

    async def read(self, stage: str) -> None:
        """All reads of one moment."""
        for name in READS[stage]:
            exchange = recorded()["exchanges"][f"agent-loss/{name}"]
            if exchange["method"] == "POST":
                await self.call(name, name.split("-")[1])
            else:
                url = f"http://{self._master}{exchange['path']}"
                self.live.answers[f"agent-loss/{name}"] = await self._client.get(url)

    async def heard(self, watcher: Watcher) -> None:
        """All events of the operators' stream up to a framework's end."""
        while not self.seen or self.seen[-1][1] != "FRAMEWORK_REMOVED":
            event = await watcher.event()
            kind = event["type"]
            match event.get(kind.lower()):
                case {"task": {"task_id": {"value": task_id}}}:
                    self.seen.append((task_id, kind))
                case {"status": {"task_id": {"value": task_id}, "state": state}}:
                    self.seen.append((task_id, state))
                case None:
                    assert kind == "HEARTBEAT"
                case _:
                    self.seen.append(("", kind))
        assert watcher.unlike == []

    async def told(self, framework: RawFramework, kind: str) -> Json:
        """The next event of a type."""
        event = await framework.event(kind)
        state = event["update"]["status"]["state"] if kind == "UPDATE" else ""
        self.order.append((kind, state))
        return event


def task(task_id: str, offer: Json) -> Json:
    return {
        "name": f"task {task_id}",
        "task_id": {"value": task_id},
        "agent_id": offer["agent_id"],
        "resources": [scalar("cpus", 0.1), scalar("mem", 32)],
        "command": {"value": "exec sleep 1000"},
    }


async def run_task(framework: RawFramework, task_id: str, filters: Json) -> Json:
    offer: Json = (await framework.event("OFFERS"))["offers"]["offers"][0]
    launch = {"type": "LAUNCH", "launch": {"task_infos": [task(task_id, offer)]}}
    await framework.call("ACCEPT", offer_ids=[offer["id"]], operations=[launch], filters=filters)
    for state in ("TASK_STARTING", "TASK_RUNNING"):
        update = await framework.event("UPDATE")
        await framework.acknowledge(update)
        assert update["update"]["status"]["state"] == state
    return offer


async def inverse_offer(framework: RawFramework) -> list[Json]:
    offers = (await framework.event("INVERSE_OFFERS"))["inverse_offers"]["inverse_offers"]
    return [one["id"] for one in offers]


async def tell(tmp_path: Path) -> Story:
    flags = {"cluster": "recorded", "agent_ping_timeout": "3secs", "max_agent_ping_timeouts": 2}
    async with (
        LocalCluster(0, work_dir=tmp_path / "master", master_flags=flags, master_port=0) as cluster,
        restartable(cluster, tmp_path / "a", resources=AGENT.resources, attributes=AGENT.attributes) as agent,
        httpx.AsyncClient(timeout=60, trust_env=False) as client,
    ):
        client.headers.clear()
        story = Story(cluster.master, client)
        watcher = await begin(cluster.master)
        aware = ("MULTI_ROLE", "RESERVATION_REFINEMENT", "PARTITION_AWARE", "TASK_KILLING_STATE", "SHARED_RESOURCES")
        common: Json = {"user": "root", "checkpoint": True, "failover_timeout": 600.0, "principal": "p"}
        common |= {"hostname": "localhost", "webui_url": "http://127.0.0.1/"}
        labels = {"labels": [{"key": "k", "value": "v"}]}
        first = await RawFramework.subscribe(
            cluster.master,
            {
                **common,
                "name": "recorded",
                "roles": ["recorded"],
                "labels": labels,
                "capabilities": [{"type": one} for one in aware],
            },
        )
        offer = await run_task(first, "a1", SOON)
        await first.call("SUPPRESS")
        second = await RawFramework.subscribe(cluster.master, {**common, "name": "recorded-b", "role": "recorded-b"})
        await run_task(second, "b1", LONG)
        agent_id = offer["agent_id"]

        machine = {"hostname": offer["hostname"], "ip": "127.0.0.1"}
        unavailability = {"start": {"nanoseconds": 4 * 10**18}, "duration": {"nanoseconds": 3_600_000_000_000}}
        window = {"machine_ids": [machine], "unavailability": unavailability}
        await story.call("update-maintenance-schedule", "UPDATE_MAINTENANCE_SCHEDULE", schedule={"windows": [window]})
        ids = await inverse_offer(first)
        await second.event("INVERSE_OFFERS")
        await story.call("get-maintenance-status-before", "GET_MAINTENANCE_STATUS")
        await story.read("maintenance")
        await first.call("ACCEPT_INVERSE_OFFERS", inverse_offer_ids=ids, filters=SOON)
        await story.call("get-maintenance-status-accepted", "GET_MAINTENANCE_STATUS")
        url = f"http://{cluster.master}/maintenance/status"
        story.live.answers["agent-loss/maintenance-status-accepted"] = await client.get(url)
        ids = await inverse_offer(first)
        await first.call("DECLINE_INVERSE_OFFERS", inverse_offer_ids=ids, filters=LONG)
        await story.call("get-maintenance-status-declined", "GET_MAINTENANCE_STATUS")
        await story.call("clear-maintenance-schedule", "UPDATE_MAINTENANCE_SCHEDULE", schedule={})
        await story.told(second, "RESCIND_INVERSE_OFFER")
        await first.call("REVIVE")
        await first.event("OFFERS")

        await agent.kill()
        await story.told(first, "RESCIND")
        await story.read("killed")
        for framework in (first, second):
            await story.told(framework, "UPDATE")
            await story.told(framework, "FAILURE")
        await story.read("unreachable")
        await agent.start()
        for framework in (first, second):
            await story.told(framework, "UPDATE")

        async def back() -> bool:
            (one,) = (await get(cluster.master, "/slaves"))["slaves"]
            return bool(one["active"]) and one["used_resources"]["cpus"] > 0

        await until(back)
        await story.read("reregistered")

        grace = {"nanoseconds": 2_000_000_000}
        await story.call("drain-agent", "DRAIN_AGENT", agent_id=agent_id, max_grace_period=grace)
        for framework, count in ((first, 2), (second, 1)):
            for _ in range(count):
                update = await story.told(framework, "UPDATE")
                await framework.acknowledge(update)

        async def drained() -> bool:
            (one,) = (await get(cluster.master, "/slaves"))["slaves"]
            return bool(one["drain_info"]["state"] == "DRAINED")

        await until(drained)
        await story.read("drained")
        await story.call("reactivate", "REACTIVATE_AGENT", agent_id=agent_id)
        await second.call("SUPPRESS")
        await first.call("REVIVE")
        await run_task(first, "a2", LONG)
        await story.call("mark-agent-gone", "MARK_AGENT_GONE", agent_id=agent_id)
        await story.told(first, "UPDATE")
        await story.told(first, "FAILURE")
        await story.told(second, "FAILURE")
        await story.read("gone")
        await story.call("operator-teardown", "TEARDOWN", framework_id={"value": second.framework_id})
        await story.heard(watcher)
        for connection in (first, second, watcher):
            connection.close()
        return story


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    return asyncio.run(asyncio.wait_for(tell(tmp_path_factory.mktemp("agent-loss")), SECONDS_MAX))


@pytest.mark.parametrize("name", NAMES)
def test_m_le_01_an_answer_of_the_story_is_as_recorded(story: Story, name: str) -> None:
    """Status, headers, and of the body which keys, in which order, of which types."""
    name = f"agent-loss/{name}"
    wanted: dict[str, Any] = recorded()["exchanges"][name]
    answer = story.live.answers[name]
    assert answer.status_code == wanted["status"], answer.text
    assert sorted(key.decode() for key, _ in answer.headers.raw) == sorted(wanted["headers"])
    assert answer.headers.get("content-type") == wanted.get("content_type")
    assert answer.text == wanted.get("text", answer.text)
    if "shape" in wanted:
        check_body(story.live, name)


def test_x15_events_of_the_story_come_as_recorded(story: Story) -> None:
    assert story.order == [
        ("RESCIND_INVERSE_OFFER", ""),
        ("RESCIND", ""),
        ("UPDATE", "TASK_UNREACHABLE"),
        ("FAILURE", ""),
        ("UPDATE", "TASK_LOST"),
        ("FAILURE", ""),
        ("UPDATE", "TASK_RUNNING"),
        ("UPDATE", "TASK_RUNNING"),
        ("UPDATE", "TASK_KILLING"),
        ("UPDATE", "TASK_KILLED"),
        ("UPDATE", "TASK_KILLED"),
        ("UPDATE", "TASK_GONE_BY_OPERATOR"),
        ("FAILURE", ""),
        ("FAILURE", ""),
    ]


def test_m_om_06_operators_are_told_of_the_story_as_recorded(story: Story) -> None:
    """No event tells that an agent is lost, or given up; tasks that are back are added before it is, and then told."""

    # The agent registers at first when it likes.
    seen = story.seen[story.seen.index(("a1", "TASK_ADDED")) :]

    def of(whose: str) -> list[str]:
        return [what for one, what in seen if one == whose]

    begins = ["TASK_ADDED", "TASK_STARTING", "TASK_RUNNING"]
    assert of("a1") == [*begins, "TASK_UNREACHABLE", "TASK_ADDED", "TASK_KILLING", "TASK_KILLED"]
    assert of("b1") == [*begins, "TASK_LOST", "TASK_ADDED", "TASK_KILLED"]
    assert of("a2") == [*begins, "TASK_GONE_BY_OPERATOR"]
    assert of("") == ["FRAMEWORK_ADDED", "AGENT_ADDED", "FRAMEWORK_REMOVED"]
    # Later than the second TASK_ADDED of each, which is before the first word of their ends.
    before = seen[: seen.index(("", "AGENT_ADDED"))]
    assert before.count(("a1", "TASK_ADDED")) == before.count(("b1", "TASK_ADDED")) == 2
    assert ("a1", "TASK_KILLING") not in before


def test_m_le_01_no_recorded_answer_of_the_story_is_left_out() -> None:
    known = {name.partition("/")[2] for name in recorded()["exchanges"] if name.startswith("agent-loss/")}
    assert known == set(NAMES)
