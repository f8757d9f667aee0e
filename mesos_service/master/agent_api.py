"""``POST /api/v1/agent``: the agent link. One stream down, batched calls up, several agents to a link if they like."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from mesos_service.core.link import Uplink
from mesos_service.core.messages import FromAgent, LinkLost
from mesos_service.domain.ids import AgentId, LinkId, refuse_id
from mesos_service.http.asgi import ACCEPTED, Answered, Call, HeaderName, Receive, Scope, Send, respond_text
from mesos_service.http.calls import OUR_DEFECT, receive_call, respond_answered
from mesos_service.http.held_stream import HeldStream
from mesos_service.master.driver import MasterDriver
from mesos_service.master.outlets import MasterOutlets
from mesos_service.master.turns import Turns
from mesos_service.wire.agent_link import (
    LinkCall,
    LinkMessages,
    SubscribeLink,
    Unreadable,
    decode_link_call,
    salvage_link_messages,
)
from mesos_service.wire.convert.link import uplink_from_wire
from mesos_service.wire.errors import WireError
from mesos_service.wire.streams import JSON, negotiate

CONTENT_TYPE: Final = HeaderName(b"Content-Type")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Messages:
    """What agents say in one call, and what of it cannot be read."""

    call: LinkMessages
    unreadable: Sequence[Unreadable] = ()


class AgentApi:
    """The endpoint as an ASGI application; ``count`` is told each message that was understood."""

    def __init__(self, driver: MasterDriver, outlets: MasterOutlets, count: Callable[[Uplink], None]) -> None:
        self._driver = driver
        self._outlets = outlets
        self._count = count
        self._turns = Turns()

    def answer(self, posted: Call) -> Answered | None:
        """Take the messages of a call at once; ``None``, and nothing is done, where a stream is asked for, or where
        agents have had their share of this turn of the loop."""
        if self._turns.is_spent:
            return None
        read = _read(posted.body)
        if isinstance(read, SubscribeLink):
            return None
        if not isinstance(read, _Messages):
            return read
        pieces = sum(len(batch.messages) for batch in read.call.batches)
        if pieces > self._turns.pieces_max:
            return None
        refusal = self._refuse(read)
        if refusal is None:
            for _ in self._take(read):
                pass
            self._turns.count(pieces)
        return refusal or ACCEPTED

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        posted = await receive_call(scope, receive, send, JSON, taken=(JSON,))
        if posted is None:
            return
        read = _read(posted.body)
        if isinstance(read, SubscribeLink):
            await self._subscribe(LinkId(read.link_id), posted.headers.accept, receive, send)
        elif isinstance(read, _Messages):
            answered = self._refuse(read)
            if answered is None:
                await self._turns.do(self._take(read))
            await respond_answered(send, answered or ACCEPTED)
        else:
            await respond_answered(send, read)

    def _refuse(self, read: _Messages) -> Answered | None:
        link_id = read.call.link_id
        if link_id in self._outlets.links:
            return None
        return 404, f"No stream of link '{link_id}' is open here; open one first."

    def _take(self, read: _Messages) -> Iterator[None]:
        """Take all that can be taken, a message at each step. One bad message costs neither its agent the link nor the
        others theirs."""
        call = read.call
        link_id = LinkId(call.link_id)
        links = self._outlets.links
        for one in read.unreadable:
            log.warning("A message of agent %s is left out, as it cannot be read: %s", one.agent_id, one.reason)
        submit = self._driver.submit
        stimulus = f"uplink-{self._driver.new_request()}"
        for batch in call.batches:
            agent_id = None if batch.agent_id is None else AgentId(batch.agent_id)
            refusal = None if agent_id is None else refuse_id(agent_id)
            if refusal is not None:
                # No master gave it; it would become a key of the registry, and a database may refuse it for all.
                log.warning("What an agent of link '%s' says is left out: its id is none: %.300r", link_id, refusal)
                continue
            for message in batch.messages:
                yield
                if link_id not in links:
                    return  # It broke between two turns. Who is behind it says all of it again on the next one.
                try:
                    converted = uplink_from_wire(message)
                except ValueError as error:
                    kind = type(message).__name__
                    log.warning("%s of agent %s is left out, as it cannot be used: %s", kind, agent_id, error)
                    continue
                self._count(converted)
                try:
                    submit(FromAgent(link_id=link_id, agent_id=agent_id, message=converted, stimulus=stimulus))
                except Exception:
                    # One defect of ours must not take the other agents' links along.
                    log.exception("%s of agent %s failed; %s", type(message).__name__, agent_id, OUR_DEFECT)

    async def _subscribe(self, link_id: LinkId, accept: str | None, receive: Receive, send: Send) -> None:
        links = self._outlets.links
        if not link_id or link_id in links:
            await respond_text(send, 400, f"A link needs a new id of its own; '{link_id}' is in use or empty.")
            return
        encoding = negotiate(accept)
        if encoding is None or encoding.is_protobuf:
            await respond_text(send, 406, "Expecting 'Accept' to allow 'application/json'")
            return
        stream = links[link_id] = HeldStream(encoding.framer(), backlog=self._outlets.backlog)
        reason = "this master failed"
        try:
            reason = await stream.serve(receive, send, 200, [(CONTENT_TYPE, encoding.content_type.encode())])
        finally:
            del links[link_id]
            if stream.overrun:
                self._outlets.overruns += 1
            log.info("Agent link %s ended: %s", link_id, reason)
            self._driver.submit(LinkLost(link_id))


def _read(body: bytes) -> SubscribeLink | _Messages | Answered:
    try:
        call: LinkCall = decode_link_call(body)
    except WireError as error:
        salvaged = salvage_link_messages(body)
        return (error.status, error.text) if salvaged is None else _Messages(*salvaged)
    return call if isinstance(call, SubscribeLink) else _Messages(call)
