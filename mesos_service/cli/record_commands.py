"""Commands on what a master has written, without asking it: its journal of allocations, and its registry."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mesos_service.cli.options import OutputOption, seconds
from mesos_service.cli.output import EXIT_FAULT, OutputFormat, print_json


def _certify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What --allocation_journal of a master has written.")],
    patience: Annotated[
        str, typer.Option(metavar="DURATION", help="How long a role may be below its part before that is told.")
    ] = "10mins",
    modules_dir: Annotated[str, typer.Option("--modules_dir", help="Folders of your own offer filters.")] = "",
    manifest: Annotated[
        str, typer.Option("--modules", help="A manifest of them, or file:///path of one, as of the master.")
    ] = "",
    hold_to: Annotated[
        str,
        typer.Option(
            "--hold_to",
            help="What decisions are held to: fair_shares, work_conserving, guarantees, limits, or all; by default"
            " what the allocator promises.",
        ),
    ] = "",
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Prove from the journal of a master's allocations that they were fair, or say which was not (1)."""
    from mesos_service.cli.certify import as_json, certify_file, lines

    found = certify_file(file, seconds("--patience", patience), modules_dir, hold_to, manifest)
    if output is OutputFormat.JSON:
        print_json(as_json(found))
    else:
        print("\n".join(lines(found)))
    if not found.is_fair:
        raise typer.Exit(EXIT_FAULT)


def _forget_elections(
    registry: Annotated[str, typer.Option("--registry", envvar="MESOS_REGISTRY", help="URL of the registry.")],
) -> None:
    """Let the next leader take a registry after its ZooKeeper ensemble was set up anew, and counts from the start."""
    from mesos_service.cli.registry import forget_elections

    print(forget_elections(registry))


def add_to(app: typer.Typer) -> None:
    """Add them."""
    app.command("certify")(_certify)
    registry = typer.Typer(no_args_is_help=True)
    # Without a callback, typer would make the only command that of the group.
    registry.callback()(lambda: None)
    registry.command("forget-elections")(_forget_elections)
    app.add_typer(registry, name="registry", help="What may have to be done to a registry by hand.")
