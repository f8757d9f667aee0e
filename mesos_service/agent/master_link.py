"""Keeps agents linked to the leading master: finds it, opens a link, opens another one when that breaks.

One link carries as many agents as attach to it; a process has one agent, a relay, an emulated fleet or a laptop's
cluster several. When a link is gone every agent is told, and what was not sent is dropped: the cores repeat what must
arrive (X62).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from mesos_service.agent.master_detector import MasterAddress
from mesos_service.agent.open_link import LinkBroken, OpenLink
from mesos_service.core import link
from mesos_service.core.agent_messages import AgentMessage, FromMaster, MasterConnected, MasterLost
from mesos_service.domain.errors import OperatingFault
from mesos_service.domain.ids import AgentId, LinkId
from mesos_service.election.interface import Detector, ElectionFault, Leader
from mesos_service.http.dialing import PLAIN, Dialing
from mesos_service.wire import agent_link
from mesos_service.wire.convert.link import downlink_from_wire, uplink_to_wire
from mesos_service.wire.errors import WireError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkOptions:
    """All in seconds."""

    backoff_seconds: float = 0.25
    """The pause before a new link is random between nothing and this (full jitter), after each failure twice this."""
    backoff_seconds_max: float = 15.0
    """... but never more than this."""
    call_seconds_max: float = 30.0
    """A master that has not answered a call for so long is frozen or gone."""
    spread_seconds: float = 0.25
    """All agents hear of a new leader at once; each waits at random up to this before it goes there."""


class AgentUplink:
    """One agent's share of a link: ``receive`` is told everything that concerns this agent, in order."""

    __slots__ = ("_link", "receive")

    def __init__(self, master_link: MasterLink, receive: Callable[[AgentMessage], None]) -> None:
        self._link = master_link
        self.receive = receive

    def send(self, link_id: LinkId, agent_id: AgentId | None, message: link.Uplink) -> None:
        """Say something to the master; dropped when ``link_id`` is not the link that is open."""
        self._link.send(self, link_id, agent_id, message)


