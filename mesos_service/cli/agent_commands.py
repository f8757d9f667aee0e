"""The commands ``drain``, ``deactivate`` and ``reactivate``; what they do is in ``agents``, imported when they run."""

from __future__ import annotations

from typing import Annotated

import typer

from mesos_service.cli.options import DEFAULT_MASTER, MasterOption

AgentArgument = Annotated[str, typer.Argument(metavar="AGENT", help="Its id, as 'agents' lists it.")]


def _drain(
    agent: AgentArgument,
    grace: Annotated[
        str | None, typer.Option(metavar="DURATION", help="No task has longer to end. Default: as tasks want it.")
    ] = None,
    mark_gone: Annotated[
        bool, typer.Option("--mark-gone", help="Give the agent up as soon as it is empty; it never comes back.")
    ] = False,
    wait: Annotated[str | None, typer.Option(metavar="DURATION", help="Return when it is empty.")] = None,
    master: MasterOption = DEFAULT_MASTER,
) -> None:
    """Offer an agent to nobody, and kill all that runs there."""
    from mesos_service.cli.agents import drain

    drain(master, agent, grace, mark_gone=mark_gone, wait=wait)


def _deactivate(agent: AgentArgument, master: MasterOption = DEFAULT_MASTER) -> None:
    """Offer an agent to nobody; what runs there runs on."""
    from mesos_service.cli.agents import deactivate

    deactivate(master, agent)


def _reactivate(agent: AgentArgument, master: MasterOption = DEFAULT_MASTER) -> None:
    """Offer an agent again that was drained or deactivated."""
    from mesos_service.cli.agents import reactivate

    reactivate(master, agent)


def add_to(app: typer.Typer) -> None:
    """Give ``app`` these commands."""
    app.command("drain")(_drain)
    app.command("deactivate")(_deactivate)
    app.command("reactivate")(_reactivate)
