"""``mesos-service trace``: asks a trace store, and draws what it says."""

from __future__ import annotations

import re
import shutil
import sys
from typing import Final, TypeVar

import httpx
import msgspec

from mesos_service.cli.output import OutputFormat, print_json, print_table
from mesos_service.cli.reads import TIMEOUT_SECONDS, request
from mesos_service.configuration.forms import split_host_port
from mesos_service.domain.addresses import join_host_port
from mesos_service.domain.errors import ConfigurationError, OperatingFault
from mesos_service.http.dialing import HTTPS
from mesos_service.telemetry.traces import parse_traceparent
from mesos_service.tracing_store.answers import StoredTrace, TraceList
from mesos_service.tracing_store.waterfall import seconds_text, waterfall

PORT: Final = 4318
PIPE_COLUMNS: Final = 160
"""How wide a waterfall is where there is no terminal."""
NEWEST: Final = 20

T = TypeVar("T")


def show_trace(store: str, output: OutputFormat, trace_id: str | None, offer: str | None, task: str | None) -> None:
    """Print one trace: the one named, or the newest that speaks of an offer or of a task.

    Raises:
        ConfigurationError: that is no trace's id, or no address.
        OperatingFault: there is no such trace, or nobody answers.
    """
    if trace_id is None:
        found = _find(store, {"offer": offer} if offer is not None else {"task": task or ""})
        if not found.traces:
            named = f"offer {offer}" if offer is not None else f"task {task}"
            raise OperatingFault(
                f"the trace store at {store} knows nothing of {named}: its spans come within seconds of their ends,"
                " if services are told to send them (OTEL_EXPORTER_OTLP_ENDPOINT)"
            )
        trace_id = found.traces[0].trace_id
        if len(found.traces) > 1:
            others = ", ".join(one.trace_id for one in found.traces[1:])
            print(f"mesos-service: that is the newest of several; the others are {others}", file=sys.stderr)
    body = _ask(store, f"/api/v1/traces/{_trace_id(trace_id)}")
    trace = _decode(body, StoredTrace, store)
    if output is OutputFormat.JSON:
        print_json(msgspec.to_builtins(trace))
        return
    if not trace.spans:
        raise OperatingFault(f"the trace store at {store} answers with a trace without spans")
    columns = shutil.get_terminal_size((PIPE_COLUMNS, 24)).columns
    blocks = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    for line in waterfall(trace, columns, blocks=blocks):
        print(line)


def show_traces(store: str, output: OutputFormat, slowest: int | None, span: str | None) -> None:
    """Print a list: the newest traces, or the ``slowest``; raises as above."""
    wanted = {"limit": str(NEWEST)} if slowest is None else {"limit": str(slowest), "slowest": "true"}
    if span is not None:
        wanted["span"] = span
    found = _find(store, wanted)
    if output is OutputFormat.JSON:
        print_json(msgspec.to_builtins(found.traces))
        return
    rows = [
        (one.trace_id, one.root, seconds_text(round(one.duration_seconds * 1e9)), str(one.spans), str(one.errors))
        for one in found.traces
    ]
    print_table(("TRACE", "ROOT", "TOOK", "SPANS", "ERRORS"), rows)


def _trace_id(text: str) -> str:
    context = parse_traceparent(text)
    found = context.split("-")[1] if context is not None else text.lower()
    if not re.fullmatch("[0-9a-f]{32}", found):
        raise ConfigurationError(f"'{text}' is no trace's id, which has 32 hexadecimal digits")
    return found


def _find(store: str, wanted: dict[str, str]) -> TraceList:
    return _decode(_ask(store, f"/api/v1/traces?{httpx.QueryParams(wanted)}"), TraceList, store)


def _ask(store: str, path: str) -> bytes:
    try:
        address = join_host_port(*split_host_port(store.removeprefix("http://").removeprefix(HTTPS).rstrip("/"), PORT))
    except ValueError as error:
        raise ConfigurationError(f"--store: {error}") from None
    try:
        response = request(store, "GET", address, path)
    except httpx.TimeoutException as error:
        raise OperatingFault(f"the trace store at {address} did not answer within {TIMEOUT_SECONDS:g} s") from error
    except httpx.HTTPError as error:
        raise OperatingFault(f"no trace store answers at {address}: {error}") from error
    if response.status_code != httpx.codes.OK:
        said = response.text.strip()[:300] or response.reason_phrase
        raise OperatingFault(f"the trace store at {address} answers {response.status_code}: {said}")
    return response.content


def _decode(body: bytes, shape: type[T], store: str) -> T:
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.DecodeError as error:
        raise OperatingFault(f"what answers at {store} is no trace store: {error}") from error
