"""Spans as exporters send them."""

from __future__ import annotations

from tests.unit.tracing_store.exports import NOON, SECOND, TRACE

AS_JSON = {
    "resourceSpans": [
        {
            "resource": {
                "attributes": [
                    {"key": "service.name", "value": {"stringValue": "mesos-agent"}},
                    {"key": "host.name", "value": {"stringValue": "node2"}},
                    {"key": "service.instance.id", "value": {"stringValue": "node2:1"}},
                ]
            },
            "scopeSpans": [
                {
                    "scope": {"name": "somebody"},
                    "spans": [
                        {
                            "traceId": TRACE.upper(),
                            "spanId": "0000000000000002",
                            "parentSpanId": "0000000000000001",
                            "name": "agent.launch",
                            "kind": 2,
                            "startTimeUnixNano": str(NOON),
                            "endTimeUnixNano": NOON + SECOND,
                            "attributes": [
                                {"key": "task_id", "value": {"stringValue": "t1"}},
                                {"key": "tries", "value": {"intValue": "3"}},
                                {"key": "share", "value": {"doubleValue": 0.5}},
                                {"key": "whole", "value": {"doubleValue": "NaN"}},
                                {"key": "ok", "value": {"boolValue": False}},
                                {"key": "raw", "value": {"bytesValue": "AAE="}},
                                {"key": "many", "value": {"arrayValue": {"values": [{"intValue": 1}, {}]}}},
                                {
                                    "key": "map",
                                    "value": {"kvlistValue": {"values": [{"key": "a", "value": {"intValue": "1"}}]}},
                                },
                            ],
                            "events": [{"name": "fetched", "timeUnixNano": str(NOON)}],
                            "links": [{"traceId": TRACE, "spanId": "0000000000000009"}],
                            "status": {"code": 2, "message": "no room"},
                            "somethingNew": [1, 2],
                        }
                    ],
                }
            ],
        }
    ]
}
