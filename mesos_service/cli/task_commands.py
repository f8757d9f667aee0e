"""The commands that run something: ``run``, ``exec``, ``attach``, ``demo``; what they do is imported when they run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from mesos_service.cli.options import DEFAULT_MASTER, MasterOption, seconds
from mesos_service.domain.errors import ConfigurationError

FrameworkOption = Annotated[
    str | None, typer.Option("--framework", help="Its framework's id, where several have a task of this name.")
]


def _run(
    command: Annotated[list[str], typer.Argument(metavar="COMMAND", help="The command and its arguments, after '--'.")],
    master: MasterOption = DEFAULT_MASTER,
    name: Annotated[str, typer.Option(help="Name of the framework and of its tasks.")] = "run",
    resources: Annotated[str, typer.Option(help="What each instance needs.")] = "cpus:0.1;mem:32",
    instances: Annotated[int, typer.Option(min=1, help="How many to run.")] = 1,
    role: Annotated[str, typer.Option(help="Role to be offered resources in.")] = "*",
    env: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="For the command's environment.")] = None,
    uri: Annotated[list[str] | None, typer.Option(help="To fetch into the sandbox first.")] = None,
    timeout: Annotated[str | None, typer.Option(metavar="DURATION", help="Give up after, as in 5mins.")] = None,
) -> None:
    """Run a command on the cluster, show its output, and end with its exit status."""
    from mesos_service.cli.run_command import run_command

    environment = _environment(env or [])
    timeout_seconds = None if timeout is None else seconds("--timeout", timeout)
    raise typer.Exit(
        run_command(
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


def _execute(
    task: Annotated[str, typer.Argument(metavar="TASK", help="The task's id.")],
    command: Annotated[list[str], typer.Argument(metavar="COMMAND", help="The command and its arguments, after '--'.")],
    master: MasterOption = DEFAULT_MASTER,
    framework: FrameworkOption = None,
    tty: Annotated[
        bool | None, typer.Option("--tty/--no-tty", help="With a terminal or without; by default, as we are.")
    ] = None,
    stdin: Annotated[bool, typer.Option("--stdin/--no-stdin", help="Hand on our standard input.")] = True,
) -> None:
    """Run a command beside a task, in its container, and end with its exit status."""
    from mesos_service.cli.sessions import exec_command

    # Behind the task's name, what stands before the command is taken for a part of it.
    command = command[1:] if command[0] == "--" else command
    if not command:
        raise ConfigurationError("exec needs a command, after '--'")
    raise typer.Exit(exec_command(task, command, master=master, framework=framework, terminal=tty, stdin=stdin))


def _attach(
    task: Annotated[str, typer.Argument(metavar="TASK", help="The task's id.")],
    master: MasterOption = DEFAULT_MASTER,
    framework: FrameworkOption = None,
    stdin: Annotated[bool, typer.Option("--stdin/--no-stdin", help="Hand on what is typed here.")] = True,
) -> None:
    """Show what a task writes from now on, and end with its exit status. Ctrl-P Ctrl-Q leaves its terminal."""
    from mesos_service.cli.sessions import attach

    raise typer.Exit(attach(task, master=master, framework=framework, stdin=stdin))


def _demo() -> None:
    """Start a master and three agents, walk the Mesos paper's example, and tell the story."""
    from mesos_service.demo.main import run

    raise typer.Exit(run())


def _environment(pairs: Sequence[str]) -> dict[str, str]:
    environment: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (name and equals):
            raise ConfigurationError(f"--env: '{pair}' is not of the form NAME=VALUE")
        environment[name] = value
    return environment


def add_to(app: typer.Typer) -> None:
    """Add them."""
    app.command("run", context_settings={"allow_interspersed_args": False})(_run)
    app.command("exec", context_settings={"allow_interspersed_args": False})(_execute)
    app.command("attach")(_attach)
    app.command("demo")(_demo)
