"""From what the core wants launched to what the containerizer needs to know: environment, user, files, directories.

Sources: Mesos docs, "Executor HTTP API" and "Sandbox"; M-EX-03. Whatever is asked for that this agent does not have
(images, volumes, networks of its own, secrets) is refused here, in words, rather than left out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, cast
from urllib.parse import quote

from mesos_service.agent.log_rotation import rotation_for
from mesos_service.agent.terminals import Size
from mesos_service.agent.wishes import CannotBeHad, wishes_of
from mesos_service.configuration.units import Duration
from mesos_service.containers.command import Invocation, invocation, refuse_command
from mesos_service.containers.plan import (
    REASON_LAUNCH_FAILED,
    LaunchFailed,
    LaunchPlan,
    SharedWith,
    Streams,
    UriSpec,
)
from mesos_service.containers.rotation import Rotation
from mesos_service.core.effects import LaunchContainer
from mesos_service.domain.addresses import join_host_port
from mesos_service.domain.containers import IpcMode, Wish, Wishes
from mesos_service.domain.executors import ExecutorInfo, ExecutorType
from mesos_service.domain.ids import AgentId, ContainerId
from mesos_service.domain.resources import Resources, to_milli
from mesos_service.plugins.isolator import UNLIMITED
from mesos_service.wire import tasks
from mesos_service.wire.agent_operator import CallLaunchContainer
from mesos_service.wire.containers import CommandInfo, ContainerInfo, Environment, EnvironmentVariable, TTYInfo
from mesos_service.wire.convert.infos import carried_task, command_of
from mesos_service.wire.convert.values import resources_from_wire

PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""The one variable that does not come from Mesos, unless ``--executor_environment_variables`` says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchSettings:
    """What of the agent's own configuration its containers see. Times are in seconds."""

    ip: str
    """The address that executors reach the agent at, and that they are to use themselves."""
    port: int
    switch_user: bool
    """Run containers as the user they name; takes root."""
    executor_environment: Mapping[str, str] | None = None
    """In place of :data:`PATH`."""
    executor_shutdown_grace_seconds: float = 5.0
    recovery_timeout_seconds: float = 900.0
    rotation: Rotation | None = None
    """Bounds on what containers write to files, where they are kept to any."""
    executor_reregistration_timeout_seconds: float = 2.0
    """What executors see as the longest pause between attempts to subscribe again (as in Mesos)."""
    sandbox_directory: str = "/mnt/mesos/sandbox"
    """Where a container with a root of its own sees its sandbox."""
    provided: frozenset[Wish] = frozenset()
    """What containers may ask for beside resources."""
    serves_tls: bool = False
    executor_socket: Path | None = None
    """Where custom executors may connect instead of :attr:`endpoint`."""
    ca_file: Path | None = None
    """Whom executors are to believe when this agent ``serves_tls``; those of the system where it is not said."""

    hostname: str | None = None
    """What the agent's own spans call this machine, so that those of tasks call it the same."""

    @property
    def endpoint(self) -> str:
        """``ip:port``."""
        return join_host_port(self.ip, self.port)


def command_to_run(effect: LaunchContainer) -> CommandInfo | None:
    """The task's command for the built-in executors, the executor's own for a custom one."""
    return command_of(effect.executor.command if effect.task is None else effect.task.command)


