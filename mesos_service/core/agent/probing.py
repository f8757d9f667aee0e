"""When the checks of a task are tried (M-AG-19, M-AG-20): the first after its delay, each further one an interval after
the end of the one before, and none while the task is being killed or has ended.

What a try says is weighed in ``checks.py``; this only starts and stops tries, so that whoever ends a task can say so
here. A try that takes longer than its time-out is given up by the core and not by who makes it.
"""

from __future__ import annotations

from typing import Final

from mesos_service.core.agent.state import CheckDue, Checking, CheckOverdue, Task
from mesos_service.core.agent.turn import Turn
from mesos_service.core.effects import StartProbe, StopProbe
from mesos_service.domain.checks import Check, CheckStatus, Purpose
from mesos_service.domain.ids import ContainerId

INTERVAL_SECONDS_MIN: Final = 0.1
"""Mesos allows 0, which would keep the agent busy with nothing else."""


def begin(turn: Turn, task: Task, since: float | None) -> None:
    """The task runs: plan its checks. One that has run ``since`` then, under an agent before, is checked on."""
    if task.container_id is None:
        return
    for purpose, check in _checks(task).items():
        if purpose not in task.checking:
            task.checking[purpose] = Checking(started_at=turn.now if since is None else since)
            delay = check.delay_seconds if since is None else max(check.interval_seconds, INTERVAL_SECONDS_MIN)
            turn.state.timers.set(CheckDue(task.container_id, purpose), turn.now + delay)


def stop(turn: Turn, task: Task) -> None:
    """The task is being killed or has ended: what is checked of it now says nothing any more."""
    for purpose, checking in task.checking.items():
        assert task.container_id is not None, "only what runs in a container is checked"
        turn.state.timers.cancel(CheckDue(task.container_id, purpose))
        _give_up(turn, task.container_id, purpose, checking)
    task.checking.clear()


def start(turn: Turn, task: Task, purpose: Purpose) -> None:
    """Make one try."""
    container_id, checking = task.container_id, task.checking[purpose]
    assert container_id is not None, "only what runs in a container is checked"
    check = _checks(task)[purpose]
    turn.state.probes += 1
    checking.probe = turn.state.probes
    turn.do(StartProbe(container_id, purpose, checking.probe, check))
    if check.timeout_seconds > 0:
        turn.state.timers.set(CheckOverdue(container_id, purpose), turn.now + check.timeout_seconds)


def end(turn: Turn, task: Task, purpose: Purpose) -> None:
    """A try is over, or has taken too long; plan the next."""
    container_id, checking = task.container_id, task.checking[purpose]
    assert container_id is not None, "only what runs in a container is checked"
    _give_up(turn, container_id, purpose, checking)
    interval = max(_checks(task)[purpose].interval_seconds, INTERVAL_SECONDS_MIN)
    turn.state.timers.set(CheckDue(container_id, purpose), turn.now + interval)


def timeout_seconds(task: Task, purpose: Purpose) -> float:
    """How long one try may take."""
    return _checks(task)[purpose].timeout_seconds


def check_status(task: Task, ended: bool = False) -> CheckStatus | None:
    """What the task's check last said, and that it said nothing before its first result and after the task's end (as
    recorded); ``None`` for a task without a check."""
    if task.info.check is None:
        return None
    return CheckStatus(task.info.check.type) if ended or task.check_status is None else task.check_status


def _checks(task: Task) -> dict[Purpose, Check]:
    found: dict[Purpose, Check] = {}
    if task.info.check is not None:
        found[Purpose.CHECK] = task.info.check
    if task.info.health_check is not None:
        found[Purpose.HEALTH] = task.info.health_check.check
    return found


def _give_up(turn: Turn, container_id: ContainerId, purpose: Purpose, checking: Checking) -> None:
    turn.state.timers.cancel(CheckOverdue(container_id, purpose))
    if checking.probe is not None:
        turn.do(StopProbe(checking.probe))
        checking.probe = None
