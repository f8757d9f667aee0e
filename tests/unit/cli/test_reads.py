"""What the reading commands make of a master's answers. The answers have the shape that Apache Mesos sends."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mesos_service.cli import reads
from mesos_service.cli.main import run

MASTER = "8af06526-955a-4fe5-b07f-b86837371131"


def scalar(name: str, value: float, **more: object) -> dict[str, object]:
    return {"name": name, "type": "SCALAR", "scalar": {"value": value}, **more}


PORTS = {"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": 31000, "end": 31005}]}, "role": "*"}
AGENT = {
    "agent_info": {
        "hostname": "one",
        "port": 5051,
        "resources": [scalar("cpus", 4.0)],
        "id": {"value": f"{MASTER}-S0"},
        "checkpoint": True,
    },
    "active": True,
    "deactivated": False,
    "version": "1.12.0",
    "pid": "slave(1)@127.0.0.1:5051",
    "registered_time": {"nanoseconds": 1795228233520201984},
    "total_resources": [scalar("cpus", 3.75, role="*"), scalar("cpus", 0.25, role="ops"), scalar("mem", 4096.0), PORTS],
    "allocated_resources": [scalar("cpus", 0.1, allocation_info={"role": "a"})],
}
OFFER = {
    "id": {"value": f"{MASTER}-O7"},
    "framework_id": {"value": f"{MASTER}-0000"},
    "agent_id": {"value": f"{MASTER}-S0"},
    "hostname": "one",
    "resources": [scalar("cpus", 1.5), scalar("mem", 32.0), PORTS],
}
FRAMEWORK = {
    "framework_info": {"user": "root", "name": "batch", "id": {"value": f"{MASTER}-0000"}, "roles": ["a", "b"]},
    "active": True,
    "connected": True,
    "recovered": False,
    "offers": [OFFER],
}


def task(name: str, state: str) -> dict[str, object]:
    return {
        "name": f"task {name}",
        "task_id": {"value": name},
        "framework_id": {"value": f"{MASTER}-0000"},
        "agent_id": {"value": f"{MASTER}-S0"},
        "state": state,
        "resources": [scalar("cpus", 0.1), scalar("mem", 32.0)],
    }


ANSWERS: dict[str, dict[str, object]] = {
    "GET_AGENTS": {"get_agents": {"agents": [AGENT], "recovered_agents": []}},
    "GET_FRAMEWORKS": {"get_frameworks": {"frameworks": [FRAMEWORK], "completed_frameworks": []}},
    "GET_TASKS": {
        "get_tasks": {
            "tasks": [task("t1", "TASK_RUNNING")],
            "unreachable_tasks": [task("t2", "TASK_UNREACHABLE")],
            "completed_tasks": [task("t3", "TASK_FINISHED")],
        }
    },
    "GET_ROLES": {
        "get_roles": {
            "roles": [{"name": "heavy", "weight": 2.5, "frameworks": [{"value": "f"}]}, {"name": "q", "weight": 1.0}]
        }
    },
    "GET_QUOTA": {
        "get_quota": {
            "status": {
                "configs": [
                    {"role": "q", "guarantees": {"cpus": {"value": 0.5}}},
                    {"role": "r", "limits": {"cpus": {"value": 1.0}, "mem": {"value": "Infinity"}}},
                ]
            }
        }
    },
    "GET_WEIGHTS": {"get_weights": {"weight_infos": [{"weight": 4.0, "role": "heavy"}]}},
}


class Master(BaseHTTPRequestHandler):
    """Answers operator calls from the table above."""

    def do_POST(self) -> None:
        call = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["type"]
        answer = self.server.answers.get(call)  # type: ignore[attr-defined]
        body = b"not today" if answer is None else json.dumps({"type": call, **answer}).encode()
        self.send_response(400 if answer is None else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Tests print nothing."""


@pytest.fixture
def answers() -> dict[str, object]:
    return dict(ANSWERS)


@pytest.fixture
def master(answers: dict[str, object]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Master) as server:
        server.answers = answers  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert run(arguments) == 0
    return capsys.readouterr().out.splitlines()


