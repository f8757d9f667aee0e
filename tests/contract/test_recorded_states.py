"""Answers in states that somebody had to prepare: after reservations, volumes, drains, failovers, teardowns, and with
executors of their own (M-LE-01, M-OM-03, M-OM-09, M-OM-11, M-SE-07, X15).

What three walks were answered (``prepared.py``) is compared with what Apache Mesos answered, one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest
import uvloop

from mesos_service.local import LocalCluster
from tests.contract import live, prepared
from tests.contract.asked import REQUESTS, STEPS
from tests.contract.compare import check
from tests.contract.derive_shapes import Anonymous
from tests.contract.live import Live
from tests.contract.prepared import AFTER
from tests.contract.shapes import Json, Shape, exchange_shape, recorded
from tests.contract.walk import MACHINE, ROLE, Walk

OPERATORS: Final = (
    "agent/drained-state",
    "agent/operator-reserved-state",
    "master/after-errors-frameworks",
    "master/deactivated-slaves",
    "master/drained-slaves",
    "master/operator-reserved-slaves",
    "master/scheduled-maintenance-schedule",
    "master/scheduled-maintenance-status",
    "master-api-v1/after-CREATE_VOLUMES-GET_AGENTS",
    "master-api-v1/deactivated-GET_AGENTS",
    "master-api-v1/drained-GET_AGENTS",
    "master-api-v1/scheduled-GET_MAINTENANCE_SCHEDULE",
    "master-api-v1/scheduled-GET_MAINTENANCE_STATUS",
    "master-api-v1/write-CREATE_VOLUMES",
    "master-api-v1/write-DEACTIVATE_AGENT",
    "master-api-v1/write-DESTROY_VOLUMES",
    "master-api-v1/write-DRAIN_AGENT",
    "master-api-v1/write-GROW_VOLUME",
    "master-api-v1/write-REACTIVATE_AGENT",
    "master-api-v1/write-REACTIVATE_AGENT-after-drain",
    "master-api-v1/write-RESERVE_RESOURCES",
    "master-api-v1/write-SHRINK_VOLUME",
    "master-api-v1/write-STOP_MAINTENANCE-not-down",
    "master-api-v1/write-UNRESERVE_RESOURCES",
    "master-api-v1/write-UNRESERVE_RESOURCES-again",
    "master-api-v1/write-UPDATE_MAINTENANCE_SCHEDULE",
)
SCHEDULERS: Final = (
    "master/after-failover-frameworks",
    "master/disconnected-frameworks",
    "master/disconnected-state",
    "master/reserved-roles",
    "master/reserved-slaves",
    "master/suppressed-frameworks",
    "master/volume-slaves",
    "master-api-v1/reserved-GET_OPERATIONS",
    *AFTER,
)
TASKS: Final = (
    "agent/custom-executor-containers",
    "agent/custom-executor-state",
    "agent-api-v1/custom-executor-GET_EXECUTORS",
    "master-api-v1/custom-executor-GET_EXECUTORS",
    "task-kinds/after-teardown-agent-state",
    "task-kinds/after-teardown-state",
)
renamed: Final = Anonymous((ROLE,))


@pytest.fixture(scope="module")
def operators() -> Live:
    return uvloop.run(prepared.as_operators())


@pytest.fixture(scope="module")
def scheduler() -> tuple[Walk, list[Json]]:
    return uvloop.run(prepared.as_a_scheduler())


@pytest.fixture(scope="module")
def of_tasks(tmp_path_factory: pytest.TempPathFactory) -> Walk:
    folder: Path = tmp_path_factory.mktemp("own-executor")
    return uvloop.run(prepared.of_tasks(folder))


def lists(value: Json, shape: Shape, path: str = "") -> Iterator[tuple[str, bool]]:
    """Where there are lists that were not always empty when recorded, and whether this one has anything in it."""
    if isinstance(shape, list) and isinstance(value, list):
        if shape:
            yield path, bool(value)
        for one in value if shape else ():
            yield from lists(one, shape[0], f"{path}[]")
    elif isinstance(shape, dict) and isinstance(value, dict):
        known = {key.removesuffix("?"): inner for key, inner in shape.items()}
        for key, one in value.items():
            yield from lists(one, known.get(renamed(key)), f"{path}.{key}")


def compared(answers: Live, name: str) -> None:
    check(answers, name, renamed)
    if "shape" in recorded()["exchanges"][name]:
        found = set(lists(answers.json(name), exchange_shape(name)))
        # Where a list is always empty, nothing in it was compared.
        assert {path for path, _ in found} == {path for path, filled in found if filled}


@pytest.mark.parametrize("name", OPERATORS)
def test_m_le_01_m_om_09_m_om_11_what_operators_prepare_is_told_as_recorded(operators: Live, name: str) -> None:
    """Status, headers, texts of refusals, and of bodies which keys, in which order, of which types."""
    compared(operators, name)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_m_le_01_what_a_scheduler_prepares_is_told_as_recorded(scheduler: tuple[Walk, list[Json]], name: str) -> None:
    compared(scheduler[0].live, name)


@pytest.mark.parametrize("name", TASKS)
def test_m_le_01_tasks_with_executors_of_their_own_are_told_as_recorded(of_tasks: Walk, name: str) -> None:
    compared(of_tasks.live, name)


def test_m_le_01_reservations_are_told_with_their_amounts(operators: Live, scheduler: tuple[Walk, list[Json]]) -> None:
    (agent,) = operators.json("master/operator-reserved-slaves")["slaves"]
    assert agent["reserved_resources"] == {"ops": {"cpus": 0.25, "disk": 64.0, "gpus": 0.0, "mem": 0.0}}
    assert operators.json("agent/operator-reserved-state")["reserved_resources"] == agent["reserved_resources"]
    assert agent["unreserved_resources"]["cpus"] == 3.75
    (agent,) = scheduler[0].live.json("master/volume-slaves")["slaves"]
    parts = agent["reserved_resources_full"][ROLE]
    assert [one["scalar"]["value"] for one in parts] == [0.5, 64.0, 50.0, 50.0]
    (role,) = scheduler[0].live.json("master/reserved-roles")["roles"]
    assert role["reserved"] == role["quota"]["consumed"] == {"cpus": 0.5, "disk": 100.0, "mem": 64.0}


def test_m_le_01_a_failover_is_told_with_its_time_and_forgotten_by_no_read(scheduler: tuple[Walk, list[Json]]) -> None:
    answers = scheduler[0].live
    (away,) = answers.json("master/disconnected-frameworks")["frameworks"]
    (over,) = answers.json("master/after-frameworks")["completed_frameworks"]
    assert (away["active"], away["connected"], away["tasks"][0]["state"]) == (False, False, "TASK_RUNNING")
    assert over["registered_time"] < away["reregistered_time"] < over["reregistered_time"] < over["unregistered_time"]
    (agent,) = answers.json("master/after-state-summary")["slaves"]
    assert (agent["framework_ids"], agent["TASK_FINISHED"], agent["TASK_KILLED"]) == ([], 0, 0)


def test_m_le_01_an_agent_says_what_it_can(operators: Live) -> None:
    """All that Mesos' agents can, but for resource providers, in the recorded order."""
    wanted = [
        "MULTI_ROLE",
        "HIERARCHICAL_ROLE",
        "RESERVATION_REFINEMENT",
        "RESIZE_VOLUME",
        "AGENT_OPERATION_FEEDBACK",
        "AGENT_DRAINING",
        "TASK_RESOURCE_LIMITS",
    ]
    assert operators.json("agent/drained-state")["capabilities"] == wanted
    assert operators.json("master/drained-slaves")["slaves"][0]["capabilities"] == wanted
    (agent,) = operators.json("master-api-v1/drained-GET_AGENTS")["get_agents"]["agents"]
    assert [one["type"] for one in agent["capabilities"]] == wanted


