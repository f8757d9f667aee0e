"""The commands that ask a master something and change nothing; what they do is imported when they run."""

from __future__ import annotations

from typing import Annotated

import typer

from mesos_service.cli.options import DEFAULT_MASTER, MasterOption, OutputOption, show
from mesos_service.cli.output import OutputFormat


def _agents(master: MasterOption = DEFAULT_MASTER, output: OutputOption = OutputFormat.TABLE) -> None:
    """List agents."""
    show("agents", master, output)


def _frameworks(master: MasterOption = DEFAULT_MASTER, output: OutputOption = OutputFormat.TABLE) -> None:
    """List frameworks."""
    show("frameworks", master, output)


def _tasks(
    master: MasterOption = DEFAULT_MASTER,
    output: OutputOption = OutputFormat.TABLE,
    all_: Annotated[bool, typer.Option("--all", help="Also those that have ended or are out of reach.")] = False,
) -> None:
    """List tasks."""
    show("all_tasks" if all_ else "tasks", master, output)


def _roles(master: MasterOption = DEFAULT_MASTER, output: OutputOption = OutputFormat.TABLE) -> None:
    """List roles in use."""
    show("roles", master, output)


def _offers(master: MasterOption = DEFAULT_MASTER, output: OutputOption = OutputFormat.TABLE) -> None:
    """List offers that wait for an answer."""
    show("offers", master, output)


def _explain(
    framework: Annotated[
        str, typer.Argument(metavar="FRAMEWORK", help="Its id, or its name; with --agent an agent's id or hostname.")
    ],
    agent: Annotated[
        bool, typer.Option("--agent", help="Ask about an agent: who is offered it, and who is not.")
    ] = False,
    master: MasterOption = DEFAULT_MASTER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Say why a framework is offered nothing, or who is not offered an agent, and what would have to change."""
    from mesos_service.cli.explain import explain as run_explain
    from mesos_service.cli.explain import explain_agent

    (explain_agent if agent else run_explain)(framework, master, output)


def _fragmentation(
    task: Annotated[str, typer.Argument(metavar="TASK", help="What one task needs, such as 'cpus:8;mem:16384'.")],
    master: MasterOption = DEFAULT_MASTER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Say how many tasks of a shape fit, how many would if all were free in one place, and what is stranded."""
    from mesos_service.cli.fragmentation import show_fragmentation

    show_fragmentation(task, master, output)


def add_to(app: typer.Typer) -> None:
    """Add them."""
    app.command("agents")(_agents)
    app.command("frameworks")(_frameworks)
    app.command("tasks")(_tasks)
    app.command("roles")(_roles)
    app.command("offers")(_offers)
    app.command("explain")(_explain)
    app.command("fragmentation")(_fragmentation)
