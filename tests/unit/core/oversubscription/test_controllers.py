"""Which borrowers have to go (M-AG-26)."""

from __future__ import annotations

from mesos_service.core.oversubscription.controllers import LoadController, UsageController
from mesos_service.core.oversubscription.estimators import lent
from mesos_service.core.oversubscription.usage import ExecutorUsage, Load, UsageSnapshot
from mesos_service.domain.ids import ContainerId, ExecutorId, FrameworkId
from mesos_service.domain.resources import Resources

REGULAR = Resources.scalars(cpus=2)
BORROWED = lent(Resources.scalars(cpus=1))


def snapshot(at: float, load: Load | None = None, **used: tuple[float, Resources, float | None]) -> UsageSnapshot:
    """Executors by name: when they began, what they have, and the processor time they have used."""
    return UsageSnapshot(
        at=at,
        total=Resources.scalars(cpus=4),
        load=load,
        executors=tuple(
            ExecutorUsage(
                framework_id=FrameworkId("f"),
                executor_id=ExecutorId(name),
                container_id=ContainerId(name),
                launched_at=began,
                allocated=allocated,
                cpu_seconds=seconds,
            )
            for name, (began, allocated, seconds) in used.items()
        ),
    )


def test_m_ag_26_load_ends_all_borrowers_and_nobody_else() -> None:
    executors = {"a": (0.0, REGULAR, 1.0), "b": (1.0, BORROWED, None), "c": (2.0, REGULAR + BORROWED, 0.0)}
    controller = LoadController(threshold_5min=6.0, threshold_15min=4.0)
    for load in (Load(6.1, 0.0), Load(0.0, 4.1)):
        ended = controller.corrections([snapshot(0.0, load, **executors)])
        assert [one.executor_id for one in ended] == ["b", "c"]
    assert controller.corrections([snapshot(0.0, Load(6.0, 4.0), **executors)]) == ()


def test_m_ag_26_load_that_nobody_tells_or_asks_about_ends_nobody() -> None:
    borrower = {"b": (1.0, BORROWED, None)}
    assert LoadController(threshold_5min=0.1).corrections([]) == ()
    assert LoadController(threshold_5min=0.1).corrections([snapshot(0.0, None, **borrower)]) == ()
    assert LoadController(threshold_5min=9.0).corrections([snapshot(0.0, Load(1.0, 50.0), **borrower)]) == ()
    only_15 = LoadController(threshold_15min=9.0)
    assert only_15.corrections([snapshot(0.0, Load(50.0, 1.0), **borrower)]) == ()


def before_and_after(**cpus: tuple[float, Resources, float]) -> list[UsageSnapshot]:
    """Executors by name: when they began, what they have, and how many processors they used for ten seconds."""
    return [
        snapshot(100.0, None, **{name: (began, had, 5.0) for name, (began, had, _) in cpus.items()}),
        snapshot(110.0, None, **{name: (began, had, 5.0 + used * 10) for name, (began, had, used) in cpus.items()}),
    ]


def test_m_ag_26_usage_ends_the_youngest_and_as_few_as_it_takes() -> None:
    usage = before_and_after(
        web=(0.0, REGULAR, 2.0), old=(1.0, BORROWED, 0.8), young=(3.0, BORROWED, 0.7), middle=(2.0, BORROWED, 0.5)
    )
    assert [one.executor_id for one in UsageController(0.9).corrections(usage)] == ["young"]
    assert [one.executor_id for one in UsageController(0.7).corrections(usage)] == ["young", "middle"]
    # Nothing but regular tasks is left, and those are never ended.
    assert [one.executor_id for one in UsageController(0.1).corrections(usage)] == ["young", "middle", "old"]


def test_m_ag_26_usage_spares_those_whose_end_would_bring_nothing() -> None:
    """The youngest uses next to nothing: the older one has to end with it or without it."""
    usage = before_and_after(web=(0.0, REGULAR, 2.0), greedy=(1.0, BORROWED, 2.0), quiet=(2.0, BORROWED, 0.01))
    assert [one.executor_id for one in UsageController(0.9).corrections(usage)] == ["greedy"]


def test_m_ag_26_usage_leaves_borrowers_alone_while_nobody_is_disturbed() -> None:
    idle = before_and_after(web=(0.0, REGULAR, 0.05), greedy=(1.0, BORROWED, 3.9))
    assert UsageController(0.9).corrections(idle) == ()
    calm = before_and_after(web=(0.0, REGULAR, 1.5), b=(1.0, BORROWED, 1.0))
    assert UsageController(0.9).corrections(calm) == ()
    alone = before_and_after(web=(0.0, REGULAR, 4.0))
    assert UsageController(0.5).corrections(alone) == ()


def test_m_ag_26_usage_does_not_judge_by_one_look_or_by_what_was_not_measured() -> None:
    usage = before_and_after(web=(0.0, REGULAR, 2.0), b=(1.0, BORROWED, 2.0))
    assert UsageController(0.9).corrections([]) == ()
    assert UsageController(0.9).corrections(usage[1:]) == ()
    unmeasured = snapshot(110.0, web=(0.0, REGULAR, 25.0), b=(1.0, BORROWED, None))
    assert UsageController(0.9).corrections([usage[0], unmeasured]) == ()
    # An idle borrower would free nothing, young as it is.
    idle = before_and_after(web=(0.0, REGULAR, 3.0), b=(1.0, BORROWED, 1.0), lazy=(5.0, BORROWED, 0.0))
    assert [one.executor_id for one in UsageController(0.9).corrections(idle)] == ["b"]
