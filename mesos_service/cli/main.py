"""The entry point of ``mesos-service``, and the list of its commands.

Exit statuses: 0 done, 1 it could not be done, 2 it was asked for wrongly; ``run`` ends with its command's own.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Sequence
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from mesos_service import __version__
from mesos_service.cli import agent_commands, maintenance_commands, policy_commands, resource_commands, trace_commands
from mesos_service.cli.options import DEFAULT_MASTER, MasterOption, OutputOption, show
from mesos_service.cli.output import EXIT_FAULT, EXIT_USAGE, OutputFormat, complain, print_json, print_table
from mesos_service.domain.errors import ConfigurationError, MesosServiceError

FrameworkOption = Annotated[
    str | None, typer.Option("--framework", help="Its framework's id, where several have a task of this name.")
]

FLAG_COMMANDS: Final = {
    "master": ("mesos_service.master.config", "MasterConfig", "mesos_service.master.main"),
    "agent": ("mesos_service.agent.config", "AgentConfig", "mesos_service.agent.main"),
    "local": ("mesos_service.master.config", "MasterConfig", "mesos_service.local.main"),
    "traces serve": ("mesos_service.tracing_store.config", "TracesConfig", "mesos_service.tracing_store.main"),
}
"""Commands that take a service's flags: where the flags are, and whose ``run`` is called with them."""


class ServiceName(StrEnum):
    """The two services."""

    MASTER = "master"
    AGENT = "agent"


# What commands call, imported when they run; tests/house sees that each is there.
RUN: Final = "mesos_service.cli.run_command:run_command"
"""Called with the command and, by name, the options of ``run`` below; returns its exit status."""
EXEC: Final = "mesos_service.cli.sessions:exec_command"
ATTACH: Final = "mesos_service.cli.sessions:attach"
"""Called with the task and, by name, the options below; they return the exit status of what ran."""
DEMO: Final = "mesos_service.demo.main:run"
"""``run() -> int``"""
OPENAPI: Final = {
    ServiceName.MASTER: "mesos_service.master.app:openapi_documents",
    ServiceName.AGENT: "mesos_service.agent.app:openapi_documents",
}
"""``openapi_documents() -> wire.openapi.Documents``"""
BENCH: Final = "mesos_service.bench.main:run"
"""``run(name, quick=, agents=, agents_per_link=) -> Report``; raises ``ConfigurationError`` for an unknown name."""
SIMULATE: Final = "mesos_service.simulator.main:run"
"""``run(seed=, seconds=) -> int``"""

_HELP: Final = {
    "master": "Run a master.",
    "agent": "Run an agent.",
    "local": "Run a master and agents on this machine, for as long as you like. Takes the master's flags. "
    "Agents listen at 5051 and the ports after it; with --port=0 all take ports that are free.",
    "traces serve": "Run a trace store: takes spans over OTLP/HTTP, and keeps them in a file.",
}


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

    traces = typer.Typer(no_args_is_help=True)
    # Without a callback, typer would make the only command that of the group.
    traces.callback()(lambda: None)
    for name in FLAG_COMMANDS:
        group, _, own = name.rpartition(" ")
        _add_flag_command(traces if group else app, own, name, with_options=wanted in (name, "*"))
    app.add_typer(traces, name="traces", help="The trace store; 'trace' shows what is in it.")
    _add_user_commands(app)
    _add_reads(app)
    _add_developer_commands(app)
    app.command("certify")(_certify)
    modules = typer.Typer(no_args_is_help=True)
    modules.command("list")(_module_list)
    modules.command("check")(_module_check)
    app.add_typer(modules, name="module", help="Modules: allocators, isolators, offer filters.")
    policy_commands.add_to(app)
    agent_commands.add_to(app)
    resource_commands.add_to(app)
    maintenance_commands.add_to(app)
    trace_commands.add_to(app)
    registry = typer.Typer(no_args_is_help=True)
    # Without a callback, typer would make the only command that of the group.
    registry.callback()(lambda: None)
    registry.command("forget-elections")(_forget_elections)
    app.add_typer(registry, name="registry", help="What may have to be done to a registry by hand.")
    return app


def _add_flag_command(app: typer.Typer, own: str, name: str, *, with_options: bool) -> None:
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


