"""What a framework takes of an offer."""

from __future__ import annotations

import pytest

from mesos_service.domain.resources import Resources
from mesos_service.sdk.tasks import take


@pytest.mark.parametrize(
    ("held", "needs", "taken"),
    [
        ("cpus:4;mem:4096", "cpus:1;mem:32", "cpus:1;mem:32"),
        ("cpus:4;mem:4096", "cpus:4;mem:4096", "cpus:4;mem:4096"),
        ("cpus:4;mem:4096", "cpus:4.001", None),
        ("cpus:4", "cpus:1;mem:32", None),
        ("ports:[31000-31005]", "ports:[31001-31002]", "ports:[31001-31002]"),
        ("ports:[31000-31005]", "ports:[31004-31006]", None),
        ("ports:[1-2,5-9]", "ports:[2-2,7-9]", "ports:[2-2,7-9]"),
        ("disks:{a,b}", "disks:{b}", "disks:{b}"),
        ("disks:{a,b}", "disks:{c}", None),
        ("disks:{a,b}", "disks:1", None),
        ("cpus:1;cpus(r):2", "cpus:2.5", "cpus(r):2;cpus:0.5"),
        ("cpus:1;cpus(r):2", "cpus:1.5", "cpus(r):1.5"),
    ],
)
def test_what_covers_the_needs_is_taken_reserved_first(held: str, needs: str, taken: str | None) -> None:
    whole = Resources.parse(held)
    part = take(whole, Resources.parse(needs))
    assert part == (None if taken is None else Resources.parse(taken))
    if part is not None:
        assert whole.contains(part)
