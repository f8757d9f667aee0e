"""``mesos-service demo``: starts a cluster, walks the paper's example, and checks that each step came out as there.

Paper: "Mesos: A Platform for Fine-Grained Resource Sharing in the Data Center", section 3.1 and figure 3. Rows B27 to
B30 and E54 to E57.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from mesos_service.demo.framework import ExampleFramework, NotAsThePaperSays, PlannedTask, amounts
from mesos_service.domain.errors import MesosServiceError
from mesos_service.domain.resources import Resources
from mesos_service.http.client import Connection
from mesos_service.local import LocalCluster
from mesos_service.sdk.subscription import Address
from mesos_service.telemetry.story import Story
from mesos_service.wire import operator
from mesos_service.wire.convert.values import resources_from_wire

T = TypeVar("T")

STEP_SECONDS: Final = 15.0
"""Far more than any step takes; longer means that it will not happen."""

AGENTS: Final = ("cpus:4;mem:4096", "cpus:2;mem:2048", "cpus:2;mem:2048")
"""Agent 1 is the paper's; the others are there to be refused."""
WHOLE: Final = Resources.parse(AGENTS[0])
LEFT_OVER: Final = Resources.parse("cpus:1;mem:1024")

# Tasks of framework 1 stay until the gate opens: were they gone, there would be more than the left-over to offer.
_WAIT: Final = 'while [ ! -e "$GATE" ]; do sleep 0.05; done'


