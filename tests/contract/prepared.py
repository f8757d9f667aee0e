"""Walks through the states in which answers of Apache Mesos were recorded beside those of ``live.py``.

One as operators go, without a framework: maintenance, an agent that is deactivated and drained, reservations and
volumes. One as a scheduler goes: reservations and volumes of its own, offers that it does not want, a failover, a
scheduler that is away, teardown. One of tasks of many kinds, with executors of their own.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Final

import httpx

from mesos_service.local import LocalCluster
from tests.contract.live import AGENT, Live
from tests.contract.walk import FLAGS, INFO, LONG, MACHINE, NOW, ROLE, WHOLE, Walk, reserved, volume
from tests.e2e.raw import Json, RawFramework, command_task, scalar, until
from tests.e2e.watching import begin

ROOT: Final = Path(__file__).resolve().parents[2]


async def as_operators() -> Live:
    async with (
        LocalCluster(agents=[AGENT], master_flags=FLAGS) as cluster,
        httpx.AsyncClient(timeout=60, trust_env=False) as client,
    ):
        walk = Walk(cluster, client)
        v1 = "master-api-v1/"
        agent_id = {"value": (await walk.read("/slaves"))["slaves"][0]["id"]}

        resources = [reserved("cpus", 0.25, "ops", "op"), reserved("disk", 64, "ops", "op")]
        await walk.ask(v1 + "write-RESERVE_RESOURCES", agent_id=agent_id, resources=resources)

        async def agent_knows() -> bool:
            return "ops" in (await walk.read("/state", agent=True))["reserved_resources"]

        await until(agent_knows)
        await walk.ask("master/operator-reserved-slaves", "agent/operator-reserved-state")
        small, large = volume(32, "ops", "op"), volume(48, "ops", "op")
        await walk.ask(v1 + "write-CREATE_VOLUMES", agent_id=agent_id, volumes=[small])
        await walk.ask(v1 + "after-CREATE_VOLUMES-GET_AGENTS")
        addition = reserved("disk", 16, "ops", "op")
        await walk.ask(v1 + "write-GROW_VOLUME", agent_id=agent_id, volume=small, addition=addition)
        await walk.ask(v1 + "write-SHRINK_VOLUME", agent_id=agent_id, volume=large, subtract={"value": 16})
        await walk.ask(v1 + "write-DESTROY_VOLUMES", agent_id=agent_id, volumes=[small])
        for name in ("write-UNRESERVE_RESOURCES", "write-UNRESERVE_RESOURCES-again"):
            await walk.ask(v1 + name, agent_id=agent_id, resources=resources)

        unavailability = {"start": {"nanoseconds": 4 * 10**18}, "duration": {"nanoseconds": 3_600_000_000_000}}
        window = {"machine_ids": [MACHINE], "unavailability": unavailability}
        await walk.ask(v1 + "write-UPDATE_MAINTENANCE_SCHEDULE", schedule={"windows": [window]})
        for name in ("SCHEDULE", "STATUS"):
            await walk.ask(v1 + f"scheduled-GET_MAINTENANCE_{name}", f"master/scheduled-maintenance-{name.lower()}")
        await walk.ask(v1 + "write-STOP_MAINTENANCE-not-down", machines=[MACHINE])

        await walk.ask(v1 + "write-DEACTIVATE_AGENT", agent_id=agent_id)
        await walk.ask("master/deactivated-slaves", v1 + "deactivated-GET_AGENTS")
        await walk.ask(v1 + "write-REACTIVATE_AGENT", agent_id=agent_id)
        grace = {"nanoseconds": 1_000_000_000}
        await walk.ask(v1 + "write-DRAIN_AGENT", agent_id=agent_id, max_grace_period=grace, mark_gone=False)

        async def drained() -> bool:
            (one,) = (await walk.read("/slaves"))["slaves"]
            return bool(one["drain_info"]["state"] == "DRAINED")

        await until(drained)
        await walk.ask("master/drained-slaves", v1 + "drained-GET_AGENTS", "agent/drained-state")
        await walk.ask(v1 + "write-REACTIVATE_AGENT-after-drain", agent_id=agent_id)

        several = {"roles": ["e"], "capabilities": [{"type": "MULTI_ROLE"}]}
        infos: list[Json] = [
            {"user": "root", "failover_timeout": -1.0},
            {"user": "root", "id": {"value": "never-seen"}},
            {"user": "root", "capabilities": [{"type": "NOT_A_CAPABILITY"}]},
            {"user": ""},
            {"user": "root", **several},
        ]
        for info in infos:
            framework = await RawFramework.subscribe(cluster.master, {"name": "e", **info})
            await framework.event("SUBSCRIBED")
            framework.close()

        async def all_gone() -> bool:
            return len((await walk.read("/frameworks"))["completed_frameworks"]) == len(infos)

        await until(all_gone)
        await walk.ask("master/after-errors-frameworks")
        return walk.live


AFTER: Final = (
    "master/after-frameworks",
    "master/after-metrics-snapshot",
    "master/after-roles",
    "master/after-slaves",
    "master/after-state",
    "master/after-state-summary",
    "master/after-tasks",
    "master-api-v1/after-GET_AGENTS",
    "master-api-v1/after-GET_EXECUTORS",
    "master-api-v1/after-GET_FRAMEWORKS",
    "master-api-v1/after-GET_OPERATIONS",
    "master-api-v1/after-GET_ROLES",
    "master-api-v1/after-GET_STATE",
    "master-api-v1/after-GET_TASKS",
)


async def as_a_scheduler() -> tuple[Walk, list[Json]]:
    """The walk, and what the operators' stream told of it."""
    async with (
        LocalCluster(agents=[AGENT], master_flags=FLAGS) as cluster,
        httpx.AsyncClient(timeout=60, trust_env=False) as client,
    ):
        walk = Walk(cluster, client)
        watcher = await begin(cluster.master)
        one = await RawFramework.subscribe(cluster.master, INFO)
        await one.event("SUBSCRIBED")
        mine = (ROLE, "somebody")
        parts = [reserved("cpus", 0.5, *mine), reserved("mem", 64, *mine), reserved("disk", 100, *mine)]

        await walk.accept(one, ("RESERVE", {"resources": parts}), name="op-reserve")
        await walk.event(one, "UPDATE_OPERATION_STATUS")

        async def nothing_offered() -> bool:
            return not (await walk.read("/slaves"))["slaves"][0]["offered_resources_full"]

        async def held(names: tuple[str, ...]) -> None:
            offer = await walk.offer(one, WHOLE)
            assert await one.call("DECLINE", offer_ids=[offer["id"]], filters=LONG) == (202, "")
            await until(nothing_offered)
            await walk.ask(*names)
            assert await one.call("REVIVE") == (202, "")

        await held(("master/reserved-slaves", "master/reserved-roles", "master-api-v1/reserved-GET_OPERATIONS"))
        created = volume(50, *mine)
        await walk.accept(one, ("CREATE", {"volumes": [created]}), name="op-create")
        await walk.event(one, "UPDATE_OPERATION_STATUS")
        await held(("master/volume-slaves",))
        task = command_task("vol", {"agent_id": {}}, "echo x > data/f")
        task["resources"] = [reserved("cpus", 0.1, *mine), reserved("mem", 32, *mine), created]
        await walk.run(one, task, "STARTING", "RUNNING", "FINISHED")

        offer = await walk.accept(one, ("DESTROY", {"volumes": [created]}), name="op-destroy")
        await walk.event(one, "UPDATE_OPERATION_STATUS")
        for name in ("op-unreserve", "op-bad"):
            await walk.accept(one, ("UNRESERVE", {"resources": parts}), name=name)
            await walk.event(one, "UPDATE_OPERATION_STATUS")
        known = {"operation_id": {"value": "op-reserve"}, "agent_id": offer["agent_id"]}
        await one.call("RECONCILE_OPERATIONS", operations=[known, {"operation_id": {"value": "op-unknown"}}])
        for _ in range(2):
            await walk.event(one, "UPDATE_OPERATION_STATUS")

        offer = await walk.offer(one, WHOLE)
        assert await one.call("SUPPRESS") == (202, "")
        assert await one.call("DECLINE", offer_ids=[offer["id"]], filters=NOW) == (202, "")
        await walk.ask("master/suppressed-frameworks")
        assert await one.call("REVIVE", roles=[ROLE]) == (202, "")

        known_as = {**INFO, "id": {"value": one.framework_id}}
        renamed = {**known_as, "name": "recorded-renamed", "roles": [ROLE, "another"]}
        assert await one.call("UPDATE_FRAMEWORK", framework_info=renamed) == (200, "")
        await walk.run(one, command_task("survivor", {"agent_id": {}}, "exec sleep 600"), "STARTING", "RUNNING")
        two = await RawFramework.subscribe(cluster.master, known_as)
        await walk.event(one, "ERROR")
        await walk.event(two, "SUBSCRIBED")
        await walk.offer(two)
        await walk.ask("master/after-failover-frameworks")
        two.close()

        async def away() -> bool:
            return not (await walk.read("/frameworks"))["frameworks"][0]["connected"]

        await until(away)
        await walk.ask("master/disconnected-frameworks", "master/disconnected-state")
        three = await RawFramework.subscribe(cluster.master, known_as)
        await walk.event(three, "SUBSCRIBED")
        assert await three.call("RECONCILE", tasks=[]) == (202, "")
        await walk.event(three, "UPDATE")
        assert await three.call("TEARDOWN") == (202, "")
        await walk.ask(*AFTER)
        four = await RawFramework.subscribe(cluster.master, known_as)
        await walk.event(four, "ERROR")

        seen: list[Json] = []
        while not seen or seen[-1]["type"] != "FRAMEWORK_REMOVED":
            seen.append(await watcher.event())
        walk.unlike += watcher.unlike
        for connection in (watcher, one, three, four):
            connection.close()
        return walk, seen


