"""The commands ``module list`` and ``module check``; what they do is in ``modules``, imported when they run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mesos_service.cli.options import OutputOption
from mesos_service.cli.output import EXIT_FAULT, OutputFormat, print_json, print_table


def _list(
    modules_dir: Annotated[str, typer.Option("--modules_dir", help="Folders of your own, separated by commas.")] = "",
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """List modules that could be named in the configuration."""
    from mesos_service.cli.modules import list_modules

    found = list_modules(modules_dir)
    if output is OutputFormat.JSON:
        print_json([{"kind": kind, "name": name, "origin": origin} for kind, name, origin in found])
    else:
        print_table(("KIND", "NAME", "ORIGIN"), found)


def _check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The module: one Python file.")],
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Run what every module of its kind must hold, and say in a sentence what is wrong; 1 when something is."""
    from mesos_service.cli.modules import check_file

    kind, name, outcomes = check_file(file)
    faults = [one for one in outcomes if one.fault is not None]
    if output is OutputFormat.JSON:
        checks = [{"check": one.check, "fault": one.fault} for one in outcomes]
        print_json({"kind": kind, "name": name, "conforms": not faults, "checks": checks})
    else:
        for one in outcomes:
            print(f"{'ok   ' if one.fault is None else 'WRONG'} {one.check}{f': {one.fault}' if one.fault else ''}")
        verdict = f"{len(faults)} of {len(outcomes)} checks failed" if faults else f"all {len(outcomes)} checks held"
        print(f"The {kind} '{name}' in {file}: {verdict}.")
    if faults:
        raise typer.Exit(EXIT_FAULT)


def add_to(app: typer.Typer) -> None:
    """Add them."""
    modules = typer.Typer(no_args_is_help=True)
    modules.command("list")(_list)
    modules.command("check")(_check)
    app.add_typer(modules, name="module", help="Modules: allocators, isolators, offer filters.")
