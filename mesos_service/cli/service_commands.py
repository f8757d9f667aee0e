"""The commands that run a service, with its flags as options."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Annotated, Any, Final

import typer

FLAG_COMMANDS: Final = {
    "master": ("mesos_service.master.config", "MasterConfig", "mesos_service.master.main"),
    "agent": ("mesos_service.agent.config", "AgentConfig", "mesos_service.agent.main"),
    "local": ("mesos_service.master.config", "MasterConfig", "mesos_service.local.main"),
    "traces serve": ("mesos_service.tracing_store.config", "TracesConfig", "mesos_service.tracing_store.main"),
}
"""Commands that take a service's flags: where the flags are, and whose ``run`` is called with them."""

_HELP: Final = {
    "master": "Run a master.",
    "agent": "Run an agent.",
    "local": "Run a master and agents on this machine, for as long as you like. Takes the master's flags. "
    "Agents listen at 5051 and the ports after it; with --port=0 all take ports that are free.",
    "traces serve": "Run a trace store: takes spans over OTLP/HTTP, and keeps them in a file.",
}

_AGENTS: Final = inspect.Parameter(
    "agents",
    inspect.Parameter.KEYWORD_ONLY,
    default=1,
    annotation=Annotated[int, typer.Option("--agents", min=1, max=1000, help="How many agents to run.")],
)
_PROCESSES: Final = inspect.Parameter(
    "processes",
    inspect.Parameter.KEYWORD_ONLY,
    default=False,
    annotation=Annotated[bool, typer.Option("--processes", help="A process for each service, not one for all.")],
)


def add_to(app: typer.Typer, wanted: str | None) -> None:
    """Add them. Reading the flags of a service takes a while, so only the command ``wanted`` gets its own; ``"*"``
    stands for all of them."""
    traces = typer.Typer(no_args_is_help=True)
    # Without a callback, typer would make the only command that of the group.
    traces.callback()(lambda: None)
    for name in FLAG_COMMANDS:
        group, _, own = name.rpartition(" ")
        _add(traces if group else app, own, name, with_options=wanted in (name, "*"))
    app.add_typer(traces, name="traces", help="The trace store; 'trace' shows what is in it.")


def _add(app: typer.Typer, own: str, name: str, *, with_options: bool) -> None:
    config_module, config_name, main_module = FLAG_COMMANDS[name]
    if not with_options:

        def placeholder() -> None:
            raise AssertionError(f"{name} was called without its options")

        app.command(own, help=_HELP[name])(placeholder)
        return
    from mesos_service.cli.flag_options import with_flags

    # Any: what import_module finds is known by its name in the table above only.
    flags: Any = getattr(import_module(config_module), config_name)

    def run(config: object, **extra: object) -> int:
        # Any: as above.
        main: Any = import_module(main_module)
        status: int = main.run(config, **extra)
        return status

    extra = [_AGENTS, _PROCESSES] if name == "local" else []
    app.command(own, help=_HELP[name])(with_flags(flags, run, *extra))
