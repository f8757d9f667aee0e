"""A custom executor that finishes every task at once, for measuring what a task costs the agent and the master.

``python -m mesos_service.bench.executor`` inside a container; talks the executor API over two connections.
"""

from __future__ import annotations

import asyncio
import base64
import os
import time

import msgspec
import uvloop

from mesos_service.http.client import Connection, ConnectionFault
from mesos_service.wire.recordio import RecordReader

HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}


class _Id(msgspec.Struct):
    value: str


class _Task(msgspec.Struct):
    task_id: _Id


class _Launch(msgspec.Struct):
    task: _Task


class _Event(msgspec.Struct):
    type: str
    launch: _Launch | None = None


_EVENT = msgspec.json.Decoder(_Event)


def _update(ids: str, task_id: str, state: str) -> bytes:
    raw = bytearray(os.urandom(16))
    raw[6] = raw[6] & 0x0F | 0x40
    return (
        '{%s,"type":"UPDATE","update":{"status":{"task_id":{"value":"%s"},"state":"%s","source":"SOURCE_EXECUTOR",'
        '"timestamp":%.6f,"uuid":"%s"}}}' % (ids, task_id, state, time.time(), base64.b64encode(raw).decode())
    ).encode()


async def main() -> None:
    """Until the agent says SHUTDOWN or its connection ends."""
    host, _, port = os.environ["MESOS_AGENT_ENDPOINT"].rpartition(":")
    ids = '"executor_id":{"value":"%s"},"framework_id":{"value":"%s"}' % (
        os.environ["MESOS_EXECUTOR_ID"],
        os.environ["MESOS_FRAMEWORK_ID"],
    )
    events = await Connection.open(host, int(port))
    calls = await Connection.open(host, int(port))
    subscribe = ('{%s,"type":"SUBSCRIBE","subscribe":{}}' % ids).encode()
    head, chunks = await events.stream("POST", "/api/v1/executor", subscribe, HEADERS)
    if head.status != 200:
        raise SystemExit(f"the agent refused: {head.status} {head.body!r}")
    reader = RecordReader()
    try:
        async for chunk in chunks:
            for record in reader.feed(chunk):
                event = _EVENT.decode(record)
                if event.launch is not None:
                    task_id = event.launch.task.task_id.value
                    for state in ("TASK_RUNNING", "TASK_FINISHED"):
                        calls.send("POST", "/api/v1/executor", _update(ids, task_id, state), HEADERS)
                elif event.type == "SHUTDOWN":
                    return
    except ConnectionFault:
        return


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
