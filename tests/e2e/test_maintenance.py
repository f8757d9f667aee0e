"""A machine goes and comes back, as the operator, a framework and the agent see it (M-OM-11, M-HA-12)."""

from __future__ import annotations

import asyncio
import json
import sys

import uvloop

from mesos_service.http.client import Connection
from mesos_service.local import AgentSpec, LocalCluster
from tests.e2e.operators import INFO, JSON, agents, ask
from tests.e2e.raw import RawFramework, command_task, get

MACHINE = {"hostname": "127.0.0.1", "ip": "127.0.0.1"}
HOUR = 3600 * 10**9


async def post(master: str, path: str, body: object) -> tuple[int, str]:
    host, _, port = master.rpartition(":")
    connection = await Connection.open(host, int(port))
    try:
        answer = await connection.request("POST", path, json.dumps(body).encode(), JSON)
        return answer.status, answer.body.decode()
    finally:
        connection.close()


def test_m_om_11_a_machine_goes_down_and_comes_up() -> None:
    async def scenario() -> None:
        async with LocalCluster([AgentSpec(resources="cpus:2;mem:512")]) as cluster:
            master = cluster.master
            assert await get(master, "/maintenance/schedule") == await get(master, "/maintenance/status") == {}
            framework = await RawFramework.subscribe(master, INFO)
            await framework.event("SUBSCRIBED")
            offer = (await framework.event("OFFERS"))["offers"]["offers"][0]
            tasks = [command_task("t", offer, "sleep 1000")]
            accept = {"offer_ids": [offer["id"]], "operations": [{"type": "LAUNCH", "launch": {"task_infos": tasks}}]}
            await framework.call("ACCEPT", filters={"refuse_seconds": 0}, **accept)
            await framework.event("UPDATE")
            start = 2_000_000_000_123_456_789
            window = {
                "machine_ids": [MACHINE],
                "unavailability": {"start": {"nanoseconds": start}, "duration": {"nanoseconds": HOUR}},
            }
            assert await post(master, "/maintenance/schedule", {"windows": [window]}) == (200, "")
            asked = (await framework.event("INVERSE_OFFERS"))["inverse_offers"]["inverse_offers"][0]
            assert asked["unavailability"] == window["unavailability"]
            assert asked["url"]["path"] == "/slave(1)"
            offer = (await framework.event("OFFERS"))["offers"]["offers"][0]
            assert offer["unavailability"] == window["unavailability"]
            ids = [asked["id"]]
            assert await framework.call("ACCEPT_INVERSE_OFFERS", inverse_offer_ids=ids) == (202, "")
            (going,) = (await get(master, "/maintenance/status"))["draining_machines"]
            assert (going["id"], going["statuses"][0]["status"]) == (MACHINE, "ACCEPT")
            status, answer = await ask(master, {"type": "GET_MAINTENANCE_SCHEDULE"})
            assert (status, answer["get_maintenance_schedule"]["schedule"]["windows"]) == (200, [window])

            assert await post(master, "/machine/up", [{"hostname": "x"}]) == (
                400,
                """Machine '{"hostname":"x"}' is not part of a maintenance schedule""",
            )
            assert (await post(master, "/machine/down", {"hostname": "x"}))[0] == 400
            assert (await post(master, "/maintenance/schedule", [1]))[0] == 400
            assert await post(master, "/machine/down", [MACHINE]) == (200, "")
            lost = await framework.event("UPDATE")
            while lost["update"]["status"]["state"] != "TASK_LOST":
                lost = await framework.event("UPDATE")
            assert await agents(master) == []
            await asyncio.wait_for(cluster.ended(), 60)
            _, answer = await ask(master, {"type": "GET_MAINTENANCE_STATUS"})
            assert answer["get_maintenance_status"]["status"] == {"down_machines": [MACHINE]}
            assert await ask(master, {"type": "STOP_MAINTENANCE", "stop_maintenance": {"machines": [MACHINE]}}) == (
                200,
                "",
            )
            assert await get(master, "/maintenance/schedule") == {}
            framework.close()

    uvloop.run(asyncio.wait_for(scenario(), 180))


def test_m_om_11_by_command() -> None:
    async def scenario() -> None:
        async with LocalCluster(1) as cluster:

            async def command(*words: str) -> tuple[int | None, str]:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "mesos_service.cli.main", "maintenance", *words),
                    *("--master", cluster.master),
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.STDOUT,
                )
                said, _ = await process.communicate()
                return process.returncode, said.decode()

            assert await command("schedule", "a", "b@10.0.0.1", "--start", "2030-01-31T08:00Z") == (0, "")
            assert await command("schedule", "b@10.0.0.1", "--duration", "1hrs") == (0, "")
            windows = (await get(cluster.master, "/maintenance/schedule"))["windows"]
            assert [one["machine_ids"] for one in windows] == [
                [{"hostname": "a"}],
                [{"hostname": "b", "ip": "10.0.0.1"}],
            ]
            assert windows[0]["unavailability"] == {"start": {"nanoseconds": 1_896_076_800 * 10**9}}
            assert windows[1]["unavailability"]["duration"] == {"nanoseconds": HOUR}
            assert await command("start", "a") == (0, "")
            status, said = await command("status")
            assert status == 0
            assert [line.split()[:2] for line in said.splitlines()[1:]] == [["b@10.0.0.1", "DRAINING"], ["a", "DOWN"]]
            status, said = await command("cancel", "a")
            assert (status, "cannot be removed from the schedule" in said) == (1, True)
            assert await command("stop", "a") == (0, "")
            assert await command("cancel", "b@10.0.0.1") == (0, "")
            assert await get(cluster.master, "/maintenance/schedule") == {}
            assert (await command("schedule", "a", "--start", "tomorrow"))[0] == 2
            assert (await command("schedule", "a", "--start", "2030-01-31T08:00"))[0] == 2
            assert (await command("schedule", "@"))[0] == 2

    uvloop.run(asyncio.wait_for(scenario(), 180))