def plan_launch(
    effect: LaunchContainer, agent_id: AgentId, settings: LaunchSettings, sandbox: Path, executor_sandbox: Path
) -> LaunchPlan:
    """What to run and how. ``sandbox`` is the container's own, within ``executor_sandbox`` when it is nested.

    Raises:
        LaunchFailed: it asks for something that cannot be had here.
    """
    command = command_to_run(effect)
    container = _container(effect)
    if command is None:
        raise LaunchFailed(REASON_LAUNCH_FAILED, "There is no command to run")
    reason = _refuse(command, container) or _refuse_checks(effect)
    if reason is not None:
        raise LaunchFailed(REASON_LAUNCH_FAILED, reason)
    try:
        wishes = wishes_of(container, settings.provided)
    except CannotBeHad as refusal:
        raise LaunchFailed(REASON_LAUNCH_FAILED, str(refusal)) from refusal
    if effect.executor.type is ExecutorType.DEFAULT:
        _refuse_sharing_with_nobody(wishes, settings.provided)
    directory = None if wishes.image is None else settings.sandbox_directory
    seen = (sandbox, executor_sandbox) if directory is None else (Path(directory), Path(directory))
    variables = environment(effect, agent_id, settings, *seen)
    # A root of its own has no such file in it.
    if settings.executor_socket is not None and effect.executor.type is ExecutorType.CUSTOM and directory is None:
        variables.setdefault("MESOS_DOMAIN_SOCKET", str(settings.executor_socket))
    try:
        rotation_for(variables, settings.rotation or {})
    except ValueError as refusal:
        raise LaunchFailed(REASON_LAUNCH_FAILED, str(refusal)) from refusal
    invoked = _invocation(command)
    # The built-in executor of task groups is a name to the containerizer: there is no container to nest in.
    parent = None if effect.executor.type is ExecutorType.DEFAULT else effect.parent
    return LaunchPlan(
        container_id=effect.container_id,
        argv=invoked.argv,
        program=invoked.program,
        missing_program_status=invoked.missing_program_status,
        environment=variables,
        sandbox=sandbox,
        resources=effect.resources,
        limits=_limits(effect),
        user=user_of(effect, settings),
        uris=_uris(command),
        parent=parent,
        shared=_shared_with(effect),
        directory=directory,
        survives=effect.framework.checkpoint,
        wishes=wishes,
    )


def _refuse_sharing_with_nobody(wishes: Wishes, provided: Collection[Wish]) -> None:
    """Of tasks of a group: the executor around them is no process here. Raises :class:`LaunchFailed`."""
    shared = {
        "IPC": wishes.ipc_mode is IpcMode.SHARE_PARENT,
        # Where nobody has a namespace of his own the executor would have the machine's.
        "processes": wishes.shares_processes and Wish.PROCESSES in provided,
    }
    for what, wanted in shared.items():
        if wanted:
            raise LaunchFailed(
                REASON_LAUNCH_FAILED,
                f"The container asks to share its executor's {what}, and the executor of a group is no process here",
            )


def _shared_with(effect: LaunchContainer) -> SharedWith | None:
    if effect.executor.type is not ExecutorType.DEFAULT or effect.task is None or not effect.task.shares_cgroups:
        return None
    # Limits that came from a master which does not refuse them bound one task, so that it cannot share.
    if effect.parent is None or effect.task.limits:
        return None
    return SharedWith(container_id=effect.parent, resources=effect.executor.resources)


@dataclass(frozen=True, slots=True)
class Amounts:
    """What an operator lets a container have."""

    resources: Resources
    limits: Mapping[str, int]
    """Thousandths by resource name."""


def amounts_of(asked: CallLaunchContainer) -> Amounts:
    """As the call says.

    Raises:
        LaunchFailed: it makes no sense.
    """
    resources, reason = resources_from_wire(asked.resources)
    if reason is not None:
        raise LaunchFailed(REASON_LAUNCH_FAILED, reason)
    try:
        limits = {
            name: UNLIMITED if limit.value == "Infinity" else to_milli(float(limit.value))
            for name, limit in asked.limits.items()
        }
    except ValueError as refusal:
        raise LaunchFailed(REASON_LAUNCH_FAILED, str(refusal)) from refusal
    return Amounts(resources, limits)


def plan_standalone(
    container_id: ContainerId, asked: CallLaunchContainer, settings: LaunchSettings, sandbox: Path
) -> LaunchPlan:
    """What an operator wants to run by itself.

    Raises:
        LaunchFailed: it asks for something that cannot be had here.
    """
    command, container = asked.command, asked.container
    amounts = amounts_of(asked)
    reason = None
    if command is None:
        reason = "There is no command to run"
    elif container is not None and container.tty_info is not None:
        reason = "A container that belongs to no task has no terminal here"
    reason = reason or (None if command is None else _refuse(command, container))
    try:
        wishes = wishes_of(container, settings.provided)
    except CannotBeHad as refusal:
        raise LaunchFailed(REASON_LAUNCH_FAILED, str(refusal)) from refusal
    if command is None or reason is not None:
        raise LaunchFailed(REASON_LAUNCH_FAILED, reason or "There is no command to run")
    invoked = _invocation(command)
    directory = None if wishes.image is None else settings.sandbox_directory
    found = dict(settings.executor_environment) if settings.executor_environment is not None else {}
    found.setdefault("PATH", PATH)
    return LaunchPlan(
        container_id=container_id,
        argv=invoked.argv,
        program=invoked.program,
        missing_program_status=invoked.missing_program_status,
        environment=found | {"MESOS_SANDBOX": directory or str(sandbox)} | _variables(command.environment),
        sandbox=sandbox,
        resources=amounts.resources,
        limits=amounts.limits,
        user=user_of_standalone(asked, settings),
        uris=_uris(command),
        directory=directory,
        survives=True,
        wishes=wishes,
    )


