"""Emulated schedulers that take every offer with one task and acknowledge every update, over real HTTP."""

from __future__ import annotations

import asyncio

import msgspec

from mesos_service.bench.fleet import SLOT_CPUS, SLOT_MEM
from mesos_service.http.client import Connection, Response
from mesos_service.wire.recordio import RecordReader

JSON_HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}


class _Id(msgspec.Struct):
    value: str


class _Scalar(msgspec.Struct):
    value: float


class _Resource(msgspec.Struct):
    name: str
    scalar: _Scalar | None = None


class _Offer(msgspec.Struct):
    id: _Id
    agent_id: _Id
    resources: list[_Resource] = []

    def scalar(self, name: str) -> float:
        """How much of it is offered."""
        return sum(one.scalar.value for one in self.resources if one.name == name and one.scalar is not None)


class _Offers(msgspec.Struct):
    offers: list[_Offer]


class _Subscribed(msgspec.Struct):
    framework_id: _Id


class _Status(msgspec.Struct):
    task_id: _Id
    state: str
    agent_id: _Id | None = None
    uuid: str | None = None
    message: str | None = None


class _Update(msgspec.Struct):
    status: _Status


class Event(msgspec.Struct):
    """The few fields of an event that matter here."""

    type: str
    subscribed: _Subscribed | None = None
    offers: _Offers | None = None
    update: _Update | None = None


_EVENT = msgspec.json.Decoder(Event)


class GreedyFramework:
    """One framework in a role of its own. ``counts`` has the updates by state.

    A task takes an emulated agent's whole slot, so that what is left of the agent is too little to be offered.
    """

    def __init__(self, name: str, cpus: float = SLOT_CPUS, mem: float = SLOT_MEM) -> None:
        self.name = name
        self._task = (
            '{"name":"t","task_id":{"value":"%s"},"agent_id":{"value":"%s"},"resources":['
            f'{{"name":"cpus","type":"SCALAR","scalar":{{"value":{cpus}}}}},'
            f'{{"name":"mem","type":"SCALAR","scalar":{{"value":{mem}}}}}],"command":{{"value":"true"}}}}'
        )
        self.counts: dict[str, int] = {}
        self._counter = 0
        self._id = ""
        self._calls: Connection | None = None
        self._stream: Connection | None = None
        self._headers: dict[str, str] = {}
        self._reader: asyncio.Task[None] | None = None
        self.refused: list[str] = []

    async def start(self, host: str, port: int) -> None:
        """Subscribe; returns when the stream is open."""
        self._calls = await Connection.open(host, port)
        self._stream = await Connection.open(host, port)
        body = (
            '{"type":"SUBSCRIBE","subscribe":{"framework_info":{"user":"root","name":"%s","roles":["%s"],'
            '"capabilities":[{"type":"MULTI_ROLE"},{"type":"PARTITION_AWARE"}]}}}' % (self.name, self.name)
        ).encode()
        head, chunks = await self._stream.stream("POST", "/api/v1/scheduler", body, JSON_HEADERS)
        if head.status != 200:
            raise RuntimeError(f"SUBSCRIBE was refused: {head.status} {head.body!r}")
        self._headers = {**JSON_HEADERS, "Mesos-Stream-Id": head.headers["mesos-stream-id"]}

        async def read() -> None:
            decoder = RecordReader()
            async for chunk in chunks:
                for record in decoder.feed(chunk):
                    self._on_event(_EVENT.decode(record))

        self._reader = asyncio.create_task(read())

    def close(self) -> None:
        for connection in (self._calls, self._stream):
            if connection is not None:
                connection.close()
        if self._reader is not None:
            self._reader.cancel()

    def _on_event(self, event: Event) -> None:
        if event.subscribed is not None:
            self._id = event.subscribed.framework_id.value
        elif event.offers is not None:
            for offer in event.offers.offers:
                self._counter += 1
                task = self._task % (f"{self.name}-{self._counter}", offer.agent_id.value)
                self._post(
                    '{"framework_id":{"value":"%s"},"type":"ACCEPT","accept":{"offer_ids":[{"value":"%s"}],'
                    '"operations":[{"type":"LAUNCH","launch":{"task_infos":[%s]}}],'
                    '"filters":{"refuse_seconds":0}}}' % (self._id, offer.id.value, task)
                )
        elif event.update is not None:
            status = event.update.status
            self.counts[status.state] = self.counts.get(status.state, 0) + 1
            if status.uuid is not None and status.agent_id is not None:
                self._post(
                    '{"framework_id":{"value":"%s"},"type":"ACKNOWLEDGE","acknowledge":{"agent_id":{"value":"%s"},'
                    '"task_id":{"value":"%s"},"uuid":"%s"}}'
                    % (self._id, status.agent_id.value, status.task_id.value, status.uuid)
                )

    def _post(self, body: str) -> None:
        assert self._calls is not None
        future = self._calls.send("POST", "/api/v1/scheduler", body.encode(), self._headers)
        future.add_done_callback(self._answered)

    def _answered(self, future: asyncio.Future[Response]) -> None:
        if future.cancelled() or future.exception() is not None:
            return
        response = future.result()
        if response.status != 202:
            self.refused.append(f"{response.status} {response.body!r}")
