"""``bench reads``: what reads of a large cluster cost, and for how long each keeps everybody else waiting.

A master's memory is made by hand and rendered as its doors do it, without a socket: the longest slice is what a stream
or a call may have to wait for a read (G10). The first one takes the moment that is rendered. CPU time of one of several
runs, the least for each figure, garbage collected as often as in a master.
"""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Final

import msgspec

from mesos_service.bench.report import Report, calibrate
from mesos_service.core.master.guard import Guard
from mesos_service.core.master.state import Agent, Framework, MasterOptions, MasterState, Task
from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.frameworks import MULTI_ROLE, FrameworkInfo
from mesos_service.domain.ids import AgentId, FrameworkId, MasterId, Role, StreamId, TaskId
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import Source, TaskInfo, TaskState, TaskStatus
from mesos_service.memory import COLLECTIONS
from mesos_service.plugins.allocator import AllocatorOptions
from mesos_service.plugins.loader import ALLOCATORS, load
from mesos_service.wire.agents import MasterInfo
from mesos_service.wire.common import VersionInfo
from mesos_service.wire.render import legacy_master, master_v1, operator_events
from mesos_service.wire.render.legacy_summary import state_summary_answer
from mesos_service.wire.render.snapshot import snapshot
from mesos_service.wire.sliced import json_slices, protobuf_slices

FRAMEWORKS: Final = 200
TASKS_AN_AGENT: Final = 4
RUNS: Final = 3
_MASTER: Final = MasterInfo(id="m", ip=1, port=5050, hostname="h", pid="master@h:5050")
_BUILD: Final = VersionInfo(version="1.12.0")
_HELD: Final = "cpus:0.5;mem:128"


def make_state(agents: int) -> MasterState:
    """Each agent runs tasks of several frameworks, and has a name of its own."""
    state = MasterState(
        master_id=MasterId("m"),
        options=MasterOptions(),
        allocator=Guard(load(ALLOCATORS, "hierarchical")(AllocatorOptions())),
        random=random.Random(1),
    )
    total = Resources.parse("cpus:4;mem:4096;disk:8192;ports:[31000-32000]")
    frameworks = [_framework(number) for number in range(FRAMEWORKS)]
    state.frameworks = {one.framework_id: one for one in frameworks}
    tasks = count()
    for number in range(agents):
        agent_id = AgentId(f"m-S{number}")
        info = AgentInfo(hostname=f"host-{number}", agent_id=agent_id, resources=total, version="1.12.0")
        agent = Agent(agent_id=agent_id, info=info, link_id=None, registered_at=1.0, total=total)
        state.agents[agent_id] = agent
        for _ in range(TASKS_AN_AGENT):
            task_number = next(tasks)
            _run(frameworks[task_number % FRAMEWORKS], agent, TaskId(f"task-{task_number}"))
    return state


def _framework(number: int) -> Framework:
    framework_id, role = FrameworkId(f"m-{number:04d}"), Role(f"role-{number}")
    info = FrameworkInfo(
        name=f"framework-{number}",
        user="root",
        framework_id=framework_id,
        roles=(role,),
        capabilities=frozenset({MULTI_ROLE}),
    )
    return Framework(framework_id=framework_id, info=info, stream_id=StreamId(str(number)), registered_at=1.0)


def _run(framework: Framework, agent: Agent, task_id: TaskId) -> None:
    held = Resources.parse(_HELD).allocated_to(framework.info.roles[0])
    told = (TaskState.STARTING, TaskState.RUNNING)
    task = Task(
        info=TaskInfo(task_id=task_id, agent_id=agent.agent_id, name=task_id, resources=held),
        framework_id=framework.framework_id,
        agent_id=agent.agent_id,
        executor_id=None,
        state=TaskState.RUNNING,
        statuses=tuple(
            TaskStatus(task_id=task_id, state=one, source=Source.EXECUTOR, agent_id=agent.agent_id, timestamp=2.0)
            for one in told
        ),
    )
    framework.tasks[task_id] = task
    agent.tasks.setdefault(framework.framework_id, {})[task_id] = task
    agent.used[framework.framework_id] = agent.used.get(framework.framework_id, Resources.EMPTY) + held


def _reads(state: MasterState) -> dict[str, Callable[[], Iterator[bytes]]]:
    def get_state() -> msgspec.Struct:
        return master_v1.get_state(snapshot(state))

    return {
        "state": lambda: json_slices(legacy_master.state_answer(snapshot(state), _MASTER, _BUILD, {})),
        "state_summary": lambda: json_slices(state_summary_answer(snapshot(state), _MASTER, {})),
        "slaves": lambda: json_slices(legacy_master.agents_answer(snapshot(state, frameworks=False))),
        "frameworks": lambda: json_slices(legacy_master.frameworks_answer(snapshot(state))),
        "tasks": lambda: json_slices(
            legacy_master.tasks_answer(snapshot(state, agents=False), legacy_master.Page(limit=100))
        ),
        "get_state": lambda: json_slices(get_state()),
        "subscribed_protobuf": lambda: protobuf_slices(operator_events.subscribed(snapshot(state), 15.0)),
    }


async def measure(agents: int = 5_000, runs: int = RUNS) -> Report:
    """``agents`` with four tasks each."""
    state = make_state(agents)
    often = gc.get_threshold()
    gc.collect()
    gc.set_threshold(*COLLECTIONS)
    try:
        return _measure(state, agents, runs)
    finally:
        gc.set_threshold(*often)


def _measure(state: MasterState, agents: int, runs: int) -> Report:
    report = Report("reads")
    yardstick = calibrate()
    begin = time.process_time()
    snapshot(state)
    report.figures["moment_ms"] = (time.process_time() - begin) * 1e3
    for name, begun in _reads(state).items():
        found = [_time(begun) for _ in range(runs)]
        report.figures[f"{name}_longest_slice_ms"] = min(longest for longest, _, _ in found) * 1e3
        report.figures[f"{name}_ms"] = min(whole for _, whole, _ in found) * 1e3
        report.figures[f"{name}_mb"] = found[0][2] / 1e6
    report.figures |= {"agents": agents, "tasks": agents * TASKS_AN_AGENT, "calibration_us": yardstick * 1e6}
    report.legend = {"moment_ms": "taking the moment that all of a large answer is of: what cannot be sliced"}
    return report


def _time(begun: Callable[[], Iterator[bytes]]) -> tuple[float, float, int]:
    """The longest slice and all of them, in seconds of CPU, and the bytes."""
    longest = whole = 0.0
    size = 0
    before = time.process_time()
    slices = begun()
    for piece in slices:
        size += len(piece)
        now = time.process_time()
        longest, whole = max(longest, now - before), whole + now - before
        before = now
    return longest, whole, size