class MasterLink:
    """One link to the leading master, again and again, from :meth:`start` to :meth:`stop`.

    Faults of the network and of the master are answered by another link. What a receiver raises is a defect of ours
    and no such fault (see :meth:`start`).
    """

    def __init__(self, detector: Detector, options: LinkOptions | None = None, dialing: Dialing = PLAIN) -> None:
        self._detector = detector
        self.dialing = dialing
        self._options = options or LinkOptions()
        self._random = random.SystemRandom()
        self._uplinks: list[AgentUplink] = []
        self._by_agent: dict[AgentId, AgentUplink] = {}
        self._by_registration: dict[str, AgentUplink] = {}
        """Who waits for the answer to a first registration, by the word that the answer repeats."""
        self.open: OpenLink | None = None
        """``None`` between two links."""
        self._task: asyncio.Task[None] | None = None

    @property
    def master(self) -> MasterAddress | None:
        """Who is at the other end of the open link."""
        return None if self.open is None else self.open.master

    # -- agents ----------------------------------------------------------------------------------------------
    def attach(self, receive: Callable[[AgentMessage], None]) -> AgentUplink:
        """Let an agent take part; it learns of an open link at the next turn of the loop."""
        uplink = AgentUplink(self, receive)
        self._uplinks.append(uplink)
        if self.open is not None:
            asyncio.get_running_loop().call_soon(self._welcome, uplink, self.open)
        return uplink

    def _welcome(self, uplink: AgentUplink, opened: OpenLink) -> None:
        if self.open is opened and uplink in self._uplinks:
            uplink.receive(MasterConnected(opened.link_id))

    def detach(self, uplink: AgentUplink) -> None:
        """An agent leaves and hears nothing more; what it has said already is still sent."""
        if uplink in self._uplinks:
            self._uplinks.remove(uplink)
        self._by_agent = {key: one for key, one in self._by_agent.items() if one is not uplink}
        self._by_registration = {key: one for key, one in self._by_registration.items() if one is not uplink}

    def send(self, uplink: AgentUplink, link_id: LinkId, agent_id: AgentId | None, message: link.Uplink) -> None:
        """Queue one message of one agent (see :meth:`AgentUplink.send`)."""
        if self.open is None or self.open.link_id != link_id:
            return
        if agent_id is not None:
            self._by_agent[agent_id] = uplink
        elif isinstance(message, link.Register):
            self._by_registration[message.registration] = uplink
        self.open.say(uplink, agent_id, uplink_to_wire(message))

    # -- life ------------------------------------------------------------------------------------------------
    def start(self, defect: Callable[[BaseException], None]) -> None:
        """Begin to look for the master. ``defect`` is told what a receiver raised, which ends the link for good."""
        self._task = asyncio.create_task(self._keep_linked(), name="master-link")

        def done(task: asyncio.Task[None]) -> None:
            error = None if task.cancelled() else task.exception()
            if error is not None:
                defect(error)

        self._task.add_done_callback(done)

    async def drain(self, timeout_seconds: float) -> bool:
        """Wait until all that was said is answered or lost; ``False`` when that takes too long."""
        if self.open is None:
            return True
        try:
            async with asyncio.timeout(timeout_seconds):
                await self.open.idle()
        except TimeoutError:
            return False
        return True

    async def stop(self) -> None:
        """Close the link; agents that are still attached are told that it is gone."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait((self._task,))
        if self._task is not None:
            await self._detector.stop()

    async def _keep_linked(self) -> None:
        self._detector.start()
        failures = 0
        told = ""
        spread = 0.0
        asked: Leader | None = None
        while True:
            try:
                leader = await self._detector.detect()
            except ElectionFault as fault:
                log.log(logging.DEBUG if str(fault) == told else logging.ERROR, "No master is known: %s", fault)
                told = str(fault)
                await asyncio.sleep(self._random.uniform(0, self._options.backoff_seconds_max))
                continue
            assert leader is not None, "it was waited for"
            if leader != asked:
                # How often another one did not answer says nothing of this one.
                failures, asked = 0, leader
            # Once there is somebody to go to: whoever waited for that would otherwise go there in one moment with all.
            await asyncio.sleep(self._random.uniform(0, spread))
            spread = 0.0
            started = asyncio.get_running_loop().time()
            why = await self._serve_while_it_leads(leader)
            # A link that lived for a while is no failure of opening one.
            lived = asyncio.get_running_loop().time() - started > self._options.backoff_seconds_max
            failures = 0 if lived else failures + 1
            # A master that stays away is told of once.
            log.log(logging.DEBUG if why == told else logging.WARNING, "No link to the master %s: %s", leader, why)
            told = why
            ceiling = min(self._options.backoff_seconds_max, self._options.backoff_seconds * 2 ** min(failures - 1, 16))
            if await self._superseded_within(leader, self._random.uniform(0, ceiling)):
                failures = 0
                spread = self._options.spread_seconds

    async def _serve_while_it_leads(self, leader: Leader) -> str:
        """Open one link and keep it until it breaks, or another master leads or none does; why it is over."""
        serving = asyncio.create_task(self._serve(MasterAddress(leader.host, leader.port)))
        superseded = asyncio.create_task(self._superseded(leader))
        try:
            await asyncio.wait((serving, superseded), return_when=asyncio.FIRST_COMPLETED)
        finally:
            superseded.cancel()
            serving.cancel()
            await asyncio.wait((serving, superseded))
        try:
            serving.result()
        except asyncio.CancelledError:
            return "it leads no more"
        except (OperatingFault, WireError) as error:
            return str(error)
        return "it ended"

    async def _superseded(self, leader: Leader) -> None:
        """Returns when somebody else leads, or nobody; a detector that is at a loss says neither."""
        while True:
            try:
                await self._detector.detect(leader)
            except ElectionFault:
                await asyncio.sleep(self._options.backoff_seconds_max)
            else:
                return

    async def _superseded_within(self, leader: Leader, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._superseded(leader)
        except TimeoutError:
            return False
        return True

    async def _serve(self, master: MasterAddress) -> None:
        """Open one link and read it to its end, which is always a fault (see :meth:`OpenLink.records`)."""
        link_id = LinkId(str(uuid.UUID(int=self._random.getrandbits(128), version=4)))
        async with OpenLink.open(master, link_id, self._options.call_seconds_max, self.dialing) as opened:
            self.open = opened
            log.info("Link %s to the master %s is open", link_id, opened.master)
            try:
                for uplink in tuple(self._uplinks):
                    uplink.receive(MasterConnected(link_id))
                number = 0
                async with contextlib.aclosing(opened.records()) as records:
                    async for batch in records:
                        number += 1
                        self._take(link_id, batch, f"{link_id}/{number}")
            finally:
                self.open = None
                opened.break_off("the link is closed")
                self._by_registration.clear()
                for uplink in tuple(self._uplinks):
                    uplink.receive(MasterLost(link_id))

    def _take(self, link_id: LinkId, batch: agent_link.DownlinkBatch, stimulus: str) -> None:
        for wire_message in batch.messages:
            if isinstance(wire_message, agent_link.LinkRefused):
                raise LinkBroken(wire_message.message)
            message = downlink_from_wire(wire_message)
            if message is None:
                continue
            uplink = self._addressee(batch.agent_id, message)
            if uplink is None:
                log.debug("%s for agent %s, which is not here", type(message).__name__, batch.agent_id)
            else:
                uplink.receive(FromMaster(link_id=link_id, message=message, stimulus=stimulus))

    def _addressee(self, agent_id: str | None, message: link.Downlink) -> AgentUplink | None:
        if isinstance(message, link.Registered):
            uplink = self._by_registration.pop(message.registration, None)
            if uplink is not None:
                self._by_agent[message.agent_id] = uplink
                return uplink
            agent_id = message.agent_id
        return None if agent_id is None else self._by_agent.get(AgentId(agent_id))
