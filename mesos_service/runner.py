"""Running a service until a signal ends it."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import uvloop

from mesos_service.domain.errors import ConfigurationError, MesosServiceError
from mesos_service.memory import tame_garbage_collection
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
    reload: Callable[[], Awaitable[bool]] | None = None,
) -> int:
    """Start, wait for SIGTERM or SIGINT (or for the service to end by itself, see ``ended``), stop. Exit status.

    ``stop`` is what is done then in place of the service's own, and ``on_signals`` what further signals mean. A second
    signal does not wait for the orderly end. ``renew`` is what SIGHUP asks for; it says how
    many certificates it has read. ``reload`` is the other thing, of a service with modules; it says whether any had
    changed.
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
    hangup: Hangup | None = None
    if renew is not None:
        hangup = Hangup(renew, reload)
        loop.add_signal_handler(signal.SIGHUP, hangup.heard)
    supervisor = Supervisor()
    await service.start()
    tame_garbage_collection()
    supervisor.ready()
    waits: list[asyncio.Future[int]] = [signalled]
    if ended is not None:
        waits.append(asyncio.ensure_future(ended()))
    done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    supervisor.stopping()
    if hangup is not None:
        await hangup.close()
    await how()
    supervisor.stopped()
    for wait in waits:
        wait.cancel()
    return max(one.result() for one in done)


class Hangup:
    """What SIGHUP asks for. Reading modules again takes a while: one that comes meanwhile is answered after it."""

    def __init__(self, renew: Callable[[], int], reload: Callable[[], Awaitable[bool]] | None) -> None:
        self._renew = renew
        self._reload = reload
        self._again = False
        self._at_work: asyncio.Task[None] | None = None

    def heard(self) -> None:
        _renew(self._renew)
        if self._reload is None:
            return
        self._again = True
        if self._at_work is None or self._at_work.done():
            self._at_work = asyncio.get_running_loop().create_task(self._reload_all(self._reload))

    async def close(self) -> None:
        """Nothing is read any more."""
        if self._at_work is not None:
            self._at_work.cancel()
            await asyncio.wait([self._at_work])

    async def _reload_all(self, reload: Callable[[], Awaitable[bool]]) -> None:
        while self._again:
            self._again = False
            try:
                log.info("SIGHUP: %s", "modules were read again" if await reload() else "no module has changed")
            except ConfigurationError as error:
                log.error("SIGHUP: the modules that run go on: %s", error)


def _renew(renew: Callable[[], int]) -> None:
    try:
        if renew():
            log.info("SIGHUP: new connections use what the files of certificates hold now")
        else:
            log.info("SIGHUP: there are no certificates to read again; what flags say takes a restart")
    except ConfigurationError as error:
        log.error("SIGHUP: what was in force stays, as the files cannot be used: %s", error)


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
