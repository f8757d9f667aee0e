"""What can be said against an operator's call to an agent before the agent is looked at, in Mesos' words.

The order of the checks is Mesos', too: the sub-message, the container's name, and then what is to run in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, get_args

from mesos_service.domain.ids import refuse_id
from mesos_service.wire import agent_operator as operator
from mesos_service.wire.common import ContainerID
from mesos_service.wire.containers import CommandInfo, ContainerInfo, EnvironmentVariable, Secret, Volume
from mesos_service.wire.resources import Resource
from mesos_service.wire.validate import NO_TYPE, sub_messages

CONTAINER_ID_BYTES_MAX: Final = 242
"""Mesos' bound: what stands beside an id in the names of control groups and files has to fit as well."""

SUB_MESSAGES: Final = sub_messages(
    operator.Call, get_args(operator.CallType), optional=("GET_CONTAINERS", "PRUNE_IMAGES")
)
_NESTED: Final = frozenset(
    {
        "launch_nested_container",
        "wait_nested_container",
        "kill_nested_container",
        "remove_nested_container",
        "launch_nested_container_session",
    }
)
"""Sub-messages whose container has to name the one around it."""


def validate_agent_call(call: operator.Call) -> str | None:
    """The first reason against an operator's call to an agent."""
    if call.type is None:
        return NO_TYPE
    wanted = SUB_MESSAGES.get(call.type)
    if wanted is None:
        return None
    asked = getattr(call, wanted)
    if asked is None:
        return f"Expecting '{wanted}' to be present"
    match asked:
        case operator.CallAttachContainerInput():
            return _refuse_input(asked)
        case operator.CallLaunchNestedContainer() | operator.CallLaunchNestedContainerSession():
            return _refuse_name(asked.container_id, wanted) or _refuse_nested(asked, wanted)
        case operator.CallLaunchContainer():
            return _refuse_name(asked.container_id, wanted) or _refuse_launch(asked)
        case (
            operator.CallWaitNestedContainer()
            | operator.CallKillNestedContainer()
            | operator.CallRemoveNestedContainer()
            | operator.CallAttachContainerOutput()
            | operator.CallWaitContainer()
            | operator.CallKillContainer()
            | operator.CallRemoveContainer()
        ):
            return _refuse_name(asked.container_id, wanted)
    return None


def _refuse_name(container_id: ContainerID, wanted: str) -> str | None:
    refusal = _refuse_container_id(container_id)
    if refusal is not None:
        return f"'{wanted}.container_id' is invalid: {refusal}"
    if wanted in _NESTED and container_id.parent is None:
        return f"Expecting '{wanted}.container_id.parent' to be present"
    return None


def _refuse_container_id(container_id: ContainerID) -> str | None:
    said, one = "", container_id
    while True:
        refusal = refuse_id(one.value)
        if refusal is None and len(one.value.encode()) > CONTAINER_ID_BYTES_MAX:
            refusal = f"'ContainerID.value' '{one.value}' exceeds the maximum length ({CONTAINER_ID_BYTES_MAX})"
        if refusal is None and ("." in one.value or " " in one.value):
            # A nested container is told of as ``outer.inner``.
            refusal = f"'ContainerID.value' '{one.value}' contains invalid characters"
        if refusal is not None:
            return said + refusal
        if one.parent is None:
            return None
        said, one = said + "'ContainerID.parent' is invalid: ", one.parent


def _shares_groups(container: ContainerInfo | None) -> bool:
    return container is None or container.linux_info is None or container.linux_info.share_cgroups


def _is_nested_twice(container_id: ContainerID) -> bool:
    return container_id.parent is not None and container_id.parent.parent is not None


def _refuse_nested(
    asked: operator.CallLaunchNestedContainer | operator.CallLaunchNestedContainerSession, wanted: str
) -> str | None:
    refusal = _refuse_what_runs(asked.command, asked.container, wanted)
    if refusal is not None or _shares_groups(asked.container):
        return refusal
    if isinstance(asked, operator.CallLaunchNestedContainerSession):
        return (
            f"'{wanted}.container.linux_info' is invalid: 'share_cgroups' cannot be set to 'false' for nested"
            " container sessions"
        )
    return _refuse_deep_groups(wanted) if _is_nested_twice(asked.container_id) else None


def _refuse_deep_groups(wanted: str) -> str:
    return (
        f"'{wanted}' is invalid: containers nested at the second level or greater cannot set 'share_cgroups' to 'false'"
    )


def _refuse_launch(asked: operator.CallLaunchContainer) -> str | None:
    wanted = "launch_container"
    if asked.container_id.parent is None:
        for resource in asked.resources:
            refusal = _refuse_of_nobody(resource)
            if refusal is not None:
                return f"'{wanted}.resources' {refusal}"
    refusal = _refuse_what_runs(asked.command, asked.container, wanted)
    if refusal is None and _is_nested_twice(asked.container_id):
        deep = "containers nested at the second level or greater cannot specify"
        if asked.resources:
            refusal = f"'{wanted}' is invalid: {deep} resources"
        elif asked.limits:
            refusal = f"'{wanted}' is invalid: {deep} resource limits"
        elif not _shares_groups(asked.container):
            refusal = _refuse_deep_groups(wanted)
    return refusal


def _refuse_of_nobody(resource: Resource) -> str | None:
    """What a container of nobody cannot use, as the master knows nothing of it."""
    if resource.reservations or resource.reservation is not None or resource.role not in (None, "*"):
        return "must be unreserved"
    if resource.disk is not None and resource.disk.persistence is not None:
        return "may not use persistent volumes"
    return None if resource.revocable is None else "must be non-revocable"