def _add_user_commands(app: typer.Typer) -> None:
    @app.command(context_settings={"allow_interspersed_args": False})
    def run(
        command: Annotated[list[str], typer.Argument(help="The command and its arguments, after '--'.")],
        master: MasterOption = DEFAULT_MASTER,
        name: Annotated[str, typer.Option(help="Name of the framework and of its tasks.")] = "run",
        resources: Annotated[str, typer.Option(help="What each instance needs.")] = "cpus:0.1;mem:32",
        instances: Annotated[int, typer.Option(min=1, help="How many to run.")] = 1,
        role: Annotated[str, typer.Option(help="Role to be offered resources in.")] = "*",
        env: Annotated[
            list[str] | None, typer.Option(metavar="NAME=VALUE", help="For the command's environment.")
        ] = None,
        uri: Annotated[list[str] | None, typer.Option(help="To fetch into the sandbox first.")] = None,
        timeout: Annotated[str | None, typer.Option(metavar="DURATION", help="Give up after, as in 5mins.")] = None,
    ) -> None:
        """Run a command on the cluster, show its output, and end with its exit status."""
        environment, timeout_seconds = _environment(env or []), _seconds(timeout)
        raise typer.Exit(
            _target(RUN)(
                command,
                master=master,
                name=name,
                resources=resources,
                instances=instances,
                role=role,
                environment=environment,
                uris=uri or [],
                timeout_seconds=timeout_seconds,
            )
        )

    @app.command("exec", context_settings={"allow_interspersed_args": False})
    def execute(
        task: Annotated[str, typer.Argument(help="The task's id.")],
        command: Annotated[list[str], typer.Argument(help="The command and its arguments, after '--'.")],
        master: MasterOption = DEFAULT_MASTER,
        framework: FrameworkOption = None,
        tty: Annotated[
            bool | None, typer.Option("--tty/--no-tty", help="With a terminal or without; by default, as we are.")
        ] = None,
        stdin: Annotated[bool, typer.Option("--stdin/--no-stdin", help="Hand on our standard input.")] = True,
    ) -> None:
        """Run a command beside a task, in its container, and end with its exit status."""
        # Behind the task's name, what stands before the command is taken for a part of it.
        command = command[1:] if command[0] == "--" else command
        if not command:
            raise ConfigurationError("exec needs a command, after '--'")
        raise typer.Exit(_target(EXEC)(task, command, master=master, framework=framework, terminal=tty, stdin=stdin))

    @app.command()
    def attach(
        task: Annotated[str, typer.Argument(help="The task's id.")],
        master: MasterOption = DEFAULT_MASTER,
        framework: FrameworkOption = None,
        stdin: Annotated[bool, typer.Option("--stdin/--no-stdin", help="Hand on what is typed here.")] = True,
    ) -> None:
        """Show what a task writes from now on, and end with its exit status. Ctrl-P Ctrl-Q leaves its terminal."""
        raise typer.Exit(_target(ATTACH)(task, master=master, framework=framework, stdin=stdin))

    @app.command()
    def demo() -> None:
        """Start a master and three agents, walk the Mesos paper's example, and tell the story."""
        raise typer.Exit(_target(DEMO)())


def _environment(pairs: Sequence[str]) -> dict[str, str]:
    environment: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (name and equals):
            raise ConfigurationError(f"--env: '{pair}' is not of the form NAME=VALUE")
        environment[name] = value
    return environment


def _seconds(duration: str | None, option: str = "--timeout") -> float | None:
    from mesos_service.configuration.units import Duration

    try:
        return None if duration is None else Duration.parse(duration).seconds
    except ValueError as error:
        raise ConfigurationError(f"{option}: {error}") from error


def _add_reads(app: typer.Typer) -> None:
    @app.command()
    def agents(master: MasterOption = DEFAULT_MASTER, output: OutputOption = OutputFormat.TABLE) -> None:
        """List agents."""
        show("agents", master, output)

    @app.command()
    def frameworks(master: MasterOption = DEFAULT_MASTER, output: OutputOption = OutputFormat.TABLE) -> None:
        """List frameworks."""
        show("frameworks", master, output)

    @app.command()
    def tasks(
        master: MasterOption = DEFAULT_MASTER,
        output: OutputOption = OutputFormat.TABLE,
        all_: Annotated[bool, typer.Option("--all", help="Also those that have ended or are out of reach.")] = False,
    ) -> None:
        """List tasks."""
        show("all_tasks" if all_ else "tasks", master, output)

    @app.command()
    def roles(master: MasterOption = DEFAULT_MASTER, output: OutputOption = OutputFormat.TABLE) -> None:
        """List roles in use."""
        show("roles", master, output)

    @app.command()
    def offers(master: MasterOption = DEFAULT_MASTER, output: OutputOption = OutputFormat.TABLE) -> None:
        """List offers that wait for an answer."""
        show("offers", master, output)

    @app.command()
    def explain(
        framework: Annotated[str, typer.Argument(help="Its id, or its name.")],
        master: MasterOption = DEFAULT_MASTER,
        output: OutputOption = OutputFormat.TABLE,
    ) -> None:
        """Say why a framework is offered nothing, and what would have to change."""
        from mesos_service.cli.explain import explain as run_explain

        run_explain(framework, master, output)

    @app.command()
    def fragmentation(
        task: Annotated[str, typer.Argument(help="What one task needs, such as 'cpus:8;mem:16384'.")],
        master: MasterOption = DEFAULT_MASTER,
        output: OutputOption = OutputFormat.TABLE,
    ) -> None:
        """Say how many tasks of a shape fit, how many would if all were free in one place, and what is stranded."""
        from mesos_service.cli.fragmentation import show_fragmentation

        show_fragmentation(task, master, output)