def run() -> int:
    """Run the demo; 0 when everything came out as the paper says, else 1 with a line that says what did not."""
    try:
        asyncio.run(_demo())
    except (NotAsThePaperSays, MesosServiceError) as failure:
        print(f"demo: not as the paper says: {failure}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130
    return 0


async def _demo() -> None:
    started = time.monotonic()
    this = asyncio.current_task()
    assert this is not None, "it runs in a task"
    for end in (signal.SIGTERM, signal.SIGHUP):  # As by Ctrl-C: nothing that was started stays.
        asyncio.get_running_loop().add_signal_handler(end, this.cancel)
    with tempfile.TemporaryDirectory(prefix="mesos-service-demo-") as directory:
        agents = [{"resources": resources} for resources in AGENTS]
        async with LocalCluster(agents=agents, work_dir=Path(directory) / "cluster", master_port=0) as cluster:
            _say(f"A master at {cluster.master} and three agents:")
            for number, (address, resources) in enumerate(zip(cluster.agents, AGENTS, strict=True), 1):
                _say(f"  agent {number} at {address} with {amounts(Resources.parse(resources))}")
            await walk(cluster.master, cluster.agents[0], Path(directory) / "gate")
    _say(f"\nEverything came out as the paper says, in {time.monotonic() - started:.1f} s.")


async def walk(master: str, agent: str, gate: Path) -> None:
    """Walk the example on a cluster whose ``agent`` has 4 cpus and 4 GB and runs nothing.

    Raises:
        NotAsThePaperSays: a step came out otherwise.
    """
    story = Story()
    environment = {"GATE": str(gate)}
    address = Address.parse(agent, 5051)
    first = ExampleFramework(
        "framework 1",
        master,
        address,
        [_summing("task-1", "cpus:2;mem:1024", 1000, _WAIT), _summing("task-2", "cpus:1;mem:2048", 2000, _WAIT)],
        environment,
        story,
    )
    second = ExampleFramework(
        "framework 2",
        master,
        address,
        [_summing("task-3", "cpus:1;mem:1024", 3000)],
        environment,
        story,
    )

    _say("\n1. Agent 1 reports to the master that it has 4 cpus and 4 GB free.")
    free = await _within(agent_is_free(master, address), "agent 1 registers")
    _check(_same(free, WHOLE), f"agent 1 has {amounts(free)} free")

    _say("2. The master offers all of it to framework 1.")
    async with _running(first):
        offered = await _within(first.offered, "framework 1 is offered agent 1", first)
        _check(_same(offered, WHOLE), f"framework 1 was offered {amounts(offered)}")

        _say("3. Framework 1 answers with two tasks: 2 cpus and 1 GB, 1 cpu and 2 GB.")
        _say("4. The master sends the tasks to agent 1, which starts them.")
        for planned in first.tasks.values():
            await _within(planned.running.wait(), f"{planned.task_id} runs", first)
            _check("TASK_RUNNING" in planned.states, f"{planned.task_id} came to {_life(planned)}")

        _say("5. 1 cpu and 1 GB are still free: the master offers them to framework 2, which uses them.")
        async with _running(second):
            left = await _within(second.offered, "framework 2 is offered what is left of agent 1", second)
            _check(_same(left, LEFT_OVER), f"framework 2 was offered {amounts(left)}")
            await _finished(second)
            _check(
                all(not one.over.is_set() for one in first.tasks.values()),
                "framework 1's tasks ended while framework 2's ran",
            )
            await asyncio.to_thread(gate.touch)
            await _finished(first)
            await _show_output(first, second)
            await second.teardown()
        await first.teardown()
    free = await _within(agent_is_free(master, address), "agent 1 is free again")
    _say("\nWhat happened, as the frameworks saw it:")
    for line in story.whole():
        _say(f"  {line}")


def _summing(task_id: str, needs: str, last: int, *then: str) -> PlannedTask:
    """A task with a little real work: it adds up the numbers to ``last``."""
    what = f"the sum of 1 to {last} is"
    command = f"seq 1 {last} | awk '{{ sum += $1 }} END {{ print \"{what}\", sum }}'"
    return PlannedTask(task_id, needs, "; ".join((command, *then)), f"{what} {last * (last + 1) // 2}\n")


async def agent_is_free(master: str, agent: Address) -> Resources:
    """Wait until nothing runs on the agent; its resources."""
    address = Address.parse(master, 5050)
    connection = await Connection.open(address.host, address.port)
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    try:
        while True:
            answer = await connection.request("POST", "/api/v1", b'{"type":"GET_AGENTS"}', headers)
            _check(answer.status == 200, f"the master answers GET_AGENTS with {answer.status}")
            found = msgspec.json.decode(answer.body, type=operator.Response).get_agents
            for one in found.agents if found is not None else ():
                if (one.pid or "").endswith(f"@{agent}") and not one.allocated_resources and not one.offered_resources:
                    return resources_from_wire(one.total_resources)[0]
            await asyncio.sleep(0.05)
    finally:
        connection.close()


@asynccontextmanager
async def _running(framework: ExampleFramework) -> AsyncIterator[None]:
    running = asyncio.create_task(framework.run())
    running.add_done_callback(lambda _: framework.offered.cancel())
    try:
        yield
    finally:
        framework.stop()
        await asyncio.wait([running])
    running.result()


async def _within(what: Awaitable[T], means: str, framework: ExampleFramework | None = None) -> T:
    """Await a step, but not for ever."""
    try:
        async with asyncio.timeout(STEP_SECONDS):
            return await what
    except TimeoutError:
        lives = "" if framework is None else "; " + ", ".join(map(_life, framework.tasks.values()))
        raise NotAsThePaperSays(f"waited {STEP_SECONDS:g} s in vain until {means}{lives}") from None


async def _finished(framework: ExampleFramework) -> None:
    for planned in framework.tasks.values():
        await _within(planned.over.wait(), f"{planned.task_id} is over", framework)
        _check(planned.states[-1] == "TASK_FINISHED", f"{planned.task_id} came to {_life(planned)}")


async def _show_output(*frameworks: ExampleFramework) -> None:
    _say("\nWhat the tasks wrote, from their sandboxes:")
    for framework in frameworks:
        for planned in framework.tasks.values():
            output = await framework.output(planned.task_id)
            _say(f"  {planned.task_id}: {output.rstrip()}")
            _check(output == planned.output, f"{planned.task_id} wrote {output!r}")


def _life(planned: PlannedTask) -> str:
    states = ", ".join(state.removeprefix("TASK_") for state in planned.states) or "no state at all"
    return f"{planned.task_id}: {states}" + (f" ({planned.message})" if planned.message else "")


def _same(resources: Resources, expected: Resources) -> bool:
    return all(resources.scalar(name) == expected.scalar(name) for name in ("cpus", "mem"))


def _check(holds: bool, otherwise: str) -> None:
    if not holds:
        raise NotAsThePaperSays(otherwise)


def _say(text: str) -> None:
    print(text, flush=True)
