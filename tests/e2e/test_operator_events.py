"""The operators' stream: a snapshot, and then what changes (M-OM-06)."""

from __future__ import annotations

from mesos_service.local import LocalCluster
from mesos_service.wire import operator
from mesos_service.wire.protobuf.decode import read_message
from tests.e2e.conftest import Play
from tests.e2e.raw import RawFramework, command_task
from tests.e2e.watching import Watcher

INFO = {"user": "root", "name": "watched", "capabilities": [{"type": "PARTITION_AWARE"}], "failover_timeout": 60}
PROTOBUF = "application/x-protobuf"


def test_m_om_06_an_operator_follows_a_framework_from_its_first_call_to_its_last(play: Play) -> None:
    async def scenario(cluster: LocalCluster) -> None:
        watcher = await Watcher.subscribe(cluster.master)
        subscribed = await watcher.next("SUBSCRIBED")
        assert subscribed["heartbeat_interval_seconds"] == 15.0
        assert set(subscribed["get_state"]) == {"get_tasks", "get_executors", "get_frameworks", "get_agents"}
        assert len(subscribed["get_state"]["get_agents"]["agents"]) == 2
        assert await watcher.event() == {"type": "HEARTBEAT"}

        framework = await RawFramework.subscribe(cluster.master, INFO)
        added = (await watcher.next("FRAMEWORK_ADDED"))["framework"]
        assert added["framework_info"]["name"] == "watched"
        assert (added["active"], added["connected"], added["recovered"]) == (True, True, False)
        offer = (await framework.event("OFFERS"))["offers"]["offers"][0]
        launch = {"type": "LAUNCH", "launch": {"task_infos": [command_task("t", offer, "exit 3")]}}
        await framework.call("ACCEPT", offer_ids=[offer["id"]], operations=[launch])
        task = (await watcher.next("TASK_ADDED"))["task"]
        assert (task["task_id"], task["state"]) == ({"value": "t"}, "TASK_STAGING")
        for state in ("TASK_STARTING", "TASK_RUNNING", "TASK_FAILED"):
            update = await framework.event("UPDATE")
            told = await watcher.next("TASK_UPDATED")
            assert told["framework_id"] == {"value": framework.framework_id}
            # The latest state may be ahead of the one that is told.
            assert told["status"]["state"] == state
            assert told["status"] == update["update"]["status"]
            await framework.acknowledge(update)

        renamed = {**INFO, "id": {"value": framework.framework_id}, "name": "renamed"}
        assert await framework.call("UPDATE_FRAMEWORK", framework_info=renamed) == (200, "")
        assert (await watcher.next("FRAMEWORK_UPDATED"))["framework"]["framework_info"]["name"] == "renamed"
        await framework.call("TEARDOWN")
        removed = await watcher.next("FRAMEWORK_REMOVED")
        assert removed["framework_info"]["id"] == {"value": framework.framework_id}
        assert watcher.unlike == []
        watcher.close()

    play(scenario)


def test_m_om_06_in_protobuf(play: Play) -> None:
    async def scenario(cluster: LocalCluster) -> None:
        watcher = await Watcher.subscribe(cluster.master, PROTOBUF)
        assert watcher.head.headers["content-type"] == PROTOBUF
        first = read_message(operator.Event, await watcher.record())
        assert first.type == "SUBSCRIBED"
        assert first.subscribed is not None
        assert read_message(operator.Event, await watcher.record()) == operator.Event(type="HEARTBEAT")
        framework = await RawFramework.subscribe(cluster.master, INFO)
        assert read_message(operator.Event, await watcher.record()).type == "FRAMEWORK_ADDED"
        framework.close()
        watcher.close()

    play(scenario)
