"""Quota and weights over HTTP, as Apache Mesos answered the same requests (M-OM-07, M-OM-08, M-LE-02)."""

from __future__ import annotations

import json
from typing import Any, Final

import httpx
import pytest
import uvloop

from mesos_service.local import LocalCluster
from tests.contract.asked import STEPS
from tests.contract.compare import check
from tests.contract.live import AGENT, Live
from tests.contract.shapes import recorded


async def record() -> tuple[Live, httpx.Response]:
    live = Live()
    async with (
        LocalCluster(agents=[AGENT], master_flags={"cluster": "recorded"}) as cluster,
        httpx.AsyncClient(timeout=60) as client,
    ):
        client.headers.clear()

        async def ask(method: str, path: str, body: object) -> httpx.Response:
            content = body if isinstance(body, str) or body is None else json.dumps(body)
            headers = {} if content is None else {"Content-Type": "application/json"}
            return await client.request(method, f"http://{cluster.master}{path}", content=content, headers=headers)

        for name, body in STEPS:
            if name == "master/write-POST-quota":
                live.answers[name] = await ask("POST", "/quota", body)
            else:
                exchange = recorded()["exchanges"][name]
                live.answers[name] = await ask(exchange["method"], exchange["path"], body)
        return live, await ask("GET", "/quota", None)


@pytest.fixture(scope="module")
def answers() -> tuple[Live, httpx.Response]:
    return uvloop.run(record())


@pytest.mark.parametrize("name", [name for name, _ in STEPS if name != "master/write-POST-quota"])
def test_m_om_07_m_om_08_m_le_02_calls_about_quota_and_weights_answer_as_recorded(
    answers: tuple[Live, httpx.Response], name: str
) -> None:
    check(answers[0], name)


def test_m_om_08_what_is_told_is_what_was_set(answers: tuple[Live, httpx.Response]) -> None:
    live, last = answers
    asked: Any = live.json("master-api-v1/after-UPDATE_QUOTA-GET_QUOTA")["get_quota"]["status"]
    assert asked == live.json("master/after-quota")
    assert asked["configs"] == [
        {
            "role": "q",
            "guarantees": {"cpus": {"value": 0.5}},
            "limits": {"cpus": {"value": 1.0}, "mem": {"value": 512.0}},
        }
    ]
    assert asked["infos"] == [
        {"role": "q", "guarantee": [{"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.5}}]}
    ]
    (role,) = [one for one in live.json("master/after-quota-roles")["roles"] if one["name"] == "q"]
    assert role["quota"] == {
        "role": "q",
        "guarantee": {"cpus": 0.5},
        "limit": {"cpus": 1.0, "mem": 512.0},
        "consumed": {},
    }
    assert live.json("master/after-weights") == [{"role": "heavy", "weight": 4.0}]
    assert live.answers["master/write-POST-quota"].status_code == 200
    assert last.json() == {}


REFUSED: Final = (
    ("POST", "/quota", "{", 400, "Failed to parse set quota request JSON '{': syntax error at line 1 near: "),
    ("POST", "/quota", "[]", 400, "Failed to parse set quota request JSON '[]': Not a JSON object"),
    ("POST", "/quota", "{}", 400, "Failed to validate set quota request: QuotaInfo must specify a role"),
    (
        "POST",
        "/quota",
        '{"role":"a"}',
        400,
        "Failed to validate set quota request: QuotaInfo with empty 'guarantee'",
    ),
    (
        "POST",
        "/quota",
        '{"role":"a","guarantee":[{"name":"ports","type":"RANGES","ranges":{"range":[{"begin":1,"end":2}]}}]}',
        400,
        "Failed to validate set quota request: QuotaInfo must not include non-scalar resources",
    ),
    (
        "POST",
        "/quota",
        '{"role":"a","guarantee":[{"name":"cpus","type":"SCALAR","scalar":{"value":1},"revocable":{}}]}',
        400,
        "Failed to validate set quota request: QuotaInfo must not contain RevocableInfo",
    ),
    (
        "POST",
        "/quota",
        '{"role":"a","guarantee":[{"name":"cpus","type":"SCALAR","scalar":{"value":-1}}]}',
        400,
        "Failed to validate set quota request: Invalid guarantee configuration {'cpus': -1}: -1.0 is negative",
    ),
    ("PUT", "/weights", "{}", 400, "Failed to parse update weights request JSON '{}': Not a JSON array"),
    ("PUT", "/weights", '[{"role":"a"}]', 400, None),
    ("PUT", "/weights", '[{"role":"a","weight":"heavy"}]', 400, None),
    (
        "DELETE",
        "/quota/a/b",
        None,
        400,
        "Failed to remove quota for path '/master/quota/a/b': Role 'a/b' has no quota set",
    ),
    ("DELETE", "/quota", None, 405, None),
    ("POST", "/weights", "[]", 405, None),
)


async def refused() -> list[httpx.Response]:
    async with LocalCluster(agents=[AGENT]) as cluster, httpx.AsyncClient(timeout=60) as client:
        return [
            await client.request(method, f"http://{cluster.master}{path}", content=body)
            for method, path, body, _, _ in REFUSED
        ]


def test_m_le_02_what_makes_no_sense_is_refused_with_a_sentence() -> None:
    for (method, path, body, status, text), answer in zip(REFUSED, uvloop.run(refused()), strict=True):
        assert answer.status_code == status, (method, path, body, answer.text)
        assert answer.text.strip(), (method, path, body)
        if text is not None:
            assert answer.text == text
