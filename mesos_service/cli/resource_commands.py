"""The commands ``reserve``, ``unreserve`` and ``volume``; what they do is in ``resources``, imported when they run."""

from __future__ import annotations

from typing import Annotated

import typer

from mesos_service.cli.agent_commands import AgentArgument
from mesos_service.cli.options import DEFAULT_MASTER, MasterOption, OutputOption
from mesos_service.cli.output import OutputFormat

ResourcesArgument = Annotated[str, typer.Argument(metavar="RESOURCES", help="Such as 'cpus:2;mem:512;disk:1024'.")]
RoleOption = Annotated[str, typer.Option("--role", help="Whom it is reserved for.")]
PrincipalOption = Annotated[str | None, typer.Option("--principal", help="In whose name.")]
VolumeArgument = Annotated[str, typer.Argument(metavar="ID", help="The volume's id, which is its role's own.")]
MegabytesArgument = Annotated[float, typer.Argument(metavar="MEGABYTES")]


def _reserve(
    agent: AgentArgument,
    resources: ResourcesArgument,
    role: RoleOption,
    principal: PrincipalOption = None,
    master: MasterOption = DEFAULT_MASTER,
) -> None:
    """Reserve resources of an agent that nobody uses, for a role."""
    from mesos_service.cli.resources import Owner, reserve

    reserve(master, agent, resources, Owner(role, principal))


def _unreserve(
    agent: AgentArgument,
    resources: ResourcesArgument,
    role: RoleOption,
    principal: PrincipalOption = None,
    master: MasterOption = DEFAULT_MASTER,
) -> None:
    """Take back what is reserved for a role, and not used."""
    from mesos_service.cli.resources import Owner, unreserve

    unreserve(master, agent, resources, Owner(role, principal))


def _list(master: MasterOption = DEFAULT_MASTER, output: OutputOption = OutputFormat.TABLE) -> None:
    """List volumes."""
    from mesos_service.cli.resources import show_volumes

    show_volumes(master, output)


def _create(
    agent: AgentArgument,
    volume: VolumeArgument,
    megabytes: MegabytesArgument,
    role: RoleOption,
    path: Annotated[str, typer.Option(metavar="PATH", help="Where tasks find it, below their sandbox.")] = "volume",
    principal: PrincipalOption = None,
    master: MasterOption = DEFAULT_MASTER,
) -> None:
    """Make a volume of disk that is reserved for its role."""
    from mesos_service.cli.resources import Owner, create_volume

    create_volume(master, agent, volume, megabytes, path, Owner(role, principal))


def _destroy(
    agent: AgentArgument, volume: VolumeArgument, role: RoleOption, master: MasterOption = DEFAULT_MASTER
) -> None:
    """Destroy a volume that nobody uses, and all that is on it."""
    from mesos_service.cli.resources import destroy_volume

    destroy_volume(master, agent, volume, role)


def _resize(
    agent: AgentArgument,
    volume: VolumeArgument,
    megabytes: MegabytesArgument,
    role: RoleOption,
    master: MasterOption = DEFAULT_MASTER,
) -> None:
    """Let a volume that nobody uses grow, or shrink; what is on it stays."""
    from mesos_service.cli.resources import resize_volume

    resize_volume(master, agent, volume, megabytes, role)


def add_to(app: typer.Typer) -> None:
    """Give ``app`` these commands."""
    app.command("reserve")(_reserve)
    app.command("unreserve")(_unreserve)
    volume = typer.Typer(no_args_is_help=True)
    volume.command("list")(_list)
    volume.command("create")(_create)
    volume.command("destroy")(_destroy)
    volume.command("resize")(_resize)
    app.add_typer(volume, name="volume", help="Directories on agents that outlive tasks.")
