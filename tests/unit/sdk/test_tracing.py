"""Spans of a task's own (N03)."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from opentelemetry.trace import StatusCode

from mesos_service.sdk.tracing import task_span
from tests.unit.telemetry.otlp_receiver import OtlpReceiver

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


@pytest.fixture(autouse=True)
def no_inherited_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("OTEL_", "MESOS_", "TRACEPARENT"))]:
        monkeypatch.delenv(name)


def test_n03_a_tasks_spans_hang_from_the_agents(monkeypatch: pytest.MonkeyPatch) -> None:
    with OtlpReceiver() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        monkeypatch.setenv("TRACEPARENT", f"00-{TRACE}-{PARENT}-01")
        monkeypatch.setenv("MESOS_FRAMEWORK_ID", "F1")
        with pytest.raises(KeyError), task_span("work", {"numbers": 3}, service="sorter"):
            with task_span("draw"):
                pass
            raise KeyError("gone")
        spans = {span.name: (service, span) for service, span in collector.spans}
    service, work = spans["work"]
    _, draw = spans["draw"]
    assert service == "sorter"
    assert (work.trace_id.hex(), work.parent_span_id.hex()) == (TRACE, PARENT)
    assert (draw.trace_id, draw.parent_span_id) == (work.trace_id, work.span_id)
    assert (work.status.code, "gone" in work.status.message) == (StatusCode.ERROR.value, True)
    told = {item.key: item.value for item in work.attributes}
    assert (told["numbers"].int_value, told["framework_id"].string_value) == (3, "F1")


@pytest.mark.parametrize("missing", ["TRACEPARENT", "OTEL_EXPORTER_OTLP_ENDPOINT"])
def test_where_nothing_is_traced_nothing_of_the_sdk_is_loaded(missing: str) -> None:
    environment = {
        "TRACEPARENT": f"00-{TRACE}-{PARENT}-01",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
    }
    del environment[missing]
    program = (
        "import sys; from mesos_service.sdk.tracing import task_span\n"
        "with task_span('work') as span: span.set_attribute('a', 1)\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry.sdk')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "[]"


def test_a_traceparent_that_is_none_starts_a_trace_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    with OtlpReceiver() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        monkeypatch.setenv("TRACEPARENT", "nonsense")
        with task_span("work"):
            pass
        ((_, work),) = collector.spans
    assert work.parent_span_id == b""