EXECUTOR: Final = """
import asyncio
from mesos_service.sdk.executor import Executor

class Own(Executor):
    async def launch(self, task):
        await self.update(task.task_id.value, "TASK_RUNNING", "up", data=b"some data", healthy=True)

asyncio.run(Own().run())
"""


def own_executor(executor_id: str, command: str) -> Json:
    return {
        "type": "CUSTOM",
        "executor_id": {"value": executor_id},
        "command": {"value": command, "environment": {"variables": [{"name": "FOO", "value": "bar"}]}},
        "resources": [scalar("cpus", 0.1), scalar("mem", 32)],
    }


async def of_tasks(folder: Path) -> Walk:
    """Kinds of tasks; ``folder`` takes a program."""
    async with (
        LocalCluster(agents=[AGENT], master_flags=FLAGS) as cluster,
        httpx.AsyncClient(timeout=60, trust_env=False) as client,
    ):
        walk = Walk(cluster, client)
        one = await RawFramework.subscribe(cluster.master, INFO)
        await one.event("SUBSCRIBED")
        program = folder / "executor.py"
        program.write_text(EXECUTOR)
        arguments = shlex.join((sys.executable, str(program)))
        executor = own_executor("custom-1", f"PYTHONPATH={shlex.quote(str(ROOT))} exec {arguments}")
        executor |= {"name": "custom", "source": "src", "shutdown_grace_period": {"nanoseconds": 5_000_000_000}}
        executor["framework_id"] = {"value": one.framework_id}

        def task(task_id: str, **more: object) -> Json:
            return {**command_task(task_id, {"agent_id": {}}, "exec sleep 1000"), **more}

        def executed(task_id: str, by: Json) -> Json:
            made = task(task_id, executor=by, data="dGFzayBkYXRh")
            del made["command"]
            return made

        running = await walk.run(one, executed("c1", executor), "RUNNING")
        await walk.ask(
            "agent/custom-executor-state",
            "agent/custom-executor-containers",
            "agent-api-v1/custom-executor-GET_EXECUTORS",
            "master-api-v1/custom-executor-GET_EXECUTORS",
        )
        where = {"agent_id": running["agent_id"], "executor_id": {"value": "custom-1"}}
        assert await one.call("SHUTDOWN", **where) == (202, "")
        await walk.event(one, "FAILURE")
        await walk.event(one, "UPDATE")
        await one.call("TEARDOWN")
        one.close()

        two = await RawFramework.subscribe(cluster.master, INFO)
        await two.event("SUBSCRIBED")
        words: Json = {"shell": False, "value": "/bin/echo", "arguments": ["echo", "a", "b"]}
        await walk.run(two, task("shell-false", command=words), "STARTING", "RUNNING", "FINISHED")
        missing: Json = {"value": "true", "uris": [{"value": "/no/such/file"}]}
        await walk.run(two, task("uri-missing", command=missing), "FAILED")
        check: Json = {"type": "COMMAND", "command": {"value": "exit 1"}, "consecutive_failures": 1}
        check |= {"delay_seconds": 0, "grace_period_seconds": 0, "interval_seconds": 0.1, "timeout_seconds": 1}
        states = ("STARTING", "RUNNING", "RUNNING", "KILLING", "KILLED")
        await walk.run(two, task("hc", health_check=check), *states)
        await walk.run(two, executed("exec-dies", own_executor("dies", "exit 7")))
        await walk.event(two, "FAILURE")
        await walk.event(two, "UPDATE")
        await walk.run(two, task("last"), "STARTING", "RUNNING")
        await two.call("TEARDOWN")

        async def all_ended() -> bool:
            (state,) = (await walk.read("/state", agent=True))["completed_frameworks"][-1:]
            return not (await walk.read("/state", agent=True))["frameworks"] and len(state["completed_executors"]) == 5

        await until(all_ended)
        await walk.ask("task-kinds/after-teardown-state", "task-kinds/after-teardown-agent-state")
        two.close()
        return walk