def user_of_standalone(asked: CallLaunchContainer, settings: LaunchSettings) -> str | None:
    """Whom it runs as; ``None`` for ourselves."""
    return asked.command.user or None if asked.command is not None and settings.switch_user else None


def plan_guest(
    host: LaunchPlan,
    container_id: ContainerId,
    command: CommandInfo,
    *,
    streams: Streams | None,
    sandbox: Path | None = None,
    own: Amounts | None = None,
) -> LaunchPlan:
    """What runs beside a task in its container: as its user, with its environment, and where nothing else is said in
    its sandbox. It goes with the task, and uses what the task has; with ``own`` it has control groups of its own, with
    these bounds, or where nothing is in them, those of the task.

    Raises:
        LaunchFailed: the command asks for something that cannot be had here.
    """
    reason = _refuse(command, None)
    if reason is not None:
        raise LaunchFailed(REASON_LAUNCH_FAILED, reason)
    invoked = _invocation(command)
    found = {**host.environment, **_variables(command.environment)}
    directory = host.directory
    if sandbox is not None:
        # Its sandbox is in that of the container whose root it shares.
        directory = directory and str(Path(directory, sandbox.relative_to(host.sandbox)))
        found["MESOS_SANDBOX"] = directory or str(sandbox)
    return LaunchPlan(
        container_id=container_id,
        argv=invoked.argv,
        program=invoked.program,
        missing_program_status=invoked.missing_program_status,
        environment=found,
        sandbox=sandbox or host.sandbox,
        resources=Resources.EMPTY if own is None else own.resources or host.resources,
        limits={} if own is None else own.limits or ({} if own.resources else host.limits),
        own_groups=own is not None,
        # Into a sandbox of its own, and nobody else's.
        uris=() if sandbox is None else _uris(command),
        user=command.user if command.user and host.user is not None else host.user,
        parent=host.container_id,
        streams=streams,
        directory=directory,
        # It sees the volumes and the root where it is, and may do no more than the task.
        wishes=replace(host.wishes, volumes=(), image=None),
    )


def environment(
    effect: LaunchContainer, agent_id: AgentId, settings: LaunchSettings, sandbox: Path, executor_sandbox: Path
) -> dict[str, str]:
    """The process's whole environment (recorded: ``executor``); what the framework sets wins, as in Mesos."""
    executor, framework = effect.executor, effect.framework
    assert executor.framework_id is not None, "an executor that runs belongs to a framework"
    grace = executor.shutdown_grace_seconds
    found = dict(settings.executor_environment) if settings.executor_environment is not None else {}
    found.setdefault("PATH", PATH)
    found.setdefault("LIBPROCESS_IP", settings.ip)
    found |= {
        "LIBPROCESS_PORT": "0",
        "MESOS_AGENT_ENDPOINT": settings.endpoint,
        "MESOS_CHECKPOINT": "1" if framework.checkpoint else "0",
        "MESOS_DIRECTORY": str(executor_sandbox),
        "MESOS_EXECUTOR_ID": executor.executor_id,
        "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": _duration(
            settings.executor_shutdown_grace_seconds if grace is None else grace
        ),
        "MESOS_FRAMEWORK_ID": executor.framework_id,
        "MESOS_HTTP_COMMAND_EXECUTOR": "0",
        "MESOS_SANDBOX": str(sandbox),
        "MESOS_SLAVE_ID": agent_id,
        "MESOS_SLAVE_PID": f"slave(1)@{settings.endpoint}",
    }
    if framework.checkpoint:
        found["MESOS_RECOVERY_TIMEOUT"] = _duration(settings.recovery_timeout_seconds)
        found["MESOS_SUBSCRIPTION_BACKOFF_MAX"] = _duration(settings.executor_reregistration_timeout_seconds)
    if settings.serves_tls:
        found["LIBPROCESS_SSL_ENABLED"] = "1"
        if settings.ca_file is not None:
            found["MESOS_SSL_CA_FILE"] = str(settings.ca_file.absolute())
    if effect.trace is not None:
        found["TRACEPARENT"] = effect.trace
        if settings.hostname is not None:
            found.setdefault("OTEL_RESOURCE_ATTRIBUTES", f"host.name={quote(settings.hostname)}")
    executor_command = command_of(executor.command)
    if executor_command is not None:
        found |= _variables(executor_command.environment)
    if effect.task is not None:
        role = _allocation_role(effect.task.resources)
        if role is not None:
            found["MESOS_ALLOCATION_ROLE"] = role
        task_command = command_of(effect.task.command)
        if task_command is not None:
            found |= _variables(task_command.environment)
    return found


