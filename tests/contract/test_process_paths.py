"""``/logging/toggle``, ``/help``, ``/files/...`` and their like, and the calls that are the same, on both services."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import httpx
import pytest

from mesos_service.local import LocalCluster
from mesos_service.telemetry.verbosity import VERBOSITY
from tests.e2e.raw import RawFramework, until


@pytest.fixture(autouse=True)
def as_usual() -> Iterator[None]:
    yield
    VERBOSITY.set(0, 0)


@asynccontextmanager
async def cluster() -> AsyncIterator[tuple[LocalCluster, httpx.AsyncClient]]:
    async with LocalCluster(agents=1) as one, httpx.AsyncClient(timeout=60) as client:
        yield one, client


def play(scenario: Callable[[LocalCluster, httpx.AsyncClient], Awaitable[None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(120), cluster() as (one, client):
            await scenario(one, client)

    asyncio.run(run())


def test_m_ob_11_the_logs_verbosity_is_told_and_changed_by_path_and_by_call() -> None:
    async def scenario(one: LocalCluster, client: httpx.AsyncClient) -> None:
        for address, prefix in ((one.master, "/master"), (one.agents[0], "/slave(1)")):
            toggle = f"http://{address}/logging/toggle"

            async def level(toggle: str = toggle) -> str:
                return (await client.get(toggle)).text

            async def told(call: dict[str, object], url: str = f"http://{address}{prefix}/api/v1") -> httpx.Response:
                return await client.post(url, json=call)

            assert await level() == "0\n"
            changed = await client.post(f"{toggle}?level=2&duration=10mins")
            assert (changed.status_code, changed.content) == (200, b"")
            assert await level() == "2\n"
            found = await told({"type": "GET_LOGGING_LEVEL"})
            assert found.json() == {"type": "GET_LOGGING_LEVEL", "get_logging_level": {"level": 2}}
            set_level = {"level": 0, "duration": {"nanoseconds": 1_000_000_000}}
            done = await told({"type": "SET_LOGGING_LEVEL", "set_logging_level": set_level})
            assert (done.status_code, done.content, "content-type" in done.headers) == (200, b"", False)
            assert await level() == "0\n"
            for wrong, why in (
                ("level=1", "Expecting 'duration=value' in query.\n"),
                ("duration=1secs", "Expecting 'level=value' in query.\n"),
                ("level=-1&duration=1secs", "Invalid level '-1'.\n"),
                ("level=x&duration=1secs", "Failed to convert 'x' to number.\n"),
                ("level=99999999999&duration=1secs", "Failed to convert '99999999999' to number.\n"),
            ):
                refused = await client.get(f"{toggle}?{wrong}")
                assert (refused.status_code, refused.text) == (400, why)
            assert (await client.get(f"{toggle}?level=1&duration=long")).status_code == 400
            huge = {"level": 2**32 - 1, "duration": {"nanoseconds": 2**63 - 1}}
            assert (await told({"type": "SET_LOGGING_LEVEL", "set_logging_level": huge})).status_code == 400
            nothing = await told({"type": "SET_LOGGING_LEVEL"})
            assert "Expecting 'set_logging_level' to be present" in nothing.text
            assert await level() == "0\n"

    play(scenario)


def test_the_longest_duration_is_bounded_by_what_a_loop_can_wait_for() -> None:
    async def scenario(one: LocalCluster, client: httpx.AsyncClient) -> None:
        url = f"http://{one.master}/api/v1"
        wanted = {"level": 1, "duration": {"nanoseconds": 2**63 - 1}}
        call = {"type": "SET_LOGGING_LEVEL", "set_logging_level": wanted}
        assert (await client.post(url, json=call)).status_code == 200
        assert VERBOSITY.level == 1

    play(scenario)


def test_m_le_01_pages_files_and_the_machine() -> None:
    async def scenario(one: LocalCluster, client: httpx.AsyncClient) -> None:
        for address in (one.master, one.agents[0]):
            page = await client.get(f"http://{address}/help")
            assert page.headers["content-type"] == "text/html"
            assert "GET /metrics/snapshot" in page.text
            for path in ("/help", "/docs", "/openapi.json", "/openapi-3.2.json"):
                sent = (await client.get(f"http://{address}{path}")).headers.raw
                assert [name for name, _ in sent] == [b"Date", b"Content-Type", b"Content-Length"], path
            stats = (await client.get(f"http://{address}/system/stats.json?jsonp=f")).text
            assert json.loads(stats.removeprefix("f(").removesuffix(")"))["cpus_total"] >= 1
        for path in ("browse", "read", "download", "browse.json"):
            missing = await client.get(f"http://{one.master}/files/{path}?path=/nope")
            assert (missing.status_code, missing.content) == (404, b"")
            assert missing.headers["content-type"] == "text/plain; charset=utf-8"
            nothing = await client.get(f"http://{one.master}/master/files/{path}")
            assert (nothing.status_code, nothing.text) == (400, "Expecting 'path=value' in query.\n")

    play(scenario)


def test_m_al_14_whom_constraints_exclude_is_told() -> None:
    async def scenario(one: LocalCluster, client: httpx.AsyncClient) -> None:
        url = f"http://{one.master}/allocator/offer_constraints_debug"
        assert (await client.get(url)).json() == {"frameworks": {}}
        info = {"user": "root", "name": "picky", "roles": ["a", "b"], "capabilities": [{"type": "MULTI_ROLE"}]}
        group = {"attribute_constraints": [{"selector": {"attribute_name": "rack"}, "predicate": {"exists": {}}}]}
        constraints = {"role_constraints": {"a": {"groups": [group]}}}
        framework = await RawFramework.subscribe(
            one.master, info, suppressed_roles=["b"], offer_constraints=constraints
        )
        await framework.event("SUBSCRIBED")
        agents = (await client.get(f"http://{one.master}/slaves")).json()["slaves"]
        assert (await client.get(url)).json()["frameworks"] == {
            framework.framework_id: {
                "suppressed_roles": ["b"],
                "excluded_by_attribute_constraints": {"a": [agents[0]["id"]], "b": []},
            }
        }
        framework.close()

    play(scenario)


def test_m_le_03_a_container_that_is_not_up_yet_is_told() -> None:
    """It waits for a file that nobody serves yet."""

    async def scenario(one: LocalCluster, client: httpx.AsyncClient) -> None:
        held = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await held.wait()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        framework = await RawFramework.subscribe(one.master, {"user": "root", "name": "f"})
        offer = (await framework.event("OFFERS"))["offers"]["offers"][0]
        task = {
            "name": "t",
            "task_id": {"value": "t"},
            "agent_id": offer["agent_id"],
            "resources": [{"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.1}}],
            "command": {"value": "true", "uris": [{"value": f"http://127.0.0.1:{port}/never"}]},
        }
        launch = {"type": "LAUNCH", "launch": {"task_infos": [task]}}
        await framework.call("ACCEPT", offer_ids=[offer["id"]], operations=[launch])
        url = f"http://{one.agents[0]}/containerizer/debug"

        async def waits() -> bool:
            pending = (await client.get(url)).json()["pending"]
            return [one["operation"] for one in pending] == ["containerizer::fetching"]

        await until(waits)
        held.set()
        server.close()

        async def is_over() -> bool:
            return bool((await client.get(url)).json() == {"pending": []})

        await until(is_over)
        framework.close()

    play(scenario)
