"""Options that many commands have, and what commands that only show something do."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from mesos_service.cli.output import OutputFormat

MasterOption = Annotated[
    str,
    typer.Option(
        "--master", envvar="MESOS_MASTER", metavar="HOST:PORT", help="The master to ask, or zk://host:port/path."
    ),
]
OutputOption = Annotated[OutputFormat, typer.Option("-o", "--output", help="How to print it.")]
DEFAULT_MASTER: Final = "127.0.0.1:5050"


def show(name: str, master: str, output: OutputFormat) -> None:
    """Ask ``master`` for one of ``reads.READS``, and print it."""
    from mesos_service.cli.reads import show as show_read

    show_read(name, master, output)
