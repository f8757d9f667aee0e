"""The operators' stream: all there is, and from then on what changes (M-OM-06).

The core notes what happens, for counters and the log; what operators are told is made of the same facts, and of the
state that they left. While nobody listens a fact costs one look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Final

from mesos_service.core.effects import Note
from mesos_service.core.master.state import Framework, MasterState, Task
from mesos_service.domain.ids import AgentId, FrameworkId, TaskId
from mesos_service.http.asgi import HeaderName, Receive, Send
from mesos_service.http.held_stream import Backlog, HeldStream
from mesos_service.http.large import Body, LargeAnswers
from mesos_service.wire.encode import ascii_json, encode_event
from mesos_service.wire.operator import Event
from mesos_service.wire.protobuf.encode import encode_protobuf
from mesos_service.wire.render import operator_events as render
from mesos_service.wire.render.snapshot import snapshot
from mesos_service.wire.sliced import json_slices, protobuf_slices
from mesos_service.wire.streams import Encoding

HEARTBEAT_SECONDS: Final = 15.0
"""As recorded; no flag sets it."""

_CONTENT_TYPE: Final = HeaderName(b"Content-Type")
_HEARTBEAT: Final = Event(type="HEARTBEAT")


class _Opening:
    """A stream that has not been told yet what there is."""

    def __init__(self) -> None:
        self.begun = False
        """Its moment has come: what happens now it has to be told."""
        self.missed: list[bytes] = []
        self.bytes = 0
        self.over = False
        """Nobody is to be told any more."""
        self._making: asyncio.Future[Body | None] | None = None

    async def made(self, making: Coroutine[None, None, Body | None]) -> Body | None:
        """What ``making`` gives, unless this is over before."""
        self._making = asyncio.ensure_future(making)
        try:
            return await self._making
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not self.over or (task is not None and task.cancelling()):
                raise
            return None

    def end(self) -> None:
        """Make nothing that nobody is to be told: others wait for their turn."""
        self.over = True
        self.missed.clear()
        if self._making is not None:
            self._making.cancel()


class OperatorEvents:
    """The open streams of one master. Beyond ``subscribers_max`` the oldest one is closed for the newest."""

    def __init__(self, state: MasterState, backlog: Backlog, subscribers_max: int, large_answers: LargeAnswers) -> None:
        self._state = state
        self._large_answers = large_answers
        self._backlog = backlog
        self._subscribers_max = subscribers_max
        self._streams: dict[HeldStream, None] = {}
        """In the order in which they were opened."""
        self._opening: dict[HeldStream, _Opening] = {}
        """Those of them that have not been told yet what there is."""
        self._agents: set[AgentId] = set()
        """Agents that subscribers know of, as long as there are any."""
        self.overruns = 0
        """Streams given up because their reader was too slow (N17)."""

    def __len__(self) -> int:
        return len(self._streams)

    @property
    def streams(self) -> tuple[HeldStream, ...]:
        """The open ones, the oldest first."""
        return tuple(self._streams)

    # -- streams ---------------------------------------------------------------------------------------------
    async def serve(self, encoding: Encoding, receive: Receive, send: Send) -> None:
        """Hold a SUBSCRIBE open until either side ends it."""
        stream = HeldStream(encoding.framer(), backlog=self._backlog, protobuf=encoding.is_protobuf)
        if not self._streams:
            self._agents = set(self._state.agents)
        while len(self._streams) >= self._subscribers_max:
            oldest = next(iter(self._streams))
            del self._streams[oldest]
            self._end(oldest)
        self._streams[stream] = None
        self._opening[stream] = _Opening()
        beating: asyncio.Future[None] | None = None
        try:
            if not await self._open(stream, receive):
                return
            beating = asyncio.ensure_future(self._beat(stream))
            await stream.serve(receive, send, 200, [(_CONTENT_TYPE, encoding.content_type.encode())])
        finally:
            if beating is not None:
                beating.cancel()
            self._streams.pop(stream, None)
            self._opening.pop(stream, None)
            if stream.overrun:
                self.overruns += 1

    async def _open(self, stream: HeldStream, receive: Receive) -> bool:
        """Tell all there is, and then what has happened since that moment; ``False`` when the client has left."""
        opening = self._opening[stream]

        def slices() -> Iterator[bytes]:
            # What happened before is in the snapshot, what happens from here on is told, and nothing is both.
            opening.begun = True
            told = render.subscribed(snapshot(self._state), HEARTBEAT_SECONDS)
            return protobuf_slices(told) if stream.protobuf else map(ascii_json, json_slices(told))

        # Nobody else has this key: each stream begins at a moment of its own.
        body = await opening.made(self._large_answers.made_for(receive, stream, slices))
        if body is None:
            return opening.over
        del self._opening[stream]
        first = b"".join(body.pieces)
        # However much there is: a reader is slow who does not keep up with what follows.
        stream.lag_bytes_max += len(first)
        stream.write(first)
        self._tell((stream,), _HEARTBEAT)
        for payload in opening.missed:
            stream.write(payload)
        return True

    def close(self) -> None:
        """End every stream."""
        for stream in self._streams:
            self._end(stream)

    def _end(self, stream: HeldStream) -> None:
        stream.close()
        opening = self._opening.get(stream)
        if opening is not None:
            opening.end()

    async def _beat(self, stream: HeldStream) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            self._tell((stream,), _HEARTBEAT)

    def _tell(self, streams: tuple[HeldStream, ...], event: Event) -> None:
        """Each form of an event is made once, and only if somebody reads it."""
        forms: dict[bool, bytes] = {}
        for stream in streams:
            form = forms.get(stream.protobuf)
            if form is None:
                form = forms[stream.protobuf] = encode_protobuf(event) if stream.protobuf else encode_event(event)
            opening = self._opening.get(stream)
            if opening is None:
                stream.write(form)
            elif opening.begun and not opening.over:
                opening.missed.append(form)
                opening.bytes += len(form)
                if opening.bytes > stream.lag_bytes_max:
                    stream.give_up("too much happened while it was told what there is")
                    opening.end()

    # -- facts -----------------------------------------------------------------------------------------------
    def note(self, note: Note) -> None:
        """Tell what a fact means to operators, which is nothing for most."""
        if not self._streams:
            return
        make = _EVENTS.get(note.fact)
        if make is not None:
            for event in make(self, {name: str(value) for name, value in note.attributes.items()}):
                self._tell(self.streams, event)

    def _framework(self, told: Mapping[str, str]) -> Framework | None:
        framework_id = FrameworkId(told["framework_id"])
        return self._state.frameworks.get(framework_id) or self._state.completed_frameworks.get(framework_id)

    def task_launched(self, told: Mapping[str, str]) -> Iterator[Event]:
        task = self._task(told)
        if task is not None:
            yield render.task_added(task)

    def task_updated(self, told: Mapping[str, str]) -> Iterator[Event]:
        """Of a task that was never launched there is nothing to update."""
        task = self._task(told)
        if task is not None and task.statuses:
            yield render.task_updated(task.framework_id, task, task.statuses[-1])

    def _task(self, told: Mapping[str, str]) -> Task | None:
        """Wherever the step that the fact was noted in has put it."""
        framework = self._framework(told)
        if framework is None:
            return None
        task_id = TaskId(told["task_id"])
        task = framework.tasks.get(task_id) or framework.unreachable_tasks.get(task_id)
        if task is None:
            task = next((one for one in reversed(framework.completed_tasks) if one.info.task_id == task_id), None)
        return task

    def agent_came(self, told: Mapping[str, str]) -> Iterator[Event]:
        """One that merely lost its connection was never away to operators. Its tasks come first (recorded)."""
        agent_id = AgentId(told["agent_id"])
        agent = self._state.agents.get(agent_id)
        if agent is None or agent_id in self._agents:
            return
        self._agents.add(agent_id)
        for tasks in agent.tasks.values():
            for task in tasks.values():
                yield render.task_added(task)
        yield render.agent_added(self._state, agent)

    def agent_lost(self, told: Mapping[str, str]) -> Iterator[Event]:
        """Nothing is said of agents that are unreachable or gone but what becomes of their tasks (recorded)."""
        self._agents.discard(AgentId(told["agent_id"]))
        return iter(())

    def agent_left(self, told: Mapping[str, str]) -> Iterator[Event]:
        agent_id = AgentId(told["agent_id"])
        self._agents.discard(agent_id)
        yield render.agent_removed(agent_id)

    def framework_came(self, told: Mapping[str, str]) -> Iterator[Event]:
        framework = self._framework(told)
        if framework is not None:
            yield render.framework_added(framework)

    def framework_changed(self, told: Mapping[str, str]) -> Iterator[Event]:
        framework = self._framework(told)
        if framework is not None:
            yield render.framework_updated(framework)

    def framework_left(self, told: Mapping[str, str]) -> Iterator[Event]:
        framework = self._framework(told)
        if framework is not None:
            yield render.framework_removed(framework)


_EVENTS: Final[Mapping[str, Callable[[OperatorEvents, Mapping[str, str]], Iterator[Event]]]] = {
    "task.launched": OperatorEvents.task_launched,
    "task.updated": OperatorEvents.task_updated,
    "agent.registered": OperatorEvents.agent_came,
    "agent.reregistered": OperatorEvents.agent_came,
    "agent.unreachable": OperatorEvents.agent_lost,
    "agent.gone": OperatorEvents.agent_lost,
    "agent.machine_down": OperatorEvents.agent_left,
    "agent.replaced": OperatorEvents.agent_left,
    "agent.unregistered": OperatorEvents.agent_left,
    "framework.subscribed": OperatorEvents.framework_came,
    "framework.recovered": OperatorEvents.framework_came,
    "framework.resubscribed": OperatorEvents.framework_changed,
    "framework.failed_over": OperatorEvents.framework_changed,
    "framework.updated": OperatorEvents.framework_changed,
    "framework.removed": OperatorEvents.framework_left,
}
