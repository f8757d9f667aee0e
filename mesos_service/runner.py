"""Running a service until a signal ends it."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from collections.abc import Awaitable, Callable
from typing import Protocol

import uvloop

from mesos_service.domain.errors import MesosServiceError

log = logging.getLogger(__name__)


class Service(Protocol):
    """What can be started and stopped."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


async def serve_until_signalled(service: Service, ended: Callable[[], Awaitable[int]] | None = None) -> int:
    """Start, wait for SIGTERM or SIGINT (or for the service to end by itself, see ``ended``), stop. Exit status.

    A second signal does not wait for the orderly end.
    """
    loop = asyncio.get_running_loop()
    signalled: asyncio.Future[int] = loop.create_future()
    main = asyncio.current_task()

    def on_signal(number: signal.Signals) -> None:
        if signalled.done():
            log.warning("Second %s: ending at once", number.name)
            if main is not None:
                main.cancel()
        else:
            log.info("%s: ending", number.name)
            signalled.set_result(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    await service.start()
    tame_garbage_collection()
    waits: list[asyncio.Future[int]] = [signalled]
    if ended is not None:
        waits.append(asyncio.ensure_future(ended()))
    done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    await service.stop()
    for wait in waits:
        wait.cancel()
    return max(one.result() for one in done)


def tame_garbage_collection() -> None:
    """Make collections rarer: a master holds hundreds of thousands of records that form no cycles, and looking at all
    of them again and again would stall every stream for as long. What does form cycles (tracebacks, closed
    connections) is small and can wait for tens of thousands of allocations."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)


def run_service(main: Callable[[], Awaitable[int]]) -> int:
    """Run ``main`` on uvloop; a fault that we have a name for is one line on the log and exit status 1."""

    async def entry() -> int:
        return await main()

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(entry())
    except MesosServiceError as error:
        log.error("%s", error)
        return 1
    except asyncio.CancelledError:
        return 1