def test_m_om_01_agents(master: str, capsys: pytest.CaptureFixture[str]) -> None:
    header, row = printed(capsys, "agents", "--master", master)

    assert header.split() == ["ID", "HOSTNAME", "ADDRESS", "ACTIVE", "CPUS", "MEM", "DISK"]
    assert row.split() == [f"{MASTER}-S0", "one", "127.0.0.1:5051", "yes", "0.1/4", "0/4096", "0/0"]


def test_frameworks(master: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, row = printed(capsys, "frameworks", "--master", master)

    assert row.split() == [f"{MASTER}-0000", "batch", "root", "a,b", "connected", "yes", "-"]


def test_tasks_are_those_that_have_not_ended(master: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, *rows = printed(capsys, "tasks", "--master", master)

    assert [row.split()[0] for row in rows] == ["t1"]
    assert "TASK_RUNNING" in rows[0] and rows[0].endswith("cpus:0.1;mem:32")


def test_all_tasks(master: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, *rows = printed(capsys, "tasks", "--all", "--master", master)

    assert [row.split()[0] for row in rows] == ["t1", "t2", "t3"]


def test_roles(master: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, *rows = printed(capsys, "roles", "--master", master)

    assert [row.split() for row in rows] == [["heavy", "2.5", "1", "-"], ["q", "1", "0", "-"]]


def test_m_om_08_quota(master: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, guaranteed, limited = printed(capsys, "quota", "list", "--master", master)
    assert (guaranteed.split(), limited.split()) == (["q", "cpus:0.5", "-"], ["r", "-", "cpus:1;mem:Infinity"])


def test_m_om_07_weights(master: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, row = printed(capsys, "weights", "list", "--master", master)
    assert row.split() == ["heavy", "4"]


def test_offers(master: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, row = printed(capsys, "offers", "--master", master)

    assert row.split()[0] == f"{MASTER}-O7"
    assert row.endswith("cpus:1.5;mem:32;ports:[31000-31005]")


@pytest.mark.parametrize(
    ("command", "items"),
    [("agents", [AGENT]), ("frameworks", [FRAMEWORK]), ("offers", [OFFER]), ("tasks", [task("t1", "TASK_RUNNING")])],
)
def test_json_is_what_the_master_sent(
    master: str, capsys: pytest.CaptureFixture[str], command: str, items: list[object]
) -> None:
    assert run([command, "--master", master, "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == items


def test_an_empty_cluster_shows_the_columns_only(
    answers: dict[str, object], master: str, capsys: pytest.CaptureFixture[str]
) -> None:
    answers["GET_ROLES"] = {"get_roles": {}}

    assert len(printed(capsys, "roles", "--master", master)) == 1


def test_a_refusal_is_told_with_the_masters_words(
    answers: dict[str, object], master: str, capsys: pytest.CaptureFixture[str]
) -> None:
    del answers["GET_AGENTS"]

    assert run(["agents", "--master", master]) == 1
    assert f"the master at {master} refused GET_AGENTS (400): not today" in capsys.readouterr().err


def test_an_answer_that_is_none_is_a_fault(
    answers: dict[str, object], master: str, capsys: pytest.CaptureFixture[str]
) -> None:
    answers["GET_AGENTS"] = {"get_agents": {"agents": [{"active": "perhaps"}]}}

    assert run(["agents", "--master", master]) == 1
    assert "is no answer to GET_AGENTS" in capsys.readouterr().err


def test_a_framework_cannot_write_to_the_terminal(
    answers: dict[str, object], master: str, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = {**FRAMEWORK, "framework_info": {"user": "root", "name": "\x1b[2Jgone\n[red]", "roles": ["a"]}}
    answers["GET_FRAMEWORKS"] = {"get_frameworks": {"frameworks": [evil]}}

    _, row = printed(capsys, "frameworks", "--master", master)

    assert "?[2Jgone?[red]" in row


def test_every_read_names_a_call_of_the_operator_api() -> None:
    assert {call for call, _ in reads.READS.values()} <= set(ANSWERS)