def test_m_le_01_frameworks_are_told_with_what_they_said(operators: Live) -> None:
    told = [
        (one["capabilities"], one["failover_timeout"], one["user"], one.get("role"))
        for one in operators.json("master/after-errors-frameworks")["completed_frameworks"]
    ]
    assert sorted(told, key=str) == sorted(
        [
            ([], -1.0, "root", "*"),
            ([], 0.0, "root", "*"),
            (["UNKNOWN"], 0.0, "root", "*"),
            ([], 0.0, "", "*"),
            (["MULTI_ROLE"], 0.0, "root", None),
        ],
        key=str,
    )


def in_recorded_order(told: list[list[str]], timeline: str) -> bool:
    """Whether they are among the recorded events, in that order."""
    events = iter([one[2:] for one in recorded()["timelines"][timeline] if one[0] == "event"])
    return all(one in events for one in told)


def test_x15_m_se_07_a_schedulers_events_come_as_recorded(scheduler: tuple[Walk, list[Json]]) -> None:
    walk, _ = scheduler
    assert [one[0] for one in walk.told if one[0] not in ("UPDATE", "UPDATE_OPERATION_STATUS")] == [
        "ERROR",
        "SUBSCRIBED",
        "SUBSCRIBED",
        "ERROR",
    ]
    assert in_recorded_order(walk.told, "scheduler/timeline"), walk.told
    # What an operation made of resources is told here, though not in Mesos.
    extra = "UPDATE_OPERATION_STATUS: extra update_operation_status.status.converted_resources"
    assert set(walk.unlike) == {extra}
    assert [(one["operation_id"]["value"], one["state"], "message" in one) for one in walk.statuses] == [
        ("op-reserve", "OPERATION_FINISHED", False),
        ("op-create", "OPERATION_FINISHED", False),
        ("op-destroy", "OPERATION_FINISHED", False),
        ("op-unreserve", "OPERATION_FINISHED", False),
        ("op-bad", "OPERATION_ERROR", True),
        ("op-reserve", "OPERATION_UNKNOWN", True),
        ("op-unknown", "OPERATION_UNKNOWN", True),
    ]
    assert walk.statuses[-2]["message"] == "Reconciliation: Operation is unknown"
    assert walk.statuses[-1]["message"] == "Reconciliation: Operation is unknown and no 'agent_id' was provided"


