"""``bench hotpath``: from the bytes of a call to the 202, in one process and without a socket.

What is timed is ours: reading the body off ASGI, decoding, converting, one step of the core, and the answer. CPU time
is taken over many calls of each kind an accepted task makes (ACCEPT with one task, ACKNOWLEDGE twice), and the median
over batches is set in ratio to the calibration loop of the same run.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

from mesos_service.bench.report import Report, calibrate
from mesos_service.http.asgi import Application, Message, Scope

BATCH = 200


def _scope(stream_id: str) -> Scope:
    return {
        "type": "http",
        "method": "POST",
        "path": "/api/v1/scheduler",
        "headers": [
            (b"host", b"127.0.0.1:5050"),
            (b"content-type", b"application/json"),
            (b"accept", b"application/json"),
            (b"mesos-stream-id", stream_id.encode()),
        ],
    }


class Caller:
    """Calls an ASGI application in process; remembers the last status."""

    def __init__(self, application: Application, stream_id: str) -> None:
        self._application = application
        self._scope = _scope(stream_id)
        self.status = 0

    async def call(self, body: bytes) -> None:
        message: Message = {"type": "http.request", "body": body, "more_body": False}

        async def receive() -> Message:
            return message

        async def send(answer: Message) -> None:
            if answer["type"] == "http.response.start":
                self.status = answer["status"]

        await self._application(self._scope, receive, send)


async def time_calls(caller: Caller, bodies: Sequence[bytes]) -> float:
    """CPU seconds per call over ``bodies``.

    Raises:
        RuntimeError: a call was refused, so that nothing worth timing happened.
    """
    begin = time.process_time()
    for body in bodies:
        await caller.call(body)
        if caller.status != 202:
            raise RuntimeError(f"a call of the benchmark was answered {caller.status}")
    return (time.process_time() - begin) / len(bodies)


def summarise(name: str, per_call: Sequence[float]) -> Report:
    report = Report(name)
    median = statistics.median(per_call)
    report.figures = {
        "hot_path_us": median * 1e6,
        "hot_path_ratio": median / calibrate(),
        "hot_path_best_us": min(per_call) * 1e6,
    }
    return report
