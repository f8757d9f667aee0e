"""Commands for those who work on the service or on frameworks; what they do is imported when they run."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mesos_service.cli.options import OutputOption
from mesos_service.cli.output import OutputFormat, print_json, print_table


class ServiceName(StrEnum):
    """The two services."""

    MASTER = "master"
    AGENT = "agent"


def _openapi(
    service: Annotated[ServiceName, typer.Argument(help="Whose document.")] = ServiceName.MASTER,
    streaming: Annotated[
        bool, typer.Option("--streaming", help="OpenAPI 3.2, which can describe streams; otherwise 3.1.")
    ] = False,
) -> None:
    """Print the OpenAPI document of a service."""
    if service is ServiceName.MASTER:
        from mesos_service.master.app import openapi_documents
    else:
        from mesos_service.agent.app import openapi_documents
    documents = openapi_documents()
    print_json(documents.streaming if streaming else documents.plain)


def _bench(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="'agent', 'allocator', 'failover', 'hotpath', 'isolation', 'launch', 'reads' or 'registrar'.",
        ),
    ],
    output: OutputOption = OutputFormat.TABLE,
    quick: Annotated[bool, typer.Option("--quick", help="Take at most 40 seconds.")] = False,
    agents: Annotated[
        int | None, typer.Option("--agents", min=1, help="Of 'failover': this size, not 200, 1000 and 4000.")
    ] = None,
    agents_per_link: Annotated[
        int | None,
        typer.Option("--agents-per-link", min=1, help="Of 'failover': so many agents to a connection, not 20."),
    ] = None,
    bounds: Annotated[
        bool, typer.Option("--bounds", help="Of 'agent', 'allocator': with figures of loops that do nothing else.")
    ] = False,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Of 'isolation': draw the figures into this file, as SVG.")
    ] = None,
) -> None:
    """Measure this machine. Figures are measured here and now, and asserted nowhere."""
    from mesos_service.bench.main import run

    report = run(name, quick=quick, agents=agents, agents_per_link=agents_per_link, bounds=bounds)
    if output is OutputFormat.JSON:
        print_json(report.as_json())
    else:
        print_table(("FIGURE", "VALUE"), [(key, f"{value:g}") for key, value in report.figures.items()])
        for figure, meaning in report.legend.items():
            print(f"{figure}: {meaning}")
    if plot is not None and report.plot is not None:
        plot.write_text(report.plot)


def _simulate(
    seed: Annotated[int, typer.Option(min=0, help="One seed is one history.")] = 1,
    seconds: Annotated[float, typer.Option(min=1, help="How long the history lasts, in simulated time.")] = 600,
) -> None:
    """Run masters, agents and frameworks on a simulated network and clock; 1 when an invariant was broken."""
    from mesos_service.simulator.main import run

    raise typer.Exit(run(seed=seed, seconds=seconds))


def add_to(app: typer.Typer) -> None:
    """Add them."""
    app.command("openapi")(_openapi)
    app.command("bench")(_bench)
    app.command("simulate")(_simulate)
