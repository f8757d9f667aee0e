"""Where the master's effects leave the process: streams to schedulers and links to agents.

Events are encoded here, once, and handed to streams that never make the core wait. What many messages repeat, an
agent's address and attributes, a framework's description, resources that come back unchanged, is encoded once and
kept.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final

import msgspec

from mesos_service.core import link
from mesos_service.core.events import InverseOffers, Offers, SchedulerEvent
from mesos_service.core.link import Downlink
from mesos_service.core.master import machines
from mesos_service.core.master.state import Agent, MasterState
from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.frameworks import MULTI_ROLE, RESERVATION_REFINEMENT, FrameworkInfo
from mesos_service.domain.ids import AgentId, FrameworkId, LinkId, StreamId
from mesos_service.domain.offers import Offer
from mesos_service.domain.resources import Resources
from mesos_service.http.held_stream import Backlog, HeldStream
from mesos_service.wire import agent_link, common, scheduler
from mesos_service.wire import offers as wire_offers
from mesos_service.wire.agents import MasterInfo
from mesos_service.wire.convert.infos import domain_to_wire, framework_to_wire, task_to_wire
from mesos_service.wire.convert.link import downlink_to_wire
from mesos_service.wire.convert.maintenance import unavailability_to_wire
from mesos_service.wire.convert.offered import in_order
from mesos_service.wire.convert.scheduler import event_to_wire
from mesos_service.wire.convert.values import allocation_to_wire, attributes_to_wire, resources_to_wire
from mesos_service.wire.encode import EncodedOffer, encode_event, encode_fragment, encode_offers
from mesos_service.wire.protobuf.encode import encode_protobuf

log = logging.getLogger(__name__)

FRAGMENTS_MAX: Final = 65_536
"""Encoded resource lists kept; a cluster shows far fewer shapes than agents, and past this the oldest half goes."""


class OfferEncoder:
    """Turns offers into JSON, keeping the parts that repeat as JSON already."""

    def __init__(self, state: MasterState) -> None:
        self._state = state
        self._resources: dict[tuple[Resources, bool, bool], msgspec.Raw | None] = {}
        self._agents: dict[AgentId, tuple[AgentInfo, msgspec.Raw, msgspec.Raw | None]] = {}

    def __len__(self) -> int:
        """How many agents' descriptions are kept."""
        return len(self._agents)

    def encode(self, offers: Iterable[Offer], framework: FrameworkInfo) -> bytes:
        """One OFFERS event for ``framework``, in the spelling its capabilities ask for."""
        refined, multi_role = framework.has(RESERVATION_REFINEMENT), framework.has(MULTI_ROLE)
        return encode_offers([self._encode(offer, refined, multi_role) for offer in offers])

    def _encode(self, offer: Offer, refined: bool, multi_role: bool) -> EncodedOffer:
        agent = self._state.agents[offer.agent_id]
        url, attributes = self._agent(agent)
        return EncodedOffer(
            id=common.OfferID(value=offer.offer_id),
            framework_id=common.FrameworkID(value=offer.framework_id),
            agent_id=common.AgentID(value=offer.agent_id),
            hostname=agent.info.hostname,
            url=url,
            domain=_domain(agent.info.region, agent.info.zone),
            resources=self._list(offer.resources, refined, multi_role),
            attributes=attributes,
            executor_ids=_executor_ids(agent, offer),
            unavailability=self._unavailability(agent),
            allocation_info=allocation_to_wire(offer.role) if multi_role else None,
        )

    def _unavailability(self, agent: Agent) -> msgspec.Raw | None:
        machine = machines.of(self._state, agent.info)
        return None if machine is None else encode_fragment(unavailability_to_wire(machine.unavailability))

    def encode_protobuf(self, offers: Iterable[Offer], framework: FrameworkInfo) -> bytes:
        """The same event in protobuf."""
        refined, multi_role = framework.has(RESERVATION_REFINEMENT), framework.has(MULTI_ROLE)
        made = tuple(self._whole(offer, refined, multi_role) for offer in offers)
        return encode_protobuf(scheduler.Event(type="OFFERS", offers=scheduler.EventOffers(offers=made)))

    def _whole(self, offer: Offer, refined: bool, multi_role: bool) -> wire_offers.Offer:
        agent = self._state.agents[offer.agent_id]
        machine = machines.of(self._state, agent.info)
        listed = resources_to_wire(in_order(offer.resources), refined=refined, allocation=multi_role)
        return wire_offers.Offer(
            id=common.OfferID(value=offer.offer_id),
            framework_id=common.FrameworkID(value=offer.framework_id),
            agent_id=common.AgentID(value=offer.agent_id),
            hostname=agent.info.hostname,
            url=_url(agent.info),
            domain=domain_to_wire(agent.info.region, agent.info.zone),
            resources=tuple(listed),
            attributes=tuple(attributes_to_wire(agent.info.attributes)),
            executor_ids=_executor_ids(agent, offer),
            unavailability=None if machine is None else unavailability_to_wire(machine.unavailability),
            allocation_info=allocation_to_wire(offer.role) if multi_role else None,
        )

    def _list(self, resources: Resources, refined: bool, allocation: bool) -> msgspec.Raw | None:
        if resources.pairs() is None:
            # Volumes are equal wherever they are mounted, and what is printed says where.
            return encode_fragment(resources_to_wire(in_order(resources), refined=refined, allocation=allocation))
        key = (resources, refined, allocation)
        if key in self._resources:
            return self._resources[key]
        if len(self._resources) >= FRAGMENTS_MAX:
            for old in list(self._resources)[: FRAGMENTS_MAX // 2]:
                del self._resources[old]
        listed = resources_to_wire(in_order(resources), refined=refined, allocation=allocation)
        known = self._resources[key] = encode_fragment(listed) if listed else None
        return known

    def _agent(self, agent: Agent) -> tuple[msgspec.Raw, msgspec.Raw | None]:
        info = agent.info
        known = self._agents.get(agent.agent_id)
        if known is not None and known[0] is info:
            return known[1:]
        attributes = encode_fragment(attributes_to_wire(info.attributes)) if info.attributes else None
        fragments = encode_fragment(_url(info)), attributes
        if len(self._agents) > 2 * len(self._state.agents) + 64:  # Agents go without a word to this room.
            self._agents = {known: kept for known, kept in self._agents.items() if known in self._state.agents}
        self._agents[agent.agent_id] = (info, *fragments)
        return fragments


def _url(info: AgentInfo) -> common.URL:
    address = common.Address(hostname=info.hostname, ip=info.ip, port=info.port)
    return common.URL(scheme="http", address=address, path="/slave(1)")


@lru_cache(maxsize=1024)
def _domain(region: str | None, zone: str | None) -> msgspec.Raw | None:
    domain = domain_to_wire(region, zone)
    return None if domain is None else encode_fragment(domain)


def _executor_ids(agent: Agent, offer: Offer) -> tuple[common.ExecutorID, ...]:
    return tuple(common.ExecutorID(value=executor_id) for executor_id in agent.executors.get(offer.framework_id, ()))


class MasterOutlets:
    """Performs the sending effects of one master; ``count`` is told the type of each event and whose it is."""

    def __init__(self, state: MasterState, description: MasterInfo, count: Callable[[str, FrameworkId], None]) -> None:
        self._state = state
        self._description = description
        self._count = count
        self._offers = OfferEncoder(state)
        self._frameworks: dict[int, tuple[FrameworkInfo, msgspec.Raw]] = {}
        self._expected: dict[int, HeldStream] = {}
        self.scheduler_streams: dict[StreamId, HeldStream] = {}
        self.links: dict[LinkId, HeldStream] = {}
        self.backlog = Backlog()
        self._choked: set[LinkId] = set()
        """Open links that a message was dropped from; told of once."""
        self.overruns = 0
        """Streams given up because their reader was too slow (N17)."""

    # -- schedulers ------------------------------------------------------------------------------------------
    def expect_stream(self, request: int, stream: HeldStream | None) -> None:
        """The stream that is to be opened if ``request`` is granted; ``None`` takes the wish back."""
        if stream is None:
            self._expected.pop(request, None)
        else:
            self._expected[request] = stream

    def open_stream(self, request: int, stream_id: StreamId) -> None:
        """Events may be written from here on; they leave once the answer's head has been sent."""
        stream = self._expected.pop(request, None)
        if stream is not None:  # Who waited for the registry may have been sent away as this master ends.
            self.scheduler_streams[stream_id] = stream

    def drop_stream(self, stream_id: StreamId) -> None:
        stream = self.scheduler_streams.pop(stream_id, None)
        if stream is not None and stream.overrun:
            self.overruns += 1

    def send_scheduler(self, stream_id: StreamId, event: SchedulerEvent) -> None:
        stream = self.scheduler_streams.get(stream_id)
        if stream is None:
            return
        framework_id = self._state.streams.get(stream_id)
        if isinstance(event, Offers):
            assert framework_id is not None, "offers are made to subscribed frameworks"
            kind = "OFFERS"
            encode = self._offers.encode_protobuf if stream.protobuf else self._offers.encode
            stream.write(encode(event.offers, self._state.frameworks[framework_id].info))
        else:
            if isinstance(event, InverseOffers):
                message = self._inverse_offers(event)
            else:
                message = event_to_wire(event, self._description)
            kind = message.type or "UNKNOWN"
            stream.write(encode_protobuf(message) if stream.protobuf else encode_event(message))
        if framework_id is not None:
            self._count(kind, framework_id)

    def _inverse_offers(self, event: InverseOffers) -> scheduler.Event:
        made = tuple(
            wire_offers.InverseOffer(
                id=common.OfferID(value=one.offer_id),
                url=_url(self._state.agents[one.agent_id].info),
                framework_id=common.FrameworkID(value=one.framework_id),
                agent_id=common.AgentID(value=one.agent_id),
                unavailability=unavailability_to_wire(one.unavailability),
            )
            for one in event.offers
        )
        return scheduler.Event(type="INVERSE_OFFERS", inverse_offers=scheduler.EventInverseOffers(inverse_offers=made))

    def close_stream(self, stream_id: StreamId) -> None:
        stream = self.scheduler_streams.get(stream_id)
        if stream is not None:
            stream.close()

    # -- agents ----------------------------------------------------------------------------------------------
    def send_agent(self, link_id: LinkId, agent_id: AgentId, message: Downlink) -> None:
        stream = self.links.get(link_id)
        if stream is None:
            return
        if isinstance(message, link.MessageToAgent) and stream.unsent_bytes > stream.lag_bytes_max // 2:
            # Nobody promised to deliver it (M-SC-11), and a burst of these must not cost a healthy agent its link,
            # which it would lose as a slow reader.
            level = logging.DEBUG if link_id in self._choked else logging.WARNING
            log.log(level, "A message for agent %s is dropped: its link %s is far behind", agent_id, link_id)
            self._choked = {one for one in (*self._choked, link_id) if one in self.links}
            return
        # The answer to a first registration goes to an agent that does not know its id yet.
        addressee = None if isinstance(message, link.Registered) else agent_id
        stream.write(agent_link.encode_downlink(addressee, (self._encode(message),)))

    def _encode(self, message: Downlink) -> agent_link.Downlink | agent_link.EncodedRunTask:
        if isinstance(message, link.RunTask):
            return agent_link.EncodedRunTask(
                framework=self._framework(message.framework),
                task=task_to_wire(message.task),
                traceparent=message.trace,
            )
        return downlink_to_wire(message)

    def _framework(self, info: FrameworkInfo) -> msgspec.Raw:
        """Encoded once per description, not once per task; kept by identity, as descriptions are immutable."""
        known = self._frameworks.get(id(info))
        if known is not None and known[0] is info:
            return known[1]
        if len(self._frameworks) > 4 * max(64, len(self._state.frameworks)):
            self._frameworks.clear()
        raw = msgspec.Raw(msgspec.json.encode(framework_to_wire(info)))
        self._frameworks[id(info)] = (info, raw)
        return raw
