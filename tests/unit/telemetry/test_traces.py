"""Spans leave with exactly the identifiers the core drew; nothing of it costs anything while tracing is off (N03)."""

from __future__ import annotations

import random
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from threading import Event

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter as SdkExporter
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace.status import StatusCode

from mesos_service.core.effects import Span
from mesos_service.core.trace import TraceParent, child_of, start_trace
from mesos_service.domain.errors import ConfigurationError
from mesos_service.telemetry.span_exporter import SpanExporter
from mesos_service.telemetry.traces import is_sampled, open_exporter, parse_traceparent, tracing_enabled
from tests.unit.telemetry.otlp_receiver import OtlpReceiver

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


@pytest.fixture(autouse=True)
def no_inherited_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)


def a_span(trace: TraceParent | None = None, **changes: object) -> Span:
    values: dict[str, object] = {
        "name": "master.offer",
        "trace": trace or TraceParent(f"00-{TRACE}-{PARENT}-01"),
        "parent": None,
        "start": 1_700_000_000.25,
        "end": 1_700_000_001.5,
        **changes,
    }
    return Span(**values)  # type: ignore[arg-type]  # Tests change single fields by name.


# -- contexts ------------------------------------------------------------------------------------------------


def test_n03_a_header_becomes_a_context() -> None:
    assert parse_traceparent(f"00-{TRACE}-{PARENT}-01") == f"00-{TRACE}-{PARENT}-01"


@pytest.mark.parametrize(("flags", "sampled"), [("00", False), ("01", True), ("02", False), ("03", True), ("ff", True)])
def test_flags_are_a_bit_mask(flags: str, sampled: bool) -> None:
    context = parse_traceparent(f"00-{TRACE}-{PARENT}-{flags}")
    assert context is not None
    assert is_sampled(context) is sampled


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "00",
        f"00-{TRACE}-{PARENT}",
        f"00-{TRACE}-{PARENT}-01-more",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{TRACE[:-1]}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-1",
        f"00-{TRACE}-{PARENT}-0g",
    ],
)
def test_what_is_no_context_is_ignored(header: str | None) -> None:
    assert parse_traceparent(header) is None


def test_a_later_version_is_read_by_its_first_four_fields() -> None:
    assert parse_traceparent(f"cc-{TRACE}-{PARENT}-01-what-the-future-holds") == f"00-{TRACE}-{PARENT}-01"


