"""How much an agent may lend (M-AG-26)."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from mesos_service.core.oversubscription.estimators import FixedEstimator, UsageEstimator, lent, refuse_lent
from mesos_service.core.oversubscription.usage import ExecutorUsage, UsageSnapshot, cpus_between
from mesos_service.domain.ids import ContainerId, ExecutorId, FrameworkId
from mesos_service.domain.resources import Resources

TOTAL = Resources.scalars(cpus=8, mem=1024)


def executor(name: str, allocated: Resources, cpu_seconds: float | None) -> ExecutorUsage:
    return ExecutorUsage(
        framework_id=FrameworkId("f"),
        executor_id=ExecutorId(name),
        container_id=ContainerId(name),
        launched_at=0.0,
        allocated=allocated,
        cpu_seconds=cpu_seconds,
    )


def history(*moments: Mapping[str, tuple[Resources, float | None]], seconds: float = 10.0) -> list[UsageSnapshot]:
    """A snapshot each ten seconds: what each executor has, and what it has used since it began."""
    return [
        UsageSnapshot(
            at=100.0 + number * seconds, total=TOTAL, executors=tuple(executor(n, *had) for n, had in one.items())
        )
        for number, one in enumerate(moments)
    ]


def cpus(amount: float | str) -> Resources:
    return Resources.scalars(cpus=amount)


def test_m_ag_26_fixed_lends_what_was_named_and_marks_it() -> None:
    estimate = FixedEstimator(Resources.scalars(cpus=14, mem=5)).estimate([])
    assert estimate == estimate.revocable()
    assert estimate.quantities() == {"cpus": 14_000, "mem": 5_000}
    assert refuse_lent(estimate) is None


def test_m_ag_26_usage_lends_what_regular_tasks_leave() -> None:
    """4 processors, 1 of them used at most, less a tenth of 4."""
    usage = history({"a": (cpus(4), 0.0)}, {"a": (cpus(4), 10.0)}, {"a": (cpus(4), 15.0)})
    assert UsageEstimator(0.1).estimate(usage) == lent(cpus("2.6"))
    assert UsageEstimator(0.0).estimate(usage) == lent(cpus(3))
    assert UsageEstimator(1.0).estimate(usage) == Resources.EMPTY


def test_m_ag_26_usage_remembers_the_peak_and_only_as_long_as_the_snapshots() -> None:
    burst = [{"a": (cpus(4), 0.0)}, {"a": (cpus(4), 40.0)}]
    calm = [{"a": (cpus(4), 40.0)} for _ in range(40)]
    assert UsageEstimator(0.0).estimate(history(*burst, *calm[:10])) == Resources.EMPTY
    assert UsageEstimator(0.0).estimate(history(*burst, *calm)) == lent(cpus(4))


def test_m_ag_26_what_came_to_an_executor_is_not_lent_before_it_was_measured() -> None:
    """One that was busy gets a task of 4 processors: nobody has seen yet that they are left."""
    busy = [{"a": (cpus(1), 10.0 * number)} for number in range(5)]
    grown = [{"a": (cpus(5), 50.0)}, {"a": (cpus(5), 60.0)}, {"a": (cpus(5), 70.0)}]
    for known in (1, 2):
        assert UsageEstimator(0.0).estimate(history(*busy, *grown[:known])) == Resources.EMPTY
    assert UsageEstimator(0.0).estimate(history(*busy, *grown)) == lent(cpus(4))


@pytest.mark.parametrize(
    "usage",
    [
        [],
        history({"a": (cpus(4), 0.0)}),
        history({"a": (cpus(4), 0.0)}, {"a": (cpus(4), 0.0)}),
        history({"a": (cpus(4), 0.0)}, {"a": (cpus(4), None)}, {"a": (cpus(4), 0.0)}),
        history({"b": (cpus(4), 0.0)}, {"b": (cpus(4), 0.0)}, {"b": (cpus(4), 0.0)}, {"a": (cpus(4), 0.0)}),
        history(*[{"a": (cpus(4) + lent(cpus(1)), 0.0)}] * 5),
        history(*[{"a": (Resources.scalars(mem=64), 0.0)}] * 5),
        history(*[{"a": (cpus("0.09"), 0.0)}] * 5),
        history(*[{"a": (cpus(4), 0.0)}] * 5, seconds=0.0),
        history(*[{"a": (cpus(4), 0.0)}] * 5, seconds=-1.0),
    ],
)
def test_m_ag_26_what_was_not_measured_well_enough_is_not_lent(usage: list[UsageSnapshot]) -> None:
    assert UsageEstimator(0.0).estimate(usage) == Resources.EMPTY


def test_m_ag_26_who_uses_more_than_it_has_lends_nothing_of_others() -> None:
    moments = [{"a": (cpus(1), 30.0 * n), "b": (cpus(2), 0.0)} for n in range(3)]
    assert UsageEstimator(0.0).estimate(history(*moments)) == lent(cpus(2))


def test_m_ag_26_processes_that_took_their_time_along_do_not_count_below_nothing() -> None:
    before, after = history({"a": (cpus(1), 30.0)}, {"a": (cpus(1), 5.0)})
    assert cpus_between(before, after) == {"a": 0.0}


@pytest.mark.parametrize(
    "text",
    [
        "cpus:1",
        '[{"name":"cpus","type":"SCALAR","scalar":{"value":1},"revocable":{},"reservations":[{"type":"STATIC","role":"r"}]}]',
        '[{"name":"ports","type":"RANGES","ranges":{"range":[{"begin":1,"end":2}]},"revocable":{}}]',
        '[{"name":"disk","type":"SCALAR","scalar":{"value":1},"revocable":{},'
        '"disk":{"source":{"type":"PATH","path":{"root":"/a"}}}}]',
    ],
)
def test_m_ag_26_only_plain_revocable_amounts_can_be_lent(text: str) -> None:
    assert refuse_lent(Resources.parse(text)) is not None
    assert refuse_lent(lent(cpus(1)).allocated_to("r")) is not None
