"""Three masters in processes of their own, real ZooKeeper, an agent and a framework that outlive their leaders."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import httpx
import pytest

from mesos_service.local import AgentSpec, LocalCluster
from mesos_service.sdk import Scheduler, command_info, task
from mesos_service.wire.agents import MasterInfo
from mesos_service.wire.offers import Offer
from mesos_service.wire.tasks import TaskStatus
from tests.contract.compare import DIFFERENT, METRICS_DIFFERENT, check_body, check_head
from tests.contract.derive_shapes import anonymous
from tests.contract.live import AGENT, Live, passed_twice
from tests.contract.shapes import differences, exchange_shape, recorded
from tests.e2e.other_interpreter import CLIENTS
from tests.e2e.raw import Json, RawFramework, command_task
from tests.e2e.restarting import Restartable
from tests.support.asking import patient_client
from tests.support.ports import fixed_port
from tests.support.supervisor import Supervised
from tests.support.zookeeper import ZooKeeper

WAIT_SECONDS = 60.0
MESOS_SERVICE = (sys.executable, "-m", "mesos_service.cli.main")
_PATHS = itertools.count()


class Master(Supervised):
    """One of several, started again whenever it ends."""

    def __init__(self, directory: Path, url: str, number: int, *more: str) -> None:
        self.port = fixed_port()
        flags = (
            f"--zk={url}",
            "--zk_session_timeout=3secs",
            f"--port={self.port}",
            "--hostname=localhost",
            f"--registry=sqlite:///{directory / 'registry.db'}",
            "--allocation_interval=100ms",
            *more,
        )
        super().__init__(f"master-{number}", (*MESOS_SERVICE, "master", *flags), directory / f"master-{number}.log")

    async def get(
        self, path: str, method: str = "GET", body: bytes | None = None, seconds_max: float = 2.0
    ) -> httpx.Response | None:
        """Its answer; ``None`` when there is none in time, as of one that is frozen."""
        headers = {"Accept-Encoding": "identity"} | ({} if body is None else {"Content-Type": "application/json"})
        with contextlib.suppress(httpx.HTTPError):
            address = f"http://127.0.0.1:{self.port}"
            async with patient_client(base_url=address, timeout=seconds_max) as client:
                return await client.request(method, path, content=body, headers=headers)
        return None

    async def leads(self) -> bool:
        answer = await self.get("/master/state-summary")
        return answer is not None and answer.status_code == 200


class Watching(Scheduler):
    """Launches one task and notes what it hears."""

    def __init__(self, master: str) -> None:
        super().__init__("watching", master, failover_timeout_seconds=600)
        self.heard = asyncio.Condition()
        self.subscriptions: list[tuple[str, str | None]] = []
        self.states: dict[str, list[str]] = {}
        self.wanted: list[str] = []

    async def subscribed(self, framework_id: str, master: MasterInfo | None) -> None:
        self.subscriptions.append((framework_id, None if master is None else master.pid))
        await self._tell()

    async def offers(self, offers: Sequence[Offer]) -> None:
        for offer in offers:
            if self.wanted:
                sleeping = task(self.wanted.pop(), offer, "cpus:0.1;mem:32", command_info("exec sleep 1000"))
                await self.launch(offer, sleeping, refuse_seconds=0.1)
            else:
                await self.decline(offer, refuse_seconds=0.1)

    async def update(self, status: TaskStatus) -> None:
        self.states.setdefault(status.task_id.value, []).append(status.state)
        await self._tell()

    async def run_task(self, name: str) -> None:
        """Launch a task and wait until it runs."""
        self.wanted.append(name)
        await self.until(lambda: "TASK_RUNNING" in self.states.get(name, ()))

    async def until(self, condition: object) -> None:
        assert callable(condition)
        async with asyncio.timeout(WAIT_SECONDS), self.heard:
            await self.heard.wait_for(condition)

    async def _tell(self) -> None:
        async with self.heard:
            self.heard.notify_all()


@contextlib.asynccontextmanager
async def masters(zookeeper: ZooKeeper, directory: Path, count: int = 3) -> AsyncIterator[tuple[str, list[Master]]]:
    """A URL, and so many masters that contend there."""
    url = zookeeper.url(f"/e2e/{os.getpid()}-{next(_PATHS)}")
    several = [Master(directory, url, number) for number in range(1, count + 1)]
    try:
        for one in several:
            one.start()
        yield url, several
    except BaseException as error:
        for one in several:
            error.add_note(f"-- {one.name} (ended with {one.ends}):\n{one.log_end()}")
        raise
    finally:
        await asyncio.gather(*(one.stop() for one in several))


async def leader(several: Sequence[Master], *, besides: Master | None = None) -> Master:
    """Wait until one leads."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            for one in several:
                if one is not besides and await one.leads():
                    return one
            await asyncio.sleep(0.02)