def user_of(effect: LaunchContainer, settings: LaunchSettings) -> str | None:
    """Whom it runs as: the task's command says, else the executor's, else the framework; ``None`` for ourselves."""
    if not settings.switch_user:
        return None
    for command in (effect.task.command if effect.task is not None else None, effect.executor.command):
        named = command_of(command)
        if named is not None and named.user:
            return named.user
    return effect.framework.user or None


def window_of(effect: LaunchContainer) -> Size | None:
    """How large a terminal the process is to have; ``None`` for one that asks for none."""
    container = _container(effect)
    return None if container is None or container.tty_info is None else size_of(container.tty_info)


def size_of(tty: TTYInfo) -> Size:
    """Of a window; of one that does not say, that of a terminal of old."""
    window = tty.window_size
    return Size(24, 80) if window is None else Size(window.rows, window.columns)


def _container(effect: LaunchContainer) -> ContainerInfo | None:
    if effect.task is not None:
        task = carried_task(effect.task)
        return None if task is None else task.container
    executor = _carried_executor(effect.executor)
    return None if executor is None else executor.container


def _carried_executor(info: ExecutorInfo) -> tasks.ExecutorInfo | None:
    # The core hands on what the wire put there and never looks at it, so its type is lost on the way.
    return cast("tasks.ExecutorInfo | None", info.carried)


def _refuse_checks(effect: LaunchContainer) -> str | None:
    """A command that cannot be run would fail at each try, and never say why."""
    # A custom executor checks its tasks itself: its container is launched without a task, and passes.
    if effect.task is None:
        return None
    health = effect.task.health_check
    for name, check in (("health check", None if health is None else health.check), ("check", effect.task.check)):
        command = None if check is None else command_of(check.command)
        refusal = None if command is None else _refuse(command, None)
        if refusal is not None:
            return f"The command of its {name} cannot be run: {refusal}"
    return None


def _refuse(command: CommandInfo, container: ContainerInfo | None) -> str | None:
    """The first thing that this agent cannot give."""
    for variable in _listed(command.environment):
        if variable.type == "SECRET" or variable.secret is not None:
            return f"Environment variable '{variable.name}' is a secret, and this agent has no secret resolver"
        if not variable.name or "=" in variable.name or "\0" in variable.name + (variable.value or ""):
            return f"No process can have an environment variable '{variable.name}' with this name and value"
    if container is not None and (container.type != "MESOS" or container.docker is not None):
        return (
            "None of the enabled containerizers (mesos) could create a container"
            " for the provided TaskInfo/ExecutorInfo message"
        )
    return refuse_command(shell=command.shell, value=command.value, arguments=command.arguments)


def _invocation(command: CommandInfo) -> Invocation:
    assert command.value is not None, "refuse_command saw to it"
    return invocation(shell=command.shell, value=command.value, arguments=command.arguments)


def _uris(command: CommandInfo) -> tuple[UriSpec, ...]:
    return tuple(
        UriSpec(
            value=uri.value,
            executable=bool(uri.executable),
            extract=uri.extract,
            output_file=uri.output_file,
            cache=bool(uri.cache),
        )
        for uri in command.uris
    )


def _limits(effect: LaunchContainer) -> dict[str, int]:
    limits = effect.task.limits if effect.task is not None else {}
    return {name: UNLIMITED if limit is None else limit for name, limit in limits.items()}


def _variables(given: Environment | None) -> dict[str, str]:
    return {variable.name: variable.value or "" for variable in _listed(given)}


def _listed(given: Environment | None) -> tuple[EnvironmentVariable, ...]:
    return () if given is None else given.variables


def _allocation_role(resources: Resources) -> str | None:
    return next((one.key.allocation_role for one in resources if one.key.allocation_role is not None), None)


def _duration(seconds: float) -> str:
    return str(Duration(round(seconds * 1_000_000_000)))
