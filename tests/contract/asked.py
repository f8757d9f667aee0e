"""What was asked of a master when its answers were recorded."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

_LEGACY: Final = {
    "role": "legacyq",
    "force": True,
    "guarantee": [{"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.25}}],
}


def weights(role: str, weight: float) -> dict[str, object]:
    return {"type": "UPDATE_WEIGHTS", "update_weights": {"weight_infos": [{"role": role, "weight": weight}]}}


def quota(**update: object) -> dict[str, object]:
    return {"type": "UPDATE_QUOTA", "update_quota": update}


STEPS: Final[tuple[tuple[str, object], ...]] = (
    ("master-api-v1/write-UPDATE_WEIGHTS", weights("heavy", 4.0)),
    ("master-api-v1/after-UPDATE_WEIGHTS-GET_WEIGHTS", {"type": "GET_WEIGHTS"}),
    ("master/after-weights", None),
    ("master-api-v1/write-UPDATE_WEIGHTS-bad", weights("heavy", -1.0)),
    ("master/write-PUT-weights-malformed", '[{"role":'),
    (
        "master-api-v1/write-UPDATE_QUOTA",
        quota(
            force=True,
            quota_configs=[
                {
                    "role": "q",
                    "guarantees": {"cpus": {"value": 0.5}},
                    "limits": {"cpus": {"value": 1.0}, "mem": {"value": 512}},
                }
            ],
        ),
    ),
    ("master-api-v1/after-UPDATE_QUOTA-GET_QUOTA", {"type": "GET_QUOTA"}),
    ("master-api-v1/after-UPDATE_QUOTA-GET_ROLES", {"type": "GET_ROLES"}),
    ("master/after-quota", None),
    ("master/after-quota-roles", None),
    (
        "master-api-v1/write-UPDATE_QUOTA-overcommit",
        quota(
            quota_configs=[{"role": "q2", "guarantees": {"cpus": {"value": 5000}}, "limits": {"cpus": {"value": 5000}}}]
        ),
    ),
    ("master/write-POST-quota", _LEGACY),
    ("master/write-POST-quota-duplicate", _LEGACY),
    ("master/write-DELETE-quota", None),
    ("master/write-DELETE-quota-unknown", None),
    ("master-api-v1/write-UPDATE_QUOTA-clear", quota(quota_configs=[{"role": "q"}])),
)
"""Recorded exchanges, in an order in which they may come, with their bodies."""


Json = dict[str, Any]  # Any: JSON documents


FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"


@dataclass(frozen=True)
class Request:
    body: str | Json = ""
    content_type: str | None = None
    headers: str = ""


def call(kind: str, **fields: object) -> Request:
    return Request({"type": kind, kind.lower(): fields}, JSON, "Accept: application/json\r\n")


NOBODY: Final = {"agent_id": {"value": "nope"}}
CPUS: Final = {
    "name": "cpus",
    "type": "SCALAR",
    "scalar": {"value": 1.0},
    "reservations": [{"type": "DYNAMIC", "role": "ops", "principal": "ops"}],
}


REQUESTS: Final[dict[str, Request]] = {
    **dict.fromkeys(
        (
            "master/alias-master-redirect",
            "master/alias-master-redirect-state",
            "master/files-browse-unknown",
            "master/files-read-unknown",
            "master/head-health",
            "master/head-state",
            "master/options-state",
            "master/post-health",
            "master/post-state",
            "master/query-metrics-timeout",
            "master/query-slaves-one-id",
            "master/query-tasks-limit0",
            "master/trailing-slash-state",
            "master/upper-case-STATE",
            "master/write-DELETE-quota-unknown",
        ),
        Request(),
    ),
    "master/gzip-flags": Request(headers="Accept-Encoding: gzip\r\n"),
    "master/write-POST-machine-down-unscheduled": Request(json.dumps([{"hostname": "x"}]), JSON),
    "master/write-POST-machine-up-unscheduled": Request(json.dumps([{"hostname": "x"}]), JSON),
    "master/write-POST-maintenance-schedule-empty": Request({}, JSON),
    "master/write-POST-teardown-nobody": Request("", FORM),
    "master/write-POST-teardown-unknown": Request("frameworkId=nope", FORM),
    "master-api-v1/write-DEACTIVATE_AGENT-unknown": call("DEACTIVATE_AGENT", **NOBODY),
    "master-api-v1/write-MARK_AGENT_GONE-unknown": call("MARK_AGENT_GONE", **NOBODY),
    "master-api-v1/write-RESERVE_RESOURCES-unknown-agent": call("RESERVE_RESOURCES", **NOBODY, resources=[CPUS]),
    "master-api-v1/write-SET_LOGGING_LEVEL": call("SET_LOGGING_LEVEL", level=0, duration={"nanoseconds": 10**9}),
    "master-api-v1/write-START_MAINTENANCE-unscheduled": call("START_MAINTENANCE", machines=[{"hostname": "other"}]),
    "master-api-v1/write-TEARDOWN-unknown": call("TEARDOWN", framework_id={"value": "nope"}),
    "master-api-v1/write-UPDATE_WEIGHTS": call("UPDATE_WEIGHTS", weight_infos=[{"role": "heavy", "weight": 4.0}]),
    "master-api-v1/write-UPDATE_MAINTENANCE_SCHEDULE": call("UPDATE_MAINTENANCE_SCHEDULE", schedule={"windows": []}),
}