def _certify(
    file: Annotated[Path, typer.Argument(help="What --allocation_journal of a master has written.")],
    patience: Annotated[
        str, typer.Option(metavar="DURATION", help="How long a role may be below its part before that is told.")
    ] = "10mins",
    modules_dir: Annotated[str, typer.Option("--modules_dir", help="Folders of your own offer filters.")] = "",
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Prove from the journal of a master's allocations that they were fair, or say which was not (1)."""
    from mesos_service.cli.certify import as_json, certify_file, lines

    seconds = _seconds(patience, "--patience")
    assert seconds is not None, "it has a default"
    found = certify_file(file, seconds, modules_dir)
    if output is OutputFormat.JSON:
        print_json(as_json(found))
    else:
        print("\n".join(lines(found)))
    if not found.is_fair:
        raise typer.Exit(EXIT_FAULT)


def _module_list(
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


def _module_check(
    file: Annotated[Path, typer.Argument(help="The module: one Python file.")],
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


def _forget_elections(
    registry: Annotated[str, typer.Option("--registry", envvar="MESOS_REGISTRY", help="URL of the registry.")],
) -> None:
    """Let the next leader take a registry after its ZooKeeper ensemble was set up anew, and counts from the start."""
    from mesos_service.cli.registry import forget_elections

    print(forget_elections(registry))


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


def _add_developer_commands(app: typer.Typer) -> None:
    @app.command()
    def openapi(
        service: Annotated[ServiceName, typer.Argument(help="Whose document.")] = ServiceName.MASTER,
        streaming: Annotated[
            bool, typer.Option("--streaming", help="OpenAPI 3.2, which can describe streams; otherwise 3.1.")
        ] = False,
    ) -> None:
        """Print the OpenAPI document of a service."""
        documents = _target(OPENAPI[service])()
        print_json(documents.streaming if streaming else documents.plain)

    @app.command()
    def bench(
        name: Annotated[
            str,
            typer.Argument(help="'agent', 'allocator', 'failover', 'hotpath', 'isolation', 'launch' or 'registrar'."),
        ],
        output: OutputOption = OutputFormat.TABLE,
        quick: Annotated[bool, typer.Option("--quick", help="Take at most 40 seconds.")] = False,
        agents: Annotated[
            int | None, typer.Option("--agents", min=1, help="Of 'failover': this size, not 200, 1000 and 4000.")
        ] = None,
        agents_per_link: Annotated[
            int | None,
            typer.Option("--agents-per-link", min=1, help="Of 'failover': so many agents to a connection, not 20."),
        ] = None,
        plot: Annotated[
            Path | None, typer.Option("--plot", help="Of 'isolation': draw the figures into this file, as SVG.")
        ] = None,
    ) -> None:
        """Measure this machine. Figures are measured here and now, and asserted nowhere."""
        report = _target(BENCH)(name, quick=quick, agents=agents, agents_per_link=agents_per_link)
        if output is OutputFormat.JSON:
            print_json(report.as_json())
        else:
            print_table(("FIGURE", "VALUE"), [(key, f"{value:g}") for key, value in report.figures.items()])
            for figure, meaning in report.legend.items():
                print(f"{figure}: {meaning}")
        if plot is not None and report.plot is not None:
            plot.write_text(report.plot)

    @app.command()
    def simulate(
        seed: Annotated[int, typer.Option(min=0, help="One seed is one history.")] = 1,
        seconds: Annotated[float, typer.Option(min=1, help="How long the history lasts, in simulated time.")] = 600,
    ) -> None:
        """Run masters, agents and frameworks on a simulated network and clock; 1 when an invariant was broken."""
        raise typer.Exit(_target(SIMULATE)(seed=seed, seconds=seconds))


def _target(name: str) -> Any:  # Any: what it is called with and returns stands beside its name above.
    module, _, function = name.partition(":")
    return getattr(import_module(module), function)


if __name__ == "__main__":
    main()
