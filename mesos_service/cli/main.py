"""The entry point of ``mesos-service``, and the list of its commands.

Exit statuses: 0 done, 1 it could not be done, 2 it was asked for wrongly; ``run`` ends with its command's own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated

import typer

from mesos_service import __version__
from mesos_service.cli import (
    agent_commands,
    developer_commands,
    maintenance_commands,
    module_commands,
    policy_commands,
    read_commands,
    record_commands,
    resource_commands,
    service_commands,
    task_commands,
    trace_commands,
)
from mesos_service.cli.output import EXIT_FAULT, EXIT_USAGE, complain
from mesos_service.cli.service_commands import FLAG_COMMANDS
from mesos_service.domain.errors import ConfigurationError, MesosServiceError


def build(wanted: str | None = None) -> typer.Typer:
    """The application. Reading the flags of a service takes a while, so only the command ``wanted`` gets its own;
    ``"*"`` stands for all of them."""
    app = typer.Typer(
        name="mesos-service",
        help="A cluster manager that speaks Apache Mesos' v1 HTTP API.",
        invoke_without_command=True,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def about(
        version: Annotated[bool, typer.Option("--version", is_eager=True, help="Print the version, and end.")] = False,
    ) -> None:
        if version:
            from mesos_service.core.allocation import kernel

            print(f"mesos-service {__version__}")
            print(f"allocator kernel: {kernel.name()}")
            raise typer.Exit

    service_commands.add_to(app, wanted)
    for commands in (
        task_commands,
        read_commands,
        developer_commands,
        record_commands,
        module_commands,
        policy_commands,
        agent_commands,
        resource_commands,
        maintenance_commands,
        trace_commands,
    ):
        commands.add_to(app)
    return app


def _wanted(arguments: Sequence[str]) -> str | None:
    """The command that is meant: its first word, or two where those name a service."""
    words = [argument for argument in arguments if not argument.startswith("-")]
    return " ".join(words[:2]) if " ".join(words[:2]) in FLAG_COMMANDS else next(iter(words), None)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave the process with its status."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run one command; its exit status. Faults that we have a name for are told in one line each."""
    wanted = _wanted(arguments)
    given = list(arguments)
    try:
        if wanted in FLAG_COMMANDS:
            from mesos_service.cli.flag_options import normalised

            config_module, config_name, _ = FLAG_COMMANDS[wanted]
            given = normalised(given, getattr(import_module(config_module), config_name))
        app = build("*" if _completing() else wanted)
        status = app(given, standalone_mode=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else EXIT_FAULT
    except ConfigurationError as error:
        complain(str(error))
        return EXIT_USAGE
    except MesosServiceError as error:
        complain(str(error))
        return EXIT_FAULT
    return status if isinstance(status, int) else 0


def _completing() -> bool:
    return "_MESOS_SERVICE_COMPLETE" in os.environ


if __name__ == "__main__":
    main()
