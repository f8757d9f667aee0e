"""Running a service until a signal ends it."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import signal
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol

import uvloop

from mesos_service.domain.errors import ConfigurationError, MesosServiceError
from mesos_service.notify import Supervisor

log = logging.getLogger(__name__)


class Service(Protocol):
    """What can be started and stopped."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


Stop = Callable[[], Awaitable[None]]


async def serve_until_signalled(
    service: Service,
    ended: Callable[[], Awaitable[int]] | None = None,
    stop: Stop | None = None,
    on_signals: Mapping[signal.Signals, Stop] | None = None,
    renew: Callable[[], int] | None = None,
) -> int:
    """Start, wait for SIGTERM or SIGINT (or for the service to end by itself, see ``ended``), stop. Exit status.

    ``stop`` is what is done then in place of the service's own, and ``on_signals`` what further signals mean. A second
    signal does not wait for the orderly end. ``renew`` is what SIGHUP asks for; it says how
    many certificates it has read.
    """
    loop = asyncio.get_running_loop()
    stops = {signal.SIGTERM: stop or service.stop, signal.SIGINT: stop or service.stop, **(on_signals or {})}
    how = stop or service.stop
    signalled: asyncio.Future[int] = loop.create_future()
    main = asyncio.current_task()

    def on_signal(number: signal.Signals) -> None:
        nonlocal how
        if signalled.done():
            log.warning("Second %s: ending at once", number.name)
            if main is not None:
                main.cancel()
        else:
            log.info("%s: ending", number.name)
            how = stops[number]
            signalled.set_result(0)

    for number in stops:
        loop.add_signal_handler(number, on_signal, number)
    if renew is not None:
        loop.add_signal_handler(signal.SIGHUP, _renew, renew)
    supervisor = Supervisor()
    await service.start()
    tame_garbage_collection()
    supervisor.ready()
    waits: list[asyncio.Future[int]] = [signalled]
    if ended is not None:
        waits.append(asyncio.ensure_future(ended()))
    done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    supervisor.stopping()
    await how()
    supervisor.stopped()
    for wait in waits:
        wait.cancel()
    return max(one.result() for one in done)


def _renew(renew: Callable[[], int]) -> None:
    try:
        if renew():
            log.info("SIGHUP: new connections use what the files of certificates hold now")
        else:
            log.info("SIGHUP: there are no certificates to read again; other flags take a restart")
    except ConfigurationError as error:
        log.error("SIGHUP: what was in force stays, as the files cannot be used: %s", error)


COLLECTIONS: Final = (50_000, 50, 100)
"""Allocations between two looks at young objects, such looks between two at older ones, those between two at all."""


def tame_garbage_collection() -> None:
    """Make collections rarer: a master holds hundreds of thousands of records that form no cycles, and looking at all
    of them again and again would stall every stream for as long. What does form cycles (tracebacks, closed
    connections) is small and can wait for tens of thousands of allocations."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTIONS)


def leave_memory(service: object) -> None:
    """Let the process end without taking apart what ``service`` remembers, once it is stopped and has closed all.

    Python would give back hundreds of thousands of records one by one, 0.2 s of a processor for 4,000 agents, while the
    next one is already at work or waits to be started; the system takes the memory as a whole. All else that happens
    at an exit still does.
    """
    gc.freeze()
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(service))


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