async def said(master: Master, path: str, status: int) -> httpx.Response:
    """Its answer, once that has this status."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            answer = await master.get(path)
            if answer is not None and answer.status_code == status:
                return answer
            await asyncio.sleep(0.02)


async def knows_the_leader(master: Master) -> None:
    """Wait until it says who leads."""
    await said(master, "/redirect", 307)


def test_b22c_b53_a_framework_and_its_task_outlive_three_leaders(zookeeper: ZooKeeper, tmp_path: Path) -> None:
    """A82, M-HA-01, M-HA-13, X20, X22: an orderly hand-over, a crash, and a leader that is frozen and wakes up late."""

    async def scenario() -> None:
        async with masters(zookeeper, tmp_path) as (url, several):
            agent = Supervised(
                "agent",
                (
                    *MESOS_SERVICE,
                    "agent",
                    f"--master={url}",
                    "--port=0",
                    f"--work_dir={tmp_path / 'agent'}",
                    "--resources=cpus:4;mem:1024;disk:1024;ports:[31000-31009]",
                    "--registration_backoff_factor=10ms",
                ),
                tmp_path / "agent.log",
            )
            agent.start()
            framework = Watching(url)
            running = asyncio.create_task(framework.run())
            try:
                first = await leader(several)
                await framework.run_task("lasting")

                first.terminate()
                second = await leader(several, besides=first)
                assert await first.ended(1) == 0
                await framework.until(lambda: len(framework.subscriptions) >= 2)
                await framework.run_task("after-hand-over")

                second.kill()
                third = await leader(several, besides=second)
                await framework.run_task("after-crash")

                third.freeze()
                fourth = await leader(several, besides=third)
                await framework.run_task("after-freeze")
                ends = len(third.ends)
                third.thaw()
                # From its waking up to its end it never answers as a leader would.
                while len(third.ends) == ends:
                    assert not await third.leads() or len(third.ends) > ends
                assert third.ends[ends] == 1
                assert "This master ends: " in third.log_end()
                assert await leader([fourth]) is fourth

                assert len({framework_id for framework_id, _ in framework.subscriptions}) == 1
                assert [states[-1] for states in framework.states.values()] == ["TASK_RUNNING"] * 4
                answer = await fourth.get("/state", seconds_max=WAIT_SECONDS)
                assert answer is not None
                state = answer.json()
                assert state["leader"] == f"master@127.0.0.1:{fourth.port}"
                assert state["elected_time"] >= state["start_time"] > 0
                (seen,) = state["frameworks"]
                assert {one["id"]: one["state"] for one in seen["tasks"]} == dict.fromkeys(
                    ("lasting", "after-hand-over", "after-crash", "after-freeze"), "TASK_RUNNING"
                )
                assert len(state["slaves"]) == 1
                await framework.teardown()
                await running
            except BaseException as error:
                error.add_note(f"-- agent (ended with {agent.ends}):\n{agent.log_end()}")
                raise
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
                # For good: by SIGTERM it would leave its tasks to the next one, and there is none.
                await agent.stop(signal.SIGUSR1)

    asyncio.run(scenario())


def test_redirects_are_those_that_were_recorded(zookeeper: ZooKeeper, tmp_path: Path) -> None:
    """M-HA-01: status, headers and their order of every recorded answer of a standby."""
    names = [name for name in recorded()["exchanges"] if name.startswith("ha/non-leader-")]
    assert len(names) > 10

    async def scenario() -> Live:
        live = Live()
        async with masters(zookeeper, tmp_path, 2) as (_, several):
            leading = await leader(several)
            standby = next(one for one in several if one is not leading)
            await knows_the_leader(standby)
            for name in names:
                exchange = recorded()["exchanges"][name]
                call = name.removeprefix("ha/non-leader-api-v1-")
                body = json.dumps({"type": call}).encode() if exchange["method"] == "POST" else None
                answer = live.answers[name] = await _answer(standby, exchange["path"], exchange["method"], body)
                if answer.status_code == 307:
                    host = f"//localhost:{leading.port}"
                    path = "" if exchange["path"] == "/redirect" else f"/master{exchange['path']}"
                    assert answer.headers["location"] == host + path
            metrics = live.answers["ha/non-leader-metrics-snapshot"].json()
            assert metrics["master/elected"] == 0
            answer = await _answer(leading, "/metrics/snapshot")
            assert answer.json()["master/elected"] == 1
        return live

    live = asyncio.run(scenario())
    for name in names:
        check_head(live, name)


class Holding:
    """A framework that has one task and keeps its offer, and whose next scheduler follows it to another master."""

    def __init__(self) -> None:
        self.info: Json = {"user": "root", "name": "ha", "roles": ["ha"], "failover_timeout": 600.0, "checkpoint": True}
        self.info["capabilities"] = [{"type": "MULTI_ROLE"}, {"type": "PARTITION_AWARE"}]

    async def run_task(self, master: str) -> None:
        framework = await RawFramework.subscribe(master, self.info)
        offer = (await framework.event("OFFERS"))["offers"]["offers"][0]
        launch = {"type": "LAUNCH", "launch": {"task_infos": [command_task("s", offer, "exec sleep 1000")]}}
        await framework.call("ACCEPT", offer_ids=[offer["id"]], operations=[launch])
        for _ in ("TASK_STARTING", "TASK_RUNNING"):
            await framework.acknowledge(await framework.event("UPDATE"))
        self.info["id"] = {"value": framework.framework_id}
        framework.close()

    async def follow(self, master: str) -> RawFramework:
        framework = await RawFramework.subscribe(master, self.info)
        framework.framework_id = self.info["id"]["value"]
        await framework.event("OFFERS")
        return framework


def test_m_ha_01_m_le_01_what_a_new_leader_answers_is_as_recorded(zookeeper: ZooKeeper, tmp_path: Path) -> None:
    """After a failover: an agent and a framework that came back, with a task that runs on and an offer that is out."""
    names = [name for name in recorded()["exchanges"] if name.startswith("ha/leader-")]
    assert len(names) == 4

    async def scenario() -> Live:
        live = Live()
        holding = Holding()
        async with masters(zookeeper, tmp_path, 2) as (url, several):
            first = await leader(several)
            agent = Restartable(url, tmp_path / "agent", resources=AGENT.resources)
            try:
                await agent.start()
                await holding.run_task(f"127.0.0.1:{first.port}")
                await first.stop()
                leading = await leader(several, besides=first)
                framework = await holding.follow(f"127.0.0.1:{leading.port}")
                async with patient_client() as client:
                    await passed_twice(client, f"127.0.0.1:{leading.port}")
                for name in names:
                    exchange = recorded()["exchanges"][name]
                    call = name.removeprefix("ha/leader-")
                    body = json.dumps({"type": call}).encode() if exchange["method"] == "POST" else None
                    live.answers[name] = await _answer(leading, exchange["path"], exchange["method"], body)
                assert live.answers["ha/leader-redirect"].headers["location"] == f"//localhost:{leading.port}"
                framework.close()
            finally:
                await agent.process.stop()
        return live

    live = asyncio.run(scenario())
    metrics = "ha/leader-metrics-snapshot"
    for name in names:
        check_head(live, name)
    check_body(live, "ha/leader-GET_MASTER")
    state = "ha/leader-state"
    found = {str(one) for one in differences(live.json(state), exchange_shape(state), rename=anonymous)}
    # The registry has frameworks here: to a new leader each is one that comes back.
    assert {one for one in found if not any(re.fullmatch(pattern, one) for pattern in DIFFERENT)} == {
        "extra frameworks[].reregistered_time"
    }
    found = {str(one) for one in differences(live.json(metrics), exchange_shape(metrics), rename=anonymous)}
    assert {one for one in found if not any(re.fullmatch(pattern, one) for pattern in METRICS_DIFFERENT)} == {
        # There is no replicated log, and no role without a name.
        "missing registrar/log/ensemble_size",
        "missing registrar/log/recovered",
        "missing allocator/mesos/quota/roles//resources/cpus/consumed",
        "missing allocator/mesos/quota/roles//resources/mem/consumed",
        # An agent that comes back to a new leader as it was costs no write.
        "missing registrar/state_store_ms",
    }


async def _answer(master: Master, path: str, method: str = "GET", body: bytes | None = None) -> httpx.Response:
    answer = await master.get(path, method, body, WAIT_SECONDS)
    assert answer is not None
    return answer


def test_commands_find_the_leader(zookeeper: ZooKeeper, tmp_path: Path) -> None:
    """M-CL-02: and say what is wrong when they do not, without a password."""

    async def command(*words: str) -> tuple[int | None, str]:
        process = await asyncio.create_subprocess_exec(
            *MESOS_SERVICE, *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        output, _ = await process.communicate()
        return process.returncode, output.decode()

    async def scenario() -> None:
        async with masters(zookeeper, tmp_path, 2) as (url, several):
            first = await leader(several)
            await asyncio.gather(*(knows_the_leader(one) for one in several if one is not first))
            assert await command("agents", f"--master={url}", "-o", "json") == (0, "[]\n")
            for one in several:
                assert (await command("frameworks", f"--master=127.0.0.1:{one.port}"))[0] == 0
        status, told = await command("agents", f"--master=zk://u:hunter2@{zookeeper.hosts}/nobody")
        assert status == 1
        assert f"no master leads under zk://u:***@{zookeeper.hosts}/nobody" in told
        assert "hunter2" not in told

    asyncio.run(scenario())


def test_unmodified_pymesos_finds_the_leader_in_zookeeper(
    client_python: Path, zookeeper: ZooKeeper, tmp_path: Path
) -> None:
    """A87, M-HA-01: an existing detector reads our nodes."""
    url = zookeeper.url(f"/e2e/{os.getpid()}-{next(_PATHS)}")
    executor = f"exec {client_python} {CLIENTS / 'pymesos_executor.py'}"

    async def scenario() -> tuple[int | None, bytes]:
        agents = [AgentSpec(resources="cpus:4;mem:4096;ports:[31000-32000]")]
        async with LocalCluster(agents, work_dir=tmp_path, master_flags={"zk": url, "registry": "in_memory"}):
            process = await asyncio.create_subprocess_exec(
                client_python, CLIENTS / "pymesos_scheduler.py", url, executor, stdout=asyncio.subprocess.PIPE
            )
            output, _ = await process.communicate()
            return process.returncode, output

    status, output = asyncio.run(asyncio.wait_for(scenario(), 180))
    assert status == 0, output.decode()


def test_m_al_21_a_master_of_another_region_does_not_stand_by(zookeeper: ZooKeeper, tmp_path: Path) -> None:
    def domain(region: str) -> str:
        return "--domain=" + json.dumps({"fault_domain": {"region": {"name": region}, "zone": {"name": "z"}}})

    async def scenario() -> None:
        url = zookeeper.url(f"/e2e/{os.getpid()}-{next(_PATHS)}")
        here = Master(tmp_path, url, 1, domain("eu"))
        far = Master(tmp_path, url, 2, domain("us"))
        here.start()
        try:
            await leader([here])
            far.start()
            async with asyncio.timeout(WAIT_SECONDS):
                assert await far.ended(1) == 1
            assert "is in region 'eu', and this one in 'us' (--domain)" in far.log_end()
            assert await leader([here]) is here and here.ends == []
        finally:
            await asyncio.gather(far.stop(), here.stop())

    asyncio.run(scenario())


@pytest.mark.parametrize("url", ["zk://127.0.0.1:1/mesos"])
def test_without_zookeeper_nobody_leads_and_everybody_says_so(url: str, tmp_path: Path) -> None:
    """X22: a master that cannot contend listens, and leads nobody."""

    async def scenario() -> None:
        master = Master(tmp_path, url, 1)
        master.start()
        try:
            answer = await said(master, "/state", 503)
            assert (answer.status_code, answer.text) == (503, "No leader elected")
            health = await master.get("/health", seconds_max=WAIT_SECONDS)
            assert health is not None
            assert health.status_code == 200
            async with asyncio.timeout(WAIT_SECONDS):
                while f"ZooKeeper at {url}: Connection dropped" not in master.log.read_text():  # noqa: ASYNC110 - it says so
                    await asyncio.sleep(0.02)
        finally:
            await master.stop()
        assert master.ends == [0]

    asyncio.run(scenario())