def test_m_om_06_operators_are_told_of_a_framework_as_recorded(scheduler: tuple[Walk, list[Json]]) -> None:
    """That its scheduler is away is told by no event; that the task ended is told before that the framework did."""
    assert [one["type"] for one in scheduler[1] if one["type"] != "HEARTBEAT"] == [
        "FRAMEWORK_ADDED",
        "TASK_ADDED",
        *["TASK_UPDATED"] * 3,
        "FRAMEWORK_UPDATED",
        "TASK_ADDED",
        *["TASK_UPDATED"] * 2,
        "FRAMEWORK_UPDATED",
        "FRAMEWORK_UPDATED",
        "TASK_UPDATED",
        "FRAMEWORK_REMOVED",
    ]


def test_x15_tasks_of_many_kinds_are_told_as_recorded(of_tasks: Walk) -> None:
    assert of_tasks.unlike == []
    at = next(number for number, one in enumerate(of_tasks.told) if one[1:2] == ["TASK_STARTING"])
    assert in_recorded_order(of_tasks.told[:at], "executor/scheduler-timeline")
    assert in_recorded_order(of_tasks.told[at:], "task-kinds/timeline"), of_tasks.told[at:]


def test_m_le_01_an_executor_of_ones_own_is_told_with_its_command_and_cost(of_tasks: Walk) -> None:
    """Which is not told of built-in ones."""
    for name in ("agent-api-v1/custom-executor-GET_EXECUTORS", "master-api-v1/custom-executor-GET_EXECUTORS"):
        (one,) = of_tasks.live.json(name)["get_executors"]["executors"]
        info = one["executor_info"]
        assert info["command"]["environment"]["variables"] == [{"name": "FOO", "type": "VALUE", "value": "bar"}]
        assert [part["scalar"]["value"] for part in info["resources"]] == [0.1, 32.0]
        assert info["shutdown_grace_period"] == {"nanoseconds": 5_000_000_000}


async def scheduled() -> list[tuple[int, Json]]:
    """Status of each body, and the schedule after it; a window is set anew before each."""
    async with LocalCluster(0) as cluster, httpx.AsyncClient(timeout=60, trust_env=False) as client:
        url = f"http://{cluster.master}/maintenance/schedule"
        window = {"machine_ids": [MACHINE], "unavailability": {"start": {"nanoseconds": 4 * 10**18}}}
        found = []
        for body, _, _ in BODIES:
            assert (await client.post(url, json={"windows": [window]})).status_code == 200
            answer = await client.post(url, content=body)
            found.append((answer.status_code, (await client.get(url)).json()))
        down = await client.post(f"http://{cluster.master}/machine/down", json=[MACHINE])
        assert down.status_code == 200, down.text
        answer = await client.post(url, content='{"nope": 1}')
        assert answer.text.endswith("is deactivated and cannot be removed from the schedule")
        return found


BODIES: Final = (
    ("{}", 200, True),
    ('{"nope": [1]}', 200, True),
    ('{"windows": null}', 200, True),
    ('{"windows": []}', 200, True),
    ('{"windows": 3}', 400, False),
    ('{"windows": [{}]}', 400, False),
    ('{"windows": [{"machine_ids": 3}]}', 400, False),
    ("[]", 400, False),
    ("null", 400, False),
    ("", 400, False),
)
"""A body, its status, and whether the schedule is empty after it."""


def test_m_om_11_a_schedule_without_windows_is_the_empty_one() -> None:
    """As in Mesos: to leave out what is repeated is to say that there is none, and what nobody knows is ignored.
    The empty object was recorded. What is no schedule at all is refused, and changes nothing."""
    for (body, status, empty), (answered, after) in zip(BODIES, uvloop.run(scheduled()), strict=True):
        assert (answered, after == {}) == (status, empty), body


def test_m_le_01_no_recorded_answer_of_a_cluster_is_left_out() -> None:
    """Those of folders whose walks say so themselves are not asked about."""
    folders = (*live.FOLDERS, "task-kinds")
    known = {name for name in recorded()["exchanges"] if name.partition("/")[0] in folders}
    met = {*OPERATORS, *SCHEDULERS, *TASKS, *REQUESTS, *(name for name, _ in STEPS)}
    met |= {name for stage in live.STAGES for name in live.recordings(stage)}
    # There is no log file to read, and the old spelling is served.
    assert known - met == {"master/alias-state.json", "master/files-read-log"}
