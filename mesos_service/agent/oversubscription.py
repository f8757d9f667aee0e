"""Watches what tasks use, asks the estimator and the QoS controller about it, and tells the core what they say.

Whoever is not asked for costs nothing. A container that cannot be measured is left without a figure, which an estimator
takes for full use; a machine that tells no load is no reason to end anybody.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable

from mesos_service.agent.routes.containers import measure
from mesos_service.agent.routes.reads import AgentReads
from mesos_service.core.agent.state import ExecutorState
from mesos_service.core.agent_messages import AgentMessage, OversubscriptionEstimated, QosCorrections
from mesos_service.core.oversubscription.controllers import QosController
from mesos_service.core.oversubscription.estimators import SNAPSHOTS_MAX, ResourceEstimator
from mesos_service.core.oversubscription.usage import ExecutorUsage, Load, UsageSnapshot
from mesos_service.domain.ids import ContainerId

log = logging.getLogger(__name__)


class Oversubscription:
    """Both watches of one agent; ``service`` is only looked at, and what is decided goes to ``submit``."""

    def __init__(
        self,
        service: AgentReads,
        submit: Callable[[AgentMessage], None],
        estimator: ResourceEstimator | None,
        controller: QosController | None,
        estimate_seconds: float,
        correction_seconds: float,
    ) -> None:
        self._service = service
        self._submit = submit
        self._estimator = estimator
        self._controller = controller
        self._estimate_seconds = estimate_seconds
        self._correction_seconds = correction_seconds
        self._watches: list[asyncio.Task[None]] = []

    def start(self, defect: Callable[[BaseException], None]) -> None:
        """Watch from now on, until :meth:`stop`."""

        def ended(task: asyncio.Task[None]) -> None:
            error = None if task.cancelled() else task.exception()
            if error is not None:
                defect(error)

        if self._estimator is not None:
            self._watches.append(asyncio.create_task(self._estimate(self._estimator)))
        if self._controller is not None:
            self._watches.append(asyncio.create_task(self._correct(self._controller)))
        for watch in self._watches:
            watch.add_done_callback(ended)

    async def stop(self) -> None:
        """Look no more."""
        for watch in self._watches:
            watch.cancel()
        if self._watches:
            await asyncio.wait(self._watches)

    async def _estimate(self, estimator: ResourceEstimator) -> None:
        usage: deque[UsageSnapshot] = deque(maxlen=SNAPSHOTS_MAX)
        while True:
            usage.append(await snapshot(self._service, estimator.measures))
            self._submit(OversubscriptionEstimated(estimator.estimate(tuple(usage))))
            await asyncio.sleep(self._estimate_seconds)

    async def _correct(self, controller: QosController) -> None:
        usage: deque[UsageSnapshot] = deque(maxlen=2)
        while True:
            usage.append(await snapshot(self._service, controller.measures))
            corrections = tuple(controller.corrections(tuple(usage)))
            if corrections:
                log.info("%d borrowers have to end: %s", len(corrections), corrections[0].reason)
                self._submit(QosCorrections(corrections))
            await asyncio.sleep(self._correction_seconds)


async def snapshot(service: AgentReads, measures: bool) -> UsageSnapshot:
    """Every executor that runs and is not to end, with what it has used where that is asked for."""
    measured: dict[ContainerId, float | None] = {}
    for one in await measure(service) if measures else ():
        user, system = one.usage.cpus_user_time_secs, one.usage.cpus_system_time_secs
        measured[one.container_id] = None if user is None or system is None else user + system
    state = service.state
    return UsageSnapshot(
        at=service.clock(),
        total=state.total,
        executors=tuple(
            ExecutorUsage(
                framework_id=framework.framework_id,
                executor_id=executor.info.executor_id,
                container_id=executor.container_id,
                launched_at=executor.launched_at,
                allocated=executor.resources,
                cpu_seconds=measured.get(executor.container_id),
            )
            for framework in state.frameworks.values()
            for executor in framework.executors.values()
            if executor.state in (ExecutorState.REGISTERING, ExecutorState.RUNNING)
        ),
        load=_load(),
    )


def _load() -> Load | None:
    try:
        _, five_minutes, fifteen_minutes = os.getloadavg()
    except OSError:
        return None
    return Load(five_minutes, fifteen_minutes)