def _refuse_what_runs(command: CommandInfo | None, container: ContainerInfo | None, wanted: str) -> str | None:
    refusal = None if command is None else refuse_command(command)
    if refusal is not None:
        return f"'{wanted}.command' is invalid: {refusal}"
    refusal = None if container is None else refuse_container(container)
    return None if refusal is None else f"'{wanted}.container' is invalid: {refusal}"


# -- what is to run ------------------------------------------------------------------------------------------
def refuse_command(command: CommandInfo) -> str | None:
    """The first reason against a command: its environment."""
    variables: Iterable[EnvironmentVariable] = () if command.environment is None else command.environment.variables
    return next((refusal for one in variables if (refusal := _refuse_variable(one)) is not None), None)


def _refuse_variable(variable: EnvironmentVariable) -> str | None:
    begins = f"Environment variable '{variable.name}' of type '{variable.type}' must"
    if variable.type == "SECRET":
        if variable.secret is None:
            return f"{begins} have a secret set"
        if variable.value is not None:
            return f"{begins} not have a value set"
        refusal = _refuse_secret(variable.secret)
        return None if refusal is None else f"Environment variable '{variable.name}' specifies an {refusal}"
    if variable.type == "UNKNOWN":
        return "Environment variable of type 'UNKNOWN' is not allowed"
    if variable.value is None:
        return f"{begins} have a value set"
    return None if variable.secret is None else f"{begins} not have a secret set"


def _refuse_secret(secret: Secret) -> str | None:
    if secret.type == "REFERENCE":
        if secret.reference is None:
            return "invalid secret: Secret of type REFERENCE must have the 'reference' field set"
        if secret.value is not None:
            named = f"Secret '{secret.reference.name}' of type REFERENCE"
            return f"invalid secret: {named} must not have the 'value' field set"
    elif secret.type == "VALUE":
        if secret.value is None:
            return "invalid secret: Secret of type VALUE must have the 'value' field set"
        if secret.reference is not None:
            return "invalid secret: Secret of type VALUE must not have the 'reference' field set"
    return None


def refuse_container(container: ContainerInfo) -> str | None:
    """The first reason against what a container is to have: its volumes, and what Docker is told."""
    for volume in container.volumes:
        refusal = _refuse_volume(volume)
        if refusal is not None:
            return f"Invalid volume: {refusal}"
    if container.type == "DOCKER":
        if container.docker is None:
            return "DockerInfo 'docker' is not set for DOCKER typed ContainerInfo"
        if any(one.key == "name" for one in container.docker.parameters):
            return "Parameter in DockerInfo must not be 'name'"
    return None


def _refuse_volume(volume: Volume) -> str | None:
    if [volume.host_path, volume.image, volume.source].count(None) != 2:
        return "Only one of them should be set: 'host_path', 'image' and 'source'"
    source = volume.source
    if source is None:
        return None
    if source.type is None or source.type == "UNKNOWN":
        return "'source.type' is unknown"
    field = source.type.lower()
    if getattr(source, field, None) is None and source.type != "CSI_VOLUME":
        return f"'source.{field}' is not set for {source.type} volume"
    return None


# -- input ---------------------------------------------------------------------------------------------------
def _refuse_input(asked: operator.CallAttachContainerInput) -> str | None:
    if asked.type is None:
        return "Expecting 'attach_container_input.type' to be present"
    if asked.type == "UNKNOWN":
        return "'attach_container_input.type' is unknown"
    if asked.type == "CONTAINER_ID":
        return _refuse_name(asked.container_id or ContainerID(value=""), "attach_container_input")
    return None


def refuse_process_io(asked: operator.CallAttachContainerInput) -> str | None:
    """The first reason against a record of input that is not the first one."""
    if asked.type != "PROCESS_IO":
        return f"Expecting 'attach_container_input.type' to be 'PROCESS_IO' instead of: '{asked.type}'"
    given = asked.process_io
    if given is None:
        return "Expecting 'attach_container_input.process_io' to be present"
    match given.type:
        case None:
            return "Expecting 'process_io.type' to be present"
        case "UNKNOWN":
            return "'process_io.type' is unknown"
        case "CONTROL":
            return _refuse_control(given.control)
        case "DATA":
            return _refuse_data(given.data)


def _refuse_control(control: operator.ProcessIOControl | None) -> str | None:
    if control is None:
        return "Expecting 'process_io.control' to be present"
    match control.type:
        case None:
            return "Expecting 'process_io.control.type' to be present"
        case "UNKNOWN":
            return "'process_io.control.type' is unknown"
        case "TTY_INFO":
            if control.tty_info is None:
                return "Expecting 'process_io.control.tty_info' to be present"
            if control.tty_info.window_size is None:
                return "Expecting 'tty_info.window_size' to be present"
        case "HEARTBEAT":
            if control.heartbeat is None:
                return "Expecting 'process_io.control.heartbeat' to be present"
    return None


def _refuse_data(data: operator.ProcessIOData | None) -> str | None:
    if data is None:
        return "Expecting 'process_io.data' to be present"
    if data.type is None:
        return "Expecting 'process_io.data.type' to be present"
    if data.type != "STDIN":
        return "Expecting 'process_io.data.type' to be 'STDIN'"
    return None if data.data is not None else "Expecting 'process_io.data.data' to be present"
