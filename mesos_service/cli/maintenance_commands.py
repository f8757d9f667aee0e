"""The commands of ``maintenance``; what they do is in the module of that name, imported when they run."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mesos_service.cli.options import DEFAULT_MASTER, MasterOption, OutputOption
from mesos_service.cli.output import OutputFormat, print_json, print_table

MachinesArgument = Annotated[list[str], typer.Argument(metavar="HOSTNAME[@ADDRESS]...", help="Machines.")]


def _name(machine: dict[str, str]) -> str:
    return "@".join((machine.get("hostname", ""), machine.get("ip", ""))).removesuffix("@")


def _status(master: MasterOption = DEFAULT_MASTER, output: OutputOption = OutputFormat.TABLE) -> None:
    """Show machines that go or are down, and what frameworks say of it."""
    from mesos_service.cli.maintenance import schedule, status

    found, windows = status(master), schedule(master).get("windows", [])
    if output is OutputFormat.JSON:
        print_json({"status": found, "windows": windows})
        return
    rows: list[tuple[str, ...]] = []
    for one in found.get("draining_machines", []):
        answers: list[Any] = one.get("statuses", [])  # Any: JSON documents
        said = ",".join(f"{answer['framework_id']['value']}:{answer['status']}" for answer in answers)
        rows.append((_name(one["id"]), "DRAINING", said))
    rows += [(_name(machine), "DOWN", "") for machine in found.get("down_machines", [])]
    print_table(("MACHINE", "MODE", "ANSWERS"), rows)


def _schedule(
    machines: MachinesArgument,
    start: Annotated[str | None, typer.Option(metavar="TIME", help="As 2030-01-31T08:00Z. Default: now.")] = None,
    duration: Annotated[str | None, typer.Option(metavar="DURATION", help="Default: for ever.")] = None,
    master: MasterOption = DEFAULT_MASTER,
) -> None:
    """Plan that machines go: frameworks are told, and asked to leave them."""
    from mesos_service.cli.maintenance import add_window

    add_window(master, machines, start, duration)


def _cancel(machines: MachinesArgument, master: MasterOption = DEFAULT_MASTER) -> None:
    """Take machines out of the schedule."""
    from mesos_service.cli.maintenance import cancel

    cancel(master, machines)


def _start(machines: MachinesArgument, master: MasterOption = DEFAULT_MASTER) -> None:
    """Bring machines of the schedule down: their agents end with all their tasks."""
    from mesos_service.cli.maintenance import start

    start(master, machines)


def _stop(machines: MachinesArgument, master: MasterOption = DEFAULT_MASTER) -> None:
    """Let the agents of machines register again."""
    from mesos_service.cli.maintenance import stop

    stop(master, machines)


def add_to(app: typer.Typer) -> None:
    """Give ``app`` these commands."""
    group = typer.Typer(no_args_is_help=True)
    for name, command in (
        ("status", _status),
        ("schedule", _schedule),
        ("cancel", _cancel),
        ("start", _start),
        ("stop", _stop),
    ):
        group.command(name)(command)
    app.add_typer(group, name="maintenance", help="Machines that go, and come back.")