# -- on and off ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "enabled"),
    [
        ({}, False),
        ({"OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "console"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_the_environment_says_whether_spans_are_wanted(environment: dict[str, str], enabled: bool) -> None:
    assert tracing_enabled(environment) is enabled


def test_n03_nothing_of_opentelemetry_is_imported_while_off() -> None:
    program = (
        "import sys; from mesos_service.telemetry import traces; assert traces.open_exporter('x', 'h', 1) is None; "
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env={})
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "many"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
    ],
)
def test_a_wish_that_cannot_be_met_is_refused(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=value):
        open_exporter("mesos-master", "host1", 5050)


# -- exporting -----------------------------------------------------------------------------------------------


def test_n03_spans_reach_a_collector_with_the_ids_the_core_drew(monkeypatch: pytest.MonkeyPatch) -> None:
    source = random.Random(7)
    root = start_trace(source)
    child = child_of(root, source)
    assert child is not None
    caller = TraceParent(f"00-{TRACE}-{PARENT}-01")
    with OtlpReceiver() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        exporter = open_exporter("mesos-master", "host1", 5050)
        assert exporter is not None
        exporter.emit(a_span(root, link=caller, attributes={"offer": "O1", "agents": 3, "share": 0.5, "ok": True}))
        exporter.emit(a_span(child, name="master.accept", parent=root, error="Offer O1 is no longer valid"))
        exporter.shutdown()

        (service, offer), (_, accept) = sorted(collector.spans, key=lambda pair: pair[1].name, reverse=True)
    assert service == "mesos-master"
    assert f"00-{offer.trace_id.hex()}-{offer.span_id.hex()}-01" == root
    assert offer.parent_span_id == b""
    assert f"00-{accept.trace_id.hex()}-{accept.span_id.hex()}-01" == child
    assert accept.parent_span_id == offer.span_id
    assert accept.trace_id == offer.trace_id
    assert (offer.start_time_unix_nano, offer.end_time_unix_nano) == (
        1_700_000_000_250_000_000,
        1_700_000_001_500_000_000,
    )
    assert [(link.trace_id.hex(), link.span_id.hex()) for link in offer.links] == [(TRACE, PARENT)]
    attributes = {item.key: item.value for item in offer.attributes}
    assert attributes["offer"].string_value == "O1"
    assert attributes["agents"].int_value == 3
    assert attributes["share"].double_value == 0.5
    assert attributes["ok"].bool_value is True
    assert accept.status.message == "Offer O1 is no longer valid"
    assert exporter.counts() == {
        "telemetry/spans_exported": 2,
        "telemetry/spans_failed": 0,
        "telemetry/spans_dropped": 0,
    }


def test_a_context_that_is_not_sampled_gives_no_span() -> None:
    kept = InMemorySpanExporter()
    exporter = SpanExporter("mesos-master", exporters=[kept])
    exporter.emit(a_span(TraceParent(f"00-{TRACE}-{PARENT}-02")))
    exporter.emit(a_span(TraceParent(f"00-{TRACE}-{PARENT}-03"), error="no"))
    exporter.shutdown()
    (span,) = kept.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR


def test_the_sampler_of_the_environment_takes_whole_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    kept = InMemorySpanExporter()
    exporter = SpanExporter("mesos-master", exporters=[kept])
    source = random.Random(1)
    for _ in range(200):
        root = start_trace(source)
        exporter.emit(a_span(root))
        exporter.emit(a_span(child_of(root, source), parent=root))
    exporter.shutdown()
    spans_by_trace: dict[int, int] = {}
    for span in kept.get_finished_spans():
        assert span.context is not None
        spans_by_trace[span.context.trace_id] = spans_by_trace.get(span.context.trace_id, 0) + 1
    assert 60 < len(spans_by_trace) < 140
    assert set(spans_by_trace.values()) == {2}


class Stuck(SdkExporter):
    """A collector that takes a batch and then nothing more until it is let go."""

    def __init__(self) -> None:
        self.entered = Event()
        self.release = Event()
        self.names: list[str] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.entered.set()
        self.release.wait(60)
        self.names += [span.name for span in spans]
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        self.release.set()


def test_a_full_queue_drops_and_counts_and_never_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "10")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "5")
    stuck = Stuck()
    exporter = SpanExporter("mesos-master", exporters=[stuck])
    for number in range(5):
        exporter.emit(a_span(name=f"s{number}"))
    assert stuck.entered.wait(60)
    for number in range(5, 30):
        exporter.emit(a_span(name=f"s{number}"))
    assert exporter.counts()["telemetry/spans_dropped"] == 15
    stuck.release.set()
    exporter.shutdown()
    assert stuck.names == [f"s{number}" for number in range(15)]
    assert exporter.counts()["telemetry/spans_exported"] == 15
    exporter.emit(a_span())
    assert exporter.counts()["telemetry/spans_dropped"] == 16


def test_n03_spans_say_of_which_host_they_are_and_the_environment_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    def resource() -> dict[str, object]:
        memory = InMemorySpanExporter()
        exporter = SpanExporter("mesos-agent", {"host.name": "node1", "service.instance.id": "node1:5051"}, [memory])
        exporter.emit(a_span())
        exporter.shutdown()
        return dict(memory.get_finished_spans()[0].resource.attributes)

    own = resource()
    assert (own["service.name"], own["host.name"]) == ("mesos-agent", "node1")
    assert own["service.instance.id"] == "node1:5051"
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "host.name=rack7, deployment.environment.name=test")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "mine")
    said = resource()
    assert (said["service.name"], said["host.name"]) == ("mine", "rack7")
    assert said["service.instance.id"] == "node1:5051"


def test_a_collector_that_is_away_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{unused.getsockname()[1]}")
        exporter = open_exporter("mesos-agent", "host1", 5051)
        assert exporter is not None
        exporter.emit(a_span())
        started = time.monotonic()
        exporter.shutdown(timeout_seconds=0.2)
        assert time.monotonic() - started < 20, "the SDK alone would take half a minute"
    assert exporter.counts()["telemetry/spans_failed"] == 1
