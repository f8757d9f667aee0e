"""The command ``trace``; what it does is in ``traces``, imported when it runs."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from mesos_service.cli.options import OutputOption
from mesos_service.cli.output import OutputFormat
from mesos_service.domain.errors import ConfigurationError

DEFAULT_STORE: Final = "127.0.0.1:4318"


def _trace(
    trace_id: Annotated[
        str | None, typer.Argument(metavar="TRACE_ID", help="32 hexadecimal digits, or a traceparent.")
    ] = None,
    offer: Annotated[str | None, typer.Option(metavar="ID", help="The trace of this offer.")] = None,
    task: Annotated[str | None, typer.Option(metavar="ID", help="The trace of this task.")] = None,
    slowest: Annotated[int | None, typer.Option(metavar="N", min=1, max=1000, help="List the N slowest.")] = None,
    span: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of --slowest: by how long a span of this name took.")
    ] = None,
    store: Annotated[
        str, typer.Option(envvar="MESOS_TRACES", metavar="HOST:PORT", help="The trace store to ask.")
    ] = DEFAULT_STORE,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show where the time of an offer went, on which host; without anything named, list the newest traces."""
    from mesos_service.cli.traces import show_trace, show_traces

    if sum(one is not None for one in (trace_id, offer, task, slowest)) > 1:
        raise ConfigurationError("name a trace, --offer, --task or --slowest, and not more than one of them")
    if span is not None and slowest is None:
        raise ConfigurationError("--span goes with --slowest")
    if trace_id is None and offer is None and task is None:
        show_traces(store, output, slowest, span)
    else:
        show_trace(store, output, trace_id, offer, task)


def add_to(app: typer.Typer) -> None:
    """Give ``app`` this command."""
    app.command("trace")(_trace)
