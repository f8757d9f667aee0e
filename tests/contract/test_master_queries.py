"""The master's reads with parameters, and its writes, asked of a memory made by hand (M-LE-01)."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from mesos_service.core.effects import Reply
from mesos_service.core.master.state import MasterState
from mesos_service.core.messages import MasterMessage
from mesos_service.core.operator_messages import OperatorMarkGone, OperatorTeardown
from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.attributes import Attribute
from mesos_service.domain.ids import AgentId
from mesos_service.domain.resources import Resources
from mesos_service.http.asgi import Application
from mesos_service.http.held_stream import Backlog
from mesos_service.http.large import LargeAnswers
from mesos_service.http.paths import MesosPaths
from mesos_service.master.app import OWN_PATHS, build_fastapi
from mesos_service.master.operator_events import OperatorEvents
from mesos_service.master.routes import legacy
from mesos_service.telemetry.master_metrics import MasterMetrics
from mesos_service.wire.agents import MasterInfo
from tests.contract.asgi import transport
from tests.unit.render.world import add_framework, add_offer, add_task, make_state


class Driver:
    """Answers each call, at once or (with ``late``) when it is waited for."""

    def __init__(self, answer: Reply | None = None, late: bool = False) -> None:
        self._answer = answer
        self._late = late
        self.messages: list[MasterMessage] = []

    def new_request(self) -> int:
        return 7

    def call(self, request: int, message: MasterMessage) -> Reply | None:
        self.messages.append(message)
        return None if self._late else self._reply(request)

    async def answer(self, request: int) -> Reply:
        return self._reply(request)

    def _reply(self, request: int) -> Reply:
        return self._answer or Reply(request, 200)


class Service:
    """A master as its routes see it."""

    def __init__(self, state: MasterState, driver: Driver | None = None) -> None:
        self.state = state
        self.driver = driver or Driver()
        self.description = MasterInfo(id="m", ip=1, port=5050, hostname="h", pid="master@h:5050")
        self.metrics = MasterMetrics()
        self.flags: Mapping[str, str] = {"port": "5050"}
        self.large_answers = LargeAnswers()
        self.operator_events = OperatorEvents(state, Backlog(), 10, self.large_answers)

    def clock(self) -> float:
        return 100.0


def make_application(service: Service) -> Application:
    return MesosPaths(build_fastapi(service), "/master", OWN_PATHS, ())


def ask(service: Service, path: str, method: str = "GET", body: str = "", kind: str = "") -> httpx.Response:
    async def asked() -> httpx.Response:
        asked_of = transport(make_application(service))
        async with httpx.AsyncClient(transport=asked_of, base_url="http://master") as client:
            headers = {"Content-Type": kind} if kind else {}
            return await client.request(method, path, content=body, headers=headers)

    return asyncio.run(asked())


def told(service: Service, path: str) -> Any:  # Any: JSON documents
    answer = ask(service, path)
    assert answer.status_code == 200, answer.text
    return json.loads(answer.content)


@pytest.fixture
def service() -> Service:
    """Two frameworks: ``one`` with three tasks, told of at 1, 3 and never; ``two`` with one, told of at 2."""
    state = make_state()
    one, two = add_framework(state, "one", "a"), add_framework(state, "two", "b")
    add_task(state, one, "early", "cpus:0.1", "a", times=(1.0, 9.0))
    add_task(state, one, "late", "cpus:0.1", "a", times=(3.0,))
    add_task(state, one, "silent", "cpus:0.1", "a")
    add_task(state, two, "middle", "cpus:0.1", "b", times=(2.0,))
    add_offer(state, two, "o", "cpus:1", "b")
    return Service(state)


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", ["late", "middle", "early", "silent"]),
        ("?order=desc", ["late", "middle", "early", "silent"]),
        ("?order=asc", ["early", "middle", "late", "silent"]),
        ("?order=asc&limit=2", ["early", "middle"]),
        ("?order=asc&offset=1&limit=2", ["middle", "late"]),
        ("?order=asc&offset=3", ["silent"]),
        ("?limit=0", []),
        ("?limit=-1&offset=1", ["middle", "early", "silent"]),
        (f"?offset=1&limit={2**63 - 1}", ["middle", "early", "silent"]),
        (f"?offset={10**30}&limit={10**30}", []),
        ("?framework_id=m-two", ["middle"]),
        ("?framework_id=nobody", []),
        ("?task_id=late", ["late"]),
        ("?framework_id=m-two&task_id=late", []),
    ],
)
def test_m_le_01_tasks_come_in_pages(service: Service, query: str, ids: list[str]) -> None:
    assert [task["id"] for task in told(service, f"/tasks{query}")["tasks"]] == ids


@pytest.mark.parametrize("query", ["limit=many", "limit=-2", "offset=-1", "order=sideways", "limit=1.5"])
def test_parameters_that_make_no_sense_are_refused_in_text(service: Service, query: str) -> None:
    answer = ask(service, f"/tasks?{query}")
    assert (answer.status_code, answer.text.partition(":")[0]) == (400, query.partition("=")[0])


def test_one_agent_or_framework_can_be_asked_for(service: Service) -> None:
    assert [agent["id"] for agent in told(service, "/slaves?slave_id=m-S0")["slaves"]] == ["m-S0"]
    assert told(service, "/slaves?slave_id=m-S1")["slaves"] == []
    assert [one["name"] for one in told(service, "/frameworks?framework_id=m-two")["frameworks"]] == ["two"]
    assert told(service, "/frameworks?framework_id=nobody")["frameworks"] == []
    assert [one["name"] for one in told(service, "/frameworks")["frameworks"]] == ["one", "two"]


@pytest.mark.parametrize("path", ["/master/state", "/state/", "/state.json", "/master/state.json"])
def test_the_state_has_several_spellings(service: Service, path: str) -> None:
    assert ask(service, path).content == ask(service, "/state").content


def test_deeper_paths_and_other_cases_are_other_paths(service: Service) -> None:
    for path in ("/STATE", "/redirect/state", "/master/redirect/state", "/state/x"):
        assert ask(service, path).status_code == 404


def test_metrics_take_a_timeout_that_is_a_duration(service: Service) -> None:
    assert told(service, "/metrics/snapshot?timeout=5secs").keys() == told(service, "/metrics/snapshot").keys()
    assert ask(service, "/metrics/snapshot?timeout=5").status_code == 400


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT"])
def test_reads_answer_whatever_the_method(service: Service, method: str) -> None:
    assert ask(service, "/state", method).status_code == 200


def test_reading_changes_nothing(service: Service) -> None:
    state = service.state
    before = copy.deepcopy((state.agents, state.frameworks, state.offers, state.weights))
    for path in legacy.READ_PATHS:
        ask(service, path)
    calls = ("GET_STATE", "GET_ROLES", "GET_METRICS")
    for call in calls:
        body = json.dumps({"type": call, call.lower(): {}})
        assert ask(service, "/api/v1", "POST", body, "application/json").status_code == 200
    assert (state.agents, state.frameworks, state.offers, state.weights) == before
    assert service.driver.messages == []


def test_x24_agents_that_a_new_master_waits_for_are_shown(service: Service) -> None:
    """As Mesos shows them: in part by the old reads, whole by GET_AGENTS."""
    info = AgentInfo(
        hostname="away", port=5052, resources=Resources.parse("cpus:2"), attributes=(Attribute("rack", "r1"),)
    )
    service.state.recovered[AgentId("m-S9")] = info
    shown = {"id": "m-S9", "hostname": "away", "port": 5052, "attributes": {"rack": "r1"}}
    for path in ("/slaves", "/state"):
        assert ask(service, path).json()["recovered_slaves"] == [shown]
    assert ask(service, "/slaves?slave_id=m-S9").json() == {"slaves": [], "recovered_slaves": [shown]}
    assert ask(service, "/slaves?slave_id=m-S0").json()["recovered_slaves"] == []
    answer = ask(service, "/api/v1", "POST", '{"type":"GET_AGENTS"}', "application/json").json()
    (recovered,) = answer["get_agents"]["recovered_agents"]
    assert (recovered["id"], recovered["hostname"], recovered["port"]) == ({"value": "m-S9"}, "away", 5052)
    assert [one["name"] for one in recovered["resources"]] == ["cpus"]


GONE = '{"type":"MARK_AGENT_GONE","mark_agent_gone":{"agent_id":{"value":"m-S0"}}}'


@pytest.mark.parametrize("late", [False, True])
def test_m_om_13_an_agent_is_given_up(service: Service, late: bool) -> None:
    service.driver = Driver(late=late)
    answer = ask(service, "/api/v1", "POST", GONE, "application/json")
    assert (answer.status_code, answer.content) == (200, b"")
    (message,) = service.driver.messages
    assert isinstance(message, OperatorMarkGone)
    assert message.agent_id == "m-S0"


def test_m_om_13_an_agent_that_nobody_knows_is_not_found(service: Service) -> None:
    """The words are recorded."""
    service.driver = Driver(Reply(7, 404, "Agent 'm-S0' not found"))
    answer = ask(service, "/api/v1", "POST", GONE, "application/json")
    assert (answer.status_code, answer.text) == (404, "Agent 'm-S0' not found")
    empty = ask(service, "/api/v1", "POST", '{"type":"MARK_AGENT_GONE"}', "application/json")
    assert (empty.status_code, "Expecting 'mark_agent_gone' to be present" in empty.text) == (400, True)


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize("late", [False, True])
def test_m_om_14_teardown_by_form(service: Service, late: bool) -> None:
    service.driver = Driver(late=late)
    answer = ask(service, "/master/teardown", "POST", "frameworkId=m-one", FORM)
    assert (answer.status_code, answer.content) == (200, b"")
    (message,) = service.driver.messages
    assert isinstance(message, OperatorTeardown)
    assert message.framework_id == "m-one"


def test_m_om_14_teardown_of_nobody(service: Service) -> None:
    service.driver = Driver(Reply(7, 400, "No framework found with specified ID"))
    for path, body, kind in (
        ("/teardown", "frameworkId=nope", FORM),
        ("/api/v1", '{"type":"TEARDOWN","teardown":{"framework_id":{"value":"nope"}}}', "application/json"),
    ):
        answer = ask(service, path, "POST", body, kind)
        assert (answer.status_code, answer.text) == (400, "No framework found with specified ID")
    nameless = ask(service, "/teardown", "POST", "", FORM)
    assert (nameless.status_code, nameless.text) == (
        400,
        "Missing 'frameworkId' query parameter in the request body",
    )
    assert ask(service, "/teardown", "POST", "frameworkId=" + "x" * 70_000, FORM).status_code == 413
    assert ask(service, "/teardown").status_code == 405


def test_a_defect_of_ours_leaves_no_trace_in_the_answer(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> dict[str, float]:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr(service.metrics, "told", fail)
    answer = ask(service, "/api/v1", "POST", '{"type":"GET_METRICS","get_metrics":{}}', "application/json")
    assert (answer.status_code, "secret" in answer.text, "Traceback" in answer.text) == (500, False, False)
