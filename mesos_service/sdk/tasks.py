"""Short ways to the messages a framework writes most: resources, commands, tasks, task groups, operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mesos_service.domain.resource import Resource, Value
from mesos_service.domain.resources import Resources
from mesos_service.domain.values import Ranges
from mesos_service.wire import resources as wire
from mesos_service.wire.checks import CheckInfo, HealthCheck
from mesos_service.wire.common import AgentID, ExecutorID, TaskID
from mesos_service.wire.containers import CommandInfo, CommandInfoURI, Environment, EnvironmentVariable
from mesos_service.wire.convert.values import duration_to_wire, resources_from_wire, resources_to_wire
from mesos_service.wire.offers import Offer, OfferOperation, OfferOperationLaunch, OfferOperationLaunchGroup
from mesos_service.wire.tasks import ExecutorInfo, KillPolicy, TaskGroupInfo, TaskInfo


def resources(text: str) -> tuple[wire.Resource, ...]:
    """Resources as a flag spells them: ``cpus:0.5;mem:64;ports:[31000-31001]``.

    Raises:
        ValueError: the text cannot be read; the message says why.
    """
    return resources_to_wire(Resources.parse(text))


def available(offer: Offer) -> Resources:
    """What an offer holds, ready for arithmetic, without saying to whom it is offered.

    Raises:
        ValueError: the offer holds something that no resource can be.
    """
    held, refusal = resources_from_wire(offer.resources)
    if refusal is not None:
        raise ValueError(refusal)
    return held.unallocated()


def take(held: Resources, needs: Resources) -> Resources | None:
    """The part of ``held`` that covers ``needs`` by name, or ``None`` when it does not.

    What is reserved for the framework's role is taken first, as nobody else could use it. Disks with a source, volumes
    and revocable resources are never taken: who wants one of those has to name it.
    """
    taken: list[Resource] = []
    for need in needs:
        missing = need.value
        for item in sorted(held, key=lambda item: not item.key.reservations):
            key = item.key
            if key.name != need.key.name or key.revocable or key.shared or key.disk is not None:
                continue
            part = _common(item.value, missing)
            if part:
                taken.append(Resource(key, part))
                missing = _rest(missing, part)
        if missing:
            return None
    return Resources(taken)


def _common(held: Value, wanted: Value) -> Value:
    """As much of ``wanted`` as is held; nothing where the two are of different types."""
    if isinstance(held, int) and isinstance(wanted, int):
        return min(held, wanted)
    if isinstance(held, Ranges) and isinstance(wanted, Ranges):
        return held & wanted
    if isinstance(held, frozenset) and isinstance(wanted, frozenset):
        return held & wanted
    return 0


def _rest(wanted: Value, part: Value) -> Value:
    if isinstance(wanted, int) and isinstance(part, int):
        return wanted - part
    if isinstance(wanted, Ranges) and isinstance(part, Ranges):
        return wanted - part
    assert isinstance(wanted, frozenset)
    assert isinstance(part, frozenset)
    return wanted - part


def command_info(
    command: str | Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    uris: Sequence[str | CommandInfoURI] = (),
    user: str | None = None,
) -> CommandInfo:
    """A command for the shell when it is one text, a program with its arguments when it is several."""
    shell = isinstance(command, str)
    variables = tuple(EnvironmentVariable(name=name, value=text) for name, text in (environment or {}).items())
    return CommandInfo(
        uris=tuple(CommandInfoURI(value=uri) if isinstance(uri, str) else uri for uri in uris),
        environment=Environment(variables=variables) if variables else None,
        shell=shell,
        value=command if isinstance(command, str) else command[0],
        arguments=() if isinstance(command, str) else tuple(command),
        user=user,
    )


def task(
    task_id: str,
    offer: Offer | str,
    needs: str | Resources,
    command: str | Sequence[str] | CommandInfo | None = None,
    *,
    name: str | None = None,
    executor: ExecutorInfo | None = None,
    environment: Mapping[str, str] | None = None,
    data: bytes | None = None,
    kill_grace_seconds: float | None = None,
    max_completion_seconds: float | None = None,
    check: CheckInfo | None = None,
    health_check: HealthCheck | None = None,
) -> TaskInfo:
    """A task for the agent of ``offer`` (or the agent with that id): a command, or one for ``executor``.

    What ``check`` says is told in ``TaskStatus.check_status``; a task whose ``health_check`` fails too often is killed.
    """
    if command is not None and not isinstance(command, CommandInfo):
        command = command_info(command, environment=environment)
    return TaskInfo(
        name=name or task_id,
        task_id=TaskID(value=task_id),
        agent_id=AgentID(value=offer) if isinstance(offer, str) else offer.agent_id,
        resources=resources(needs) if isinstance(needs, str) else resources_to_wire(needs),
        executor=executor,
        command=command,
        kill_policy=None
        if kill_grace_seconds is None
        else KillPolicy(grace_period=duration_to_wire(kill_grace_seconds)),
        check=check,
        health_check=health_check,
        data=data,
        max_completion_time=None if max_completion_seconds is None else duration_to_wire(max_completion_seconds),
    )


def custom_executor(
    executor_id: str, command: str | Sequence[str] | CommandInfo, needs: str = "", *, name: str | None = None
) -> ExecutorInfo:
    """An executor of the framework's own: a program that speaks the executor API (``sdk.executor``)."""
    return ExecutorInfo(
        type="CUSTOM",
        executor_id=ExecutorID(value=executor_id),
        command=command if isinstance(command, CommandInfo) else command_info(command),
        resources=resources(needs) if needs else (),
        name=name,
    )


def default_executor(executor_id: str, needs: str) -> ExecutorInfo:
    """The built-in executor, which runs task groups."""
    return ExecutorInfo(type="DEFAULT", executor_id=ExecutorID(value=executor_id), resources=resources(needs))


def launch(*tasks: TaskInfo) -> OfferOperation:
    """Start tasks, each on its own."""
    return OfferOperation(type="LAUNCH", launch=OfferOperationLaunch(task_infos=tasks))


def launch_group(executor: ExecutorInfo, *tasks: TaskInfo) -> OfferOperation:
    """Start tasks together or not at all, in one executor (M-OP-02)."""
    return OfferOperation(
        type="LAUNCH_GROUP",
        launch_group=OfferOperationLaunchGroup(executor=executor, task_group=TaskGroupInfo(tasks=tasks)),
    )
