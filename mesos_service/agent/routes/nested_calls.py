"""The calls about nested containers, and those that stay open: exec and attach (M-OA-03, M-OA-04).

What a container writes goes out as records of ``ProcessIO``, with a heartbeat where it is silent; what it is to read is
``attach_input.py``'s.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from mesos_service.agent.following import follow
from mesos_service.agent.launch_plans import Amounts, amounts_of, size_of
from mesos_service.agent.nested import NestedContainers, NothingToAttach, NotNested, Unfinished
from mesos_service.agent.routes.reads import AgentReads
from mesos_service.agent.terminals import Reader, Stream, Terminal
from mesos_service.containers.garbage import NotRemoved
from mesos_service.containers.plan import DestroyFailed, LaunchFailed
from mesos_service.domain.ids import ContainerId
from mesos_service.domain.resources import Resources
from mesos_service.http.asgi import (
    CHUNKED,
    CallHeaders,
    HeaderName,
    Receive,
    Send,
    respond,
)
from mesos_service.http.connections import UnderlyingConnection
from mesos_service.http.operator_calls import Refused
from mesos_service.wire import agent_operator as operator
from mesos_service.wire import common
from mesos_service.wire.agent_operator import ProcessIO, Response
from mesos_service.wire.containers import CommandInfo, ContainerInfo, LinuxInfo
from mesos_service.wire.encode import encode_message
from mesos_service.wire.protobuf.encode import encode_protobuf
from mesos_service.wire.recordio import record
from mesos_service.wire.streams import PROTOBUF, RECORDS, Framer, negotiate, negotiate_answer

HEARTBEAT_SECONDS: Final = 30.0
STREAMS: Final = ("LAUNCH_NESTED_CONTAINER_SESSION", "ATTACH_CONTAINER_OUTPUT")
WAITS: Final = ("WAIT_NESTED_CONTAINER", "WAIT_CONTAINER")
CALLS: Final = (
    "LAUNCH_NESTED_CONTAINER",
    "WAIT_NESTED_CONTAINER",
    "KILL_NESTED_CONTAINER",
    "REMOVE_NESTED_CONTAINER",
    "LAUNCH_NESTED_CONTAINER_SESSION",
    "ATTACH_CONTAINER_INPUT",
    "ATTACH_CONTAINER_OUTPUT",
    "LAUNCH_CONTAINER",
    "WAIT_CONTAINER",
    "KILL_CONTAINER",
    "REMOVE_CONTAINER",
)
NO_AMOUNTS: Final = Amounts(Resources.EMPTY, {})
Take = Callable[[], Awaitable[tuple[Stream, bytes] | None]]

log = logging.getLogger(__name__)


# -- calls with one answer -----------------------------------------------------------------------------------
async def answer(service: AgentReads, call: operator.Call) -> Response | None:
    """Answer a call about a nested container; ``None``: 200 says it all. Raises ``Refused``."""
    nested = service.nested
    if call.launch_nested_container is not None and call.type == "LAUNCH_NESTED_CONTAINER":
        await _launch(nested, call.launch_nested_container)
    elif call.wait_nested_container is not None and call.type == "WAIT_NESTED_CONTAINER":
        status = await _wait(nested, call.wait_nested_container.container_id)
        waited = operator.ResponseWaitNestedContainer(exit_status=status)
        return Response(type="WAIT_NESTED_CONTAINER", wait_nested_container=waited)
    elif call.launch_container is not None and call.type == "LAUNCH_CONTAINER":
        await _launch_container(service, call.launch_container)
    elif call.wait_container is not None and call.type == "WAIT_CONTAINER":
        container_id, _ = _identify(call.wait_container.container_id)
        if container_id in service.standalone:
            status = await service.standalone.wait(container_id)
        else:
            status = await _wait(nested, call.wait_container.container_id)
        return Response(type="WAIT_CONTAINER", wait_container=operator.ResponseWaitContainer(exit_status=status))
    elif call.kill_nested_container is not None and call.type == "KILL_NESTED_CONTAINER":
        _kill(nested, call.kill_nested_container.container_id, call.kill_nested_container.signal)
    elif call.kill_container is not None and call.type == "KILL_CONTAINER":
        _kill(nested, call.kill_container.container_id, call.kill_container.signal)
    elif call.remove_nested_container is not None and call.type == "REMOVE_NESTED_CONTAINER":
        await _remove_nested(service, call.remove_nested_container.container_id)
    elif call.remove_container is not None and call.type == "REMOVE_CONTAINER":
        await _remove(service, call.remove_container.container_id)
    return None


async def _launch_container(service: AgentReads, call: operator.CallLaunchContainer) -> None:
    """By itself, or where a parent is named, nested in that."""
    container_id, parent = _identify(call.container_id)
    if parent is not None:
        if (call.resources or call.limits) and not _has_own_groups(call.container):
            raise Refused(
                400,
                "A nested container uses what the one around it has, and can name no resources, unless it says"
                " linux_info.share_cgroups: false",
            )
        asked = operator.CallLaunchNestedContainer(
            container_id=call.container_id, command=call.command, container=call.container
        )
        try:
            amounts = amounts_of(call)
        except LaunchFailed as error:
            raise Refused(400, str(error)) from error
        await _launch(service.nested, asked, amounts)
        return
    if call.command is None:
        raise Refused(400, "Expecting 'command' to be present")
    try:
        begun = await service.standalone.launch(container_id, call)
    except (LaunchFailed, DestroyFailed) as error:
        raise refused(error) from error
    if not begun:
        raise Refused(202)


async def _launch(
    nested: NestedContainers, call: operator.CallLaunchNestedContainer, amounts: Amounts = NO_AMOUNTS
) -> None:
    container_id, parent = _nested_id(call.container_id)
    tty = call.container.tty_info if call.container is not None else None
    try:
        begun = await nested.launch(
            container_id,
            parent,
            _command(call.command, call.container, shares=False),
            tty=tty is not None,
            size=None if tty is None else size_of(tty),
            own=amounts if _has_own_groups(call.container) else None,
        )
    except NotNested as error:
        raise _without_parent(call.container_id) from error
    except (LaunchFailed, DestroyFailed) as error:
        raise refused(error) from error
    if not begun:
        raise Refused(202)


def _without_parent(container: common.ContainerID) -> Refused:
    assert container.parent is not None, "it would have been refused"
    return Refused(400, f"Parent container {_dotted(container.parent)} does not exist")


async def _wait(nested: NestedContainers, container: common.ContainerID) -> int | None:
    container_id = known(nested, container)
    try:
        return await nested.wait(container_id)
    except NotNested as error:
        raise refused(error) from error


def _kill(nested: NestedContainers, container: common.ContainerID, signum: int | None) -> None:
    if signum is not None and not 0 < signum < 65:
        raise Refused(400, f"{signum} is no signal")
    container_id, parent = _identify(container)
    if not nested.kill(container_id, parent, signum):
        raise Refused(404, f"Container '{_dotted(container)}' cannot be found (or is already killed)")


async def _remove(service: AgentReads, container: common.ContainerID) -> None:
    container_id, _ = _identify(container)
    if container_id not in service.standalone:
        await _remove_nested(service, container)
        return
    try:
        await service.standalone.remove(container_id)
    except (Unfinished, NotRemoved) as error:
        raise _not_removed(error) from error


async def _remove_nested(service: AgentReads, container: common.ContainerID) -> None:
    try:
        await service.nested.remove(*_identify(container))
    except (Unfinished, NotRemoved) as error:
        raise _not_removed(error) from error


def _not_removed(error: Exception) -> Refused:
    return Refused(500, f"Failed to remove container: {error}")


def _identify(container: common.ContainerID) -> tuple[ContainerId, ContainerId | None]:
    """Its own id and that of the container around it, if it names one."""
    return ContainerId(container.value), None if container.parent is None else ContainerId(container.parent.value)


def _nested_id(container: common.ContainerID) -> tuple[ContainerId, ContainerId]:
    container_id, parent = _identify(container)
    assert parent is not None, "it would have been refused"
    return container_id, parent


def _dotted(container: common.ContainerID) -> str:
    """As Mesos writes an id: with those around it in front."""
    names: list[str] = []
    one: common.ContainerID | None = container
    while one is not None:
        names.append(one.value)
        one = one.parent
    return ".".join(reversed(names))


def known(nested: NestedContainers, container: common.ContainerID) -> ContainerId:
    """The id of a container that is here. Raises ``Refused``."""
    container_id, parent = _identify(container)
    if not nested.is_here(container_id, parent):
        raise Refused(404, f"Container {_dotted(container)} cannot be found")
    return container_id


def _has_own_groups(container: ContainerInfo | None) -> bool:
    return container is not None and container.linux_info is not None and not container.linux_info.share_cgroups


def _is_what_it_has(info: LinuxInfo, shares: bool) -> bool:
    """Whether what is nested has that in any case: it is in the namespaces of what is around it."""
    return info in (
        LinuxInfo(share_pid_namespace=processes, share_cgroups=groups)
        for processes in (None, True)
        for groups in (True, shares)
    )


def _command(command: CommandInfo | None, container: ContainerInfo | None, *, shares: bool = True) -> CommandInfo:
    """What to run; who ``shares`` cannot have control groups of his own."""
    if command is None:
        raise Refused(400, "Expecting 'command' to be present")
    if container is not None:
        # It has what its parent has; whoever asks for something else is told, and not left to wonder.
        asked = (
            container.mesos is not None and container.mesos.image,
            container.docker,
            container.volumes,
            container.rlimit_info,
            any(info.name for info in container.network_infos),
            container.linux_info is not None and not _is_what_it_has(container.linux_info, shares),
        )
        if container.type != "MESOS" or any(asked):
            raise Refused(400, "The provided ContainerInfo is not supported")
    return command


def refused(error: Exception) -> Refused:
    """The answer to a call that could not be done. A launch that fails is taken for what was asked wrongly, as in
    Mesos."""
    if isinstance(error, NotNested):
        return Refused(404, str(error))
    return Refused(400 if isinstance(error, NothingToAttach | LaunchFailed) else 500, str(error))


async def wait_or_leave(
    service: AgentReads, call: operator.Call, receive: Receive, send: Send, content_type: str
) -> None:
    """Answer WAIT_..., unless the client goes first: a container may take longer than anybody's patience. Raises
    ``Refused``."""
    UnderlyingConnection(receive).end_with_client()
    answering = asyncio.ensure_future(answer(service, call))
    leaving = asyncio.ensure_future(_disconnected(receive))
    try:
        await asyncio.wait((answering, leaving), return_when=asyncio.FIRST_COMPLETED)
        if answering.done():
            told = answering.result()
            assert told is not None, "it says how the container ended"
            body = encode_protobuf(told) if content_type == PROTOBUF else encode_message(told)
            await respond(send, 200, body, ((HeaderName(b"Content-Type"), content_type.encode()),))
    finally:
        answering.cancel()
        leaving.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


# -- output --------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Framing:
    """How records go out."""

    frame: Framer
    protobuf: bool
    content_type: str
    message_content_type: str | None = None

    def encode(self, message: ProcessIO) -> bytes:
        return self.frame(encode_protobuf(message) if self.protobuf else encode_message(message))

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        found: list[tuple[bytes, bytes]] = [(HeaderName(b"Content-Type"), self.content_type.encode())]
        if self.message_content_type is not None:
            found.append((HeaderName(b"Message-Content-Type"), self.message_content_type.encode()))
        return found


async def stream(service: AgentReads, call: operator.Call, headers: CallHeaders, receive: Receive, send: Send) -> None:
    """Answer with what a container writes, until one side ends. Raises ``Refused`` when nothing has been sent yet."""
    framing = _framing(headers)
    nested = service.nested
    if call.launch_nested_container_session is not None and call.type == "LAUNCH_NESTED_CONTAINER_SESSION":
        asked = call.launch_nested_container_session
        container_id, parent = _nested_id(asked.container_id)
        tty = asked.container.tty_info if asked.container is not None else None
        command = _command(asked.command, asked.container)
        if command.uris:
            raise Refused(400, "A session runs in the sandbox of its container, and nothing is fetched for it")
        try:
            size = None if tty is None else size_of(tty)
            reader = await nested.launch_session(container_id, parent, command, tty=tty is not None, size=size)
        except NotNested as error:
            raise _without_parent(asked.container_id) from error
        except (LaunchFailed, DestroyFailed) as error:
            raise refused(error) from error
        if reader is None:
            raise Refused(202)

        async def next_of_session() -> tuple[Stream, bytes] | None:
            piece = await reader.take()
            if piece is None:
                # Whoever closes what it writes to may go on, if only for as long as it takes to end.
                with contextlib.suppress(NotNested):
                    await nested.wait(container_id)
            return piece

        try:
            await _serve(next_of_session, framing, receive, send)
        finally:
            nested.end_session(container_id, reader)
        return
    assert call.attach_container_output is not None, "validation saw to it"
    await _attach(nested, call.attach_container_output.container_id, framing, receive, send)


async def _attach(
    nested: NestedContainers,
    container: common.ContainerID,
    framing: _Framing,
    receive: Receive,
    send: Send,
) -> None:
    container_id = known(nested, container)
    terminal: Terminal | None = None
    reader: Reader | None = None
    try:
        terminal = nested.terminal_of(container_id)
        reader = terminal.attach()
        take: Take = reader.take
    except NotNested as error:
        raise refused(error) from error
    except NothingToAttach as error:
        plan = nested.plan(container_id)
        if plan is None:
            raise refused(error) from error
        # It writes to files: what is added to them from now on is what it writes.
        pieces = follow(plan.sandbox, lambda: nested.plan(container_id) is not None)

        async def next_piece() -> tuple[Stream, bytes] | None:
            return await anext(pieces, None)

        take = next_piece
    try:
        await _serve(take, framing, receive, send)
    finally:
        if terminal is not None and reader is not None:
            terminal.detach(reader)


def _framing(headers: CallHeaders) -> _Framing:
    encoding = negotiate(headers.accept)
    if encoding is None:
        messages = negotiate_answer(headers.message_accept)
        assert messages is not None, "``media`` saw to it"
        return _Framing(record, messages == PROTOBUF, RECORDS, messages)
    return _Framing(encoding.framer(), encoding.is_protobuf, encoding.content_type)


async def _serve(take: Take, framing: _Framing, receive: Receive, send: Send) -> None:
    UnderlyingConnection(receive).end_with_client()
    leaving = asyncio.ensure_future(_disconnected(receive))
    taking: asyncio.Future[tuple[Stream, bytes] | None] | None = None
    try:
        await send({"type": "http.response.start", "status": 200, "headers": [CHUNKED, *framing.headers]})
        await _send(send, framing.encode(_heartbeat()))
        while True:
            taking = taking or asyncio.ensure_future(take())
            done, _ = await asyncio.wait(
                (taking, leaving), timeout=HEARTBEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            if leaving in done:
                return
            if not done:
                await _send(send, framing.encode(_heartbeat()))
                continue
            piece, taking = taking.result(), None
            if piece is None:
                break
            await _send(send, framing.encode(_data(*piece)))
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    except (OSError, RuntimeError) as error:
        # A connection that closes under a write is told in either way (``http.held_stream``).
        log.debug("An attached client has gone: %s", error)
    finally:
        for task in (leaving, taking):
            if task is not None:
                task.cancel()


async def _send(send: Send, payload: bytes) -> None:
    await send({"type": "http.response.body", "body": payload, "more_body": True})


def _data(name: Stream, data: bytes) -> ProcessIO:
    return ProcessIO(type="DATA", data=operator.ProcessIOData(type=name, data=data))


def _heartbeat() -> ProcessIO:
    interval = common.DurationInfo(nanoseconds=int(HEARTBEAT_SECONDS * 1_000_000_000))
    heartbeat = operator.ProcessIOControlHeartbeat(interval=interval)
    return ProcessIO(type="CONTROL", control=operator.ProcessIOControl(type="HEARTBEAT", heartbeat=heartbeat))
