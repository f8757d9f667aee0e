"""Options that many commands have, and what commands that only show something do."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from mesos_service.cli.output import OutputFormat
from mesos_service.domain.errors import ConfigurationError

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


def seconds(option: str, duration: str) -> float:
    """What was given to ``option``, such as ``5mins``, in seconds.

    Raises ``ConfigurationError`` where it is no duration.
    """
    from mesos_service.configuration.units import Duration

    try:
        return Duration.parse(duration).seconds
    except ValueError as error:
        raise ConfigurationError(f"{option}: {error}") from error
