"""What a master tells, held to what Apache Mesos told in the same situations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pytest

from tests.contract.compare import check, check_head
from tests.contract.live import REFUSED, STAGES, Live, recordings
from tests.contract.shapes import recorded

NOT_HAD: Final[Mapping[str, str]] = {
    "master-api-v1/idle-LIST_FILES": "a log file",
    "master-api-v1/idle-READ_FILE": "a log file",
}
"""What was recorded and is not in this version, and what it is about."""


def names(folder: str) -> list[str]:
    return [name for stage in STAGES for name in recordings(stage) if name.startswith(f"{folder}/")]


@pytest.mark.parametrize("name", [name for name in names("master") if name not in NOT_HAD])
def test_m_le_01_old_paths_answer_as_recorded(live: Live, name: str) -> None:
    check(live, name)


@pytest.mark.parametrize("name", [name for name in names("master-api-v1") if name not in NOT_HAD])
def test_operator_calls_answer_as_recorded(live: Live, name: str) -> None:
    """M-OM-01, M-OM-02, M-OM-03."""
    check(live, name)


@pytest.mark.parametrize("name", NOT_HAD)
def test_what_is_not_had_says_so(live: Live, name: str) -> None:
    """Whoever adds one of these takes it out of the list."""
    assert live.answers[name].status_code == 404


@pytest.mark.parametrize(
    "name",
    [f"errors/master-api-v1-{name}" for name in REFUSED if f"errors/master-api-v1-{name}" in recorded()["exchanges"]],
)
def test_m_om_01_calls_are_refused_as_recorded(live: Live, name: str) -> None:
    check(live, name)


def test_m_om_14_an_operator_tears_a_framework_down(live: Live) -> None:
    unknown, done = live.answers["write-TEARDOWN-unknown"], live.answers["operator-teardown"]
    assert (unknown.status_code, unknown.text) == (400, "No framework found with specified ID")
    assert (done.status_code, done.content, "content-type" in done.headers) == (200, b"", False)
    after = live.json("master/after-frameworks")
    assert after["frameworks"] == []
    (framework,) = after["completed_frameworks"]
    assert framework["unregistered_time"] > framework["registered_time"]
    assert {task["id"] for task in framework["completed_tasks"]} == {"t1", "a", "b"}


def test_m_om_02_whole_and_parts_agree(live: Live) -> None:
    """GET_STATE is made of what GET_AGENTS, GET_FRAMEWORKS, GET_EXECUTORS and GET_TASKS tell."""
    whole = live.json("master-api-v1/running-GET_STATE")["get_state"]
    for part in ("get_agents", "get_frameworks", "get_executors", "get_tasks"):
        assert whole[part] == live.json(f"master-api-v1/running-{part.upper()}")[part]


def test_m_om_02_old_and_new_tell_the_same(live: Live) -> None:
    old = live.json("master/running-state")
    new = live.json("master-api-v1/running-GET_STATE")["get_state"]
    assert [agent["id"] for agent in old["slaves"]] == [
        agent["agent_info"]["id"]["value"] for agent in new["get_agents"]["agents"]
    ]
    (old_framework,), (new_framework,) = old["frameworks"], new["get_frameworks"]["frameworks"]
    assert old_framework["id"] == new_framework["framework_info"]["id"]["value"]
    (old_task,), (new_task,) = old_framework["tasks"], new["get_tasks"]["tasks"]
    assert (old_task["id"], old_task["state"]) == (new_task["task_id"]["value"], new_task["state"])
    assert old_framework["used_resources"] == {"disk": 0.0, "mem": 32.0, "gpus": 0.0, "cpus": 0.1}
    assert old["slaves"][0]["used_resources"] == old_framework["used_resources"]


def test_m_le_01_the_summary_counts_what_the_state_lists(live: Live) -> None:
    """``/state-summary`` has numbers where ``/state`` has tasks."""
    (summary,) = live.json("master/running-state-summary")["frameworks"]
    (agent,) = live.json("master/running-state-summary")["slaves"]
    for one in (summary, agent):
        assert {key: count for key, count in one.items() if key.startswith("TASK_") and count} == {"TASK_RUNNING": 1}
    assert (summary["slave_ids"], agent["framework_ids"]) == ([agent["id"]], [summary["id"]])


def test_m_le_01_redirect_names_the_leader(live: Live) -> None:
    leader = live.json("master/idle-state")["leader_info"]
    answer = live.answers["master/idle-redirect"]
    check_head(live, "master/idle-redirect")
    assert answer.headers["location"] == f"//{leader['hostname']}:{leader['port']}"


def test_m_om_03_metrics_are_the_same_twice(live: Live) -> None:
    """GET_METRICS lists what ``/metrics/snapshot`` shows."""
    old: dict[str, Any] = live.json("master/idle-metrics-snapshot")
    new = live.json("master-api-v1/idle-GET_METRICS")["get_metrics"]["metrics"]
    assert list(old) == [metric["name"] for metric in new] == sorted(old)
    assert old["master/slaves_active"] == 1.0
