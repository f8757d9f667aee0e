"""Shared volumes in the definition: in use they are free, and count once for who holds them (N23, X45)."""

from __future__ import annotations

from mesos_service.domain.frameworks import SHARED_RESOURCES
from mesos_service.domain.ids import FrameworkId
from tests.unit.fairness.runs import Run, certify

SHARED = (
    '[{"name":"cpus","type":"SCALAR","scalar":{"value":2}},{"name":"mem","type":"SCALAR","scalar":{"value":512}},'
    '{"name":"disk","type":"SCALAR","scalar":{"value":900},"shared":{},"reservations":[{"type":"DYNAMIC","role":"a"}],'
    '"disk":{"persistence":{"id":"v"},"volume":{"container_path":"v","mode":"RW"}}}]'
)


def test_n23_x45_a_shared_volume_counts_once_for_its_users() -> None:
    """Also in the definition: in use it is free, and whoever uses it and is offered it holds it once."""
    run = Run()
    knows = frozenset({SHARED_RESOURCES})
    for name in ("f1", "f2"):
        run.framework(name, "a", capabilities=knows)
    run.agents(1, SHARED)
    run.agents(4)
    for number in range(12):
        run.go()
        for one in run.offered:
            volume = one.resources.shared()
            if volume and number < 8:
                run.guard.offered_to_allocated(one.framework_id, one.agent_id, volume + volume)
        run.give_back(lambda one: one.agent_id != run.names[1], None)
    assert set(uses(run)) == {"f1", "f2"}, "one after the other"
    certificate = certify(run.guard.written)
    assert certificate.is_fair and certificate.as_defined == certificate.passes == 12, certificate


def uses(run: Run) -> list[FrameworkId]:
    return [told.arguments[0] for told in run.guard.written if told.method == "offered_to_allocated"]
