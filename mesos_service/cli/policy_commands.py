"""The commands ``quota``, ``weights`` and ``revocation``; what they do is in ``policy``, imported when they run."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from mesos_service.cli.options import DEFAULT_MASTER, MasterOption, OutputOption, show
from mesos_service.cli.output import OutputFormat
from mesos_service.domain.errors import ConfigurationError

RoleArgument = Annotated[str, typer.Argument(metavar="ROLE", help="A role at the top of the tree.")]
_AMOUNTS: Final = "NAME:AMOUNT;..."


def _quota_list(master: MasterOption = DEFAULT_MASTER, output: OutputOption = OutputFormat.TABLE) -> None:
    """List roles that have quota."""
    show("quota", master, output)


def _quota_set(
    role: RoleArgument,
    guarantee: Annotated[str, typer.Option(metavar=_AMOUNTS, help="What it is guaranteed.")] = "",
    limit: Annotated[str, typer.Option(metavar=_AMOUNTS, help="What it may have at most.")] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Also beyond what the cluster has, or below what the role consumes.")
    ] = False,
    master: MasterOption = DEFAULT_MASTER,
) -> None:
    """Replace the quota of a role."""
    from mesos_service.cli.policy import set_quota

    if not (guarantee or limit):
        raise ConfigurationError("quota set takes --guarantee, --limit or both; 'quota remove' takes quota away")
    set_quota(master, role, guarantee, limit, force=force)


def _quota_remove(role: RoleArgument, master: MasterOption = DEFAULT_MASTER) -> None:
    """Take the quota of a role away, guarantee and limit."""
    from mesos_service.cli.policy import set_quota

    set_quota(master, role, "", "", force=False)


def _weights_list(master: MasterOption = DEFAULT_MASTER, output: OutputOption = OutputFormat.TABLE) -> None:
    """List roles for which a weight was set; all others weigh 1."""
    show("weights", master, output)


def _weights_set(
    weights: Annotated[list[str], typer.Argument(metavar="ROLE=WEIGHT", help="Numbers above 0.")],
    master: MasterOption = DEFAULT_MASTER,
) -> None:
    """Let roles weigh something else; the next allocation goes by it."""
    from mesos_service.cli.policy import set_weights

    set_weights(master, weights)


def _revocation(master: MasterOption = DEFAULT_MASTER, output: OutputOption = OutputFormat.TABLE) -> None:
    """Show which tasks would be revoked now so that guarantees can be kept, and for whom; changes nothing."""
    from mesos_service.cli.policy import show_revocation

    show_revocation(master, output)


def add_to(app: typer.Typer) -> None:
    """Add them."""
    app.command("revocation")(_revocation)
    quota = typer.Typer(no_args_is_help=True)
    quota.command("list")(_quota_list)
    quota.command("set")(_quota_set)
    quota.command("remove")(_quota_remove)
    app.add_typer(quota, name="quota", help="What roles are guaranteed, and what they may have at most.")
    weights = typer.Typer(no_args_is_help=True)
    weights.command("list")(_weights_list)
    weights.command("set")(_weights_set)
    app.add_typer(weights, name="weights", help="How much roles weigh beside each other.")
