"""What an agent tells, held to what Apache Mesos' agent told in the same situations."""

from __future__ import annotations

import base64
from typing import Final

import pytest

from tests.contract.compare import DIFFERENT, check, excused
from tests.contract.live import REFUSED, STAGES, Live, recordings
from tests.contract.shapes import recorded

ASKED_OTHERWISE: Final = "agent-api-v1/idle-LIST_FILES"
"""Recorded of the agent's log file; ours shows sandboxes alone, for which there is a test of its own."""


def names(folder: str) -> list[str]:
    return [name for stage in STAGES for name in recordings(stage) if name.startswith(f"{folder}/")]


@pytest.mark.parametrize("name", names("agent"))
def test_m_le_03_old_paths_answer_as_recorded(live: Live, name: str) -> None:
    check(live, name)


@pytest.mark.parametrize("name", [name for name in names("agent-api-v1") if name != ASKED_OTHERWISE])
def test_m_oa_01_operator_calls_answer_as_recorded(live: Live, name: str) -> None:
    check(live, name)


@pytest.mark.parametrize(
    "name",
    [f"errors/agent-api-v1-{name}" for name in REFUSED if f"errors/agent-api-v1-{name}" in recorded()["exchanges"]],
)
def test_m_oa_01_calls_are_refused_as_recorded(live: Live, name: str) -> None:
    check(live, name)


def test_m_le_03_containers_tell_who_runs_and_what_it_uses(live: Live) -> None:
    (container,) = live.json("agent/running-containers")
    (statistics,) = live.json("agent/running-monitor-statistics")
    (executor,) = live.json("agent/running-state")["frameworks"][0]["executors"]
    assert container["container_id"] == executor["container"]
    assert container["executor_id"] == statistics["executor_id"] == executor["id"] == "t1"
    assert container["status"]["executor_pid"] > 1
    assert container["statistics"]["mem_limit_bytes"] == 32 * 2**20
    assert container["statistics"]["mem_rss_bytes"] > 0


def test_m_oa_01_a_group_is_one_container_with_one_for_each_task(live: Live) -> None:
    (top,) = live.json("agent/pod-containers")
    nested = live.json("agent-api-v1/pod-GET_CONTAINERS-nested")["get_containers"]["containers"]
    assert nested[0]["container_id"]["value"] == top["container_id"]
    assert [one["container_status"]["container_id"].get("parent", {}).get("value") for one in nested[1:]] == [
        top["container_id"]
    ] * 2
    assert top["statistics"]["mem_limit_bytes"] == sum(
        one["resource_statistics"]["mem_limit_bytes"] for one in nested[1:]
    )


def test_m_oa_02_sandboxes_are_listed_and_read_and_nothing_else(live: Live) -> None:
    files = live.json("sandbox-LIST_FILES")["list_files"]["file_infos"]
    assert {one["path"].rpartition("/")[2] for one in files} == {"stdout", "stderr"}
    assert all(set(one) == {"path", "nlink", "size", "mtime", "mode", "uid", "gid"} for one in files)
    piece = live.json("sandbox-READ_FILE")["read_file"]
    assert (piece["size"], base64.b64decode(piece["data"])) == (len("hello\n"), b"ell")
    assert (live.answers["outside-LIST_FILES"].status_code, live.answers["outside-LIST_FILES"].content) == (404, b"")


def test_no_difference_is_excused_in_vain(live: Live) -> None:
    """What ``compare`` lets pass is what really differs."""
    everything = [name for stage in STAGES for name in recordings(stage)]
    assert excused(live, [name for name in everything if live.answers[name].status_code == 200]) == {*DIFFERENT}
