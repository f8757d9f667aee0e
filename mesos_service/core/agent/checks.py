"""What checks of tasks say, and what follows (M-AG-19, M-AG-20; Mesos docs, "Health checks").

A check is told when it says something new. A health check is told at its first success, at every failure that counts,
and at the first success after one; failures count once it has succeeded or its grace is over. So many in a row, and
the task is killed as anybody would kill it: its end says ``healthy: false`` (as recorded of Mesos 1.12).
"""

from __future__ import annotations

from typing import Final

from mesos_service.core.agent import built_in, kills, probing, status_updates
from mesos_service.core.agent.state import CheckDue, CheckOverdue, Executor, Framework, Task
from mesos_service.core.agent.texts import describe_seconds
from mesos_service.core.agent.turn import Turn
from mesos_service.core.agent_messages import ProbeEnded
from mesos_service.domain.checks import CheckStatus, ProbeResult, Purpose, is_healthy
from mesos_service.domain.ids import ContainerId
from mesos_service.domain.tasks import TaskState

REASON_CHECK: Final = "REASON_TASK_CHECK_STATUS_UPDATED"
REASON_HEALTH_CHECK: Final = "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED"


def on_due(turn: Turn, deadline: CheckDue) -> None:
    """It is time for the next try."""
    if (found := _find(turn, deadline.container_id, deadline.purpose)) is not None:
        probing.start(turn, found[2], deadline.purpose)


def on_overdue(turn: Turn, deadline: CheckOverdue) -> None:
    """The try has taken too long: it is given up, which is a failure."""
    found = _find(turn, deadline.container_id, deadline.purpose)
    if found is None:
        return
    framework, executor, task = found
    timeout = describe_seconds(probing.timeout_seconds(task, deadline.purpose))
    _take(turn, framework, executor, task, deadline.purpose, ProbeResult(None, f"not done after {timeout}"))


def on_probe_ended(turn: Turn, message: ProbeEnded) -> None:
    """Weigh a try, unless it was given up meanwhile."""
    found = _find(turn, message.container_id, message.purpose)
    if found is None or found[2].checking[message.purpose].probe != message.probe:
        return
    framework, executor, task = found
    task.checking[message.purpose].probe = None
    _take(turn, framework, executor, task, message.purpose, message.result)


def _take(
    turn: Turn, framework: Framework, executor: Executor, task: Task, purpose: Purpose, result: ProbeResult
) -> None:
    probing.end(turn, task, purpose)
    if result.aborted:
        turn.note("check.aborted", task_id=task.info.task_id, error=result.error)
    elif purpose is Purpose.CHECK:
        _take_check(turn, framework, executor, task, result)
    else:
        _take_health(turn, framework, executor, task, result)


def _take_check(turn: Turn, framework: Framework, executor: Executor, task: Task, result: ProbeResult) -> None:
    assert task.info.check is not None, "its result is what was asked for"
    status = CheckStatus(task.info.check.type, result.result)
    if status != probing.check_status(task):
        task.check_status = status
        _tell(turn, framework, executor, task, REASON_CHECK)


def _take_health(turn: Turn, framework: Framework, executor: Executor, task: Task, result: ProbeResult) -> None:
    asked, checking = task.info.health_check, task.checking[Purpose.HEALTH]
    assert asked is not None, "its result is what was asked for"
    if is_healthy(asked.check.type, result):
        checking.failures = 0
        if task.healthy is not True:
            task.healthy = True
            _tell(turn, framework, executor, task, REASON_HEALTH_CHECK)
        return
    said = result.error or f"said {result.result}"
    # Before the first success a failure inside the grace only means that the task is still starting.
    if task.healthy is None and turn.now - checking.started_at < asked.grace_period_seconds:
        turn.note("task.unhealthy_in_grace", task_id=task.info.task_id, check=said)
        return
    checking.failures += 1
    task.healthy = False
    turn.note("task.unhealthy", task_id=task.info.task_id, failures=checking.failures, check=said)
    _tell(turn, framework, executor, task, REASON_HEALTH_CHECK)
    if checking.failures >= asked.consecutive_failures:
        kills.kill_launched(turn, framework, executor, task, None)


def _tell(turn: Turn, framework: Framework, executor: Executor, task: Task, reason: str) -> None:
    assert task.container_id is not None, "only what runs in a container is checked"
    place = built_in.where(turn, executor, task, turn.state.containers[task.container_id].pid)
    status = status_updates.executor_status(turn, task, TaskState.RUNNING, place, None, reason)
    status_updates.report(turn, framework, executor, task, status)


def _find(turn: Turn, container_id: ContainerId, purpose: Purpose) -> tuple[Framework, Executor, Task] | None:
    """Whose check this is; ``None`` when nobody's any more."""
    found = turn.state.executor_of(container_id)
    if found is None:
        return None
    framework, executor = found
    task_id = turn.state.containers[container_id].task_id
    task = executor.launched.get(task_id) if task_id is not None else None
    return (framework, executor, task) if task is not None and purpose in task.checking else None
