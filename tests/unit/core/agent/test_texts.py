"""How wait statuses and durations read."""

from __future__ import annotations

import pytest

from mesos_service.core.agent.texts import describe_seconds, describe_wait_status


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (0, "exited with status 0"),
        (255 << 8, "exited with status 255"),
        (1, "terminated with signal Hangup"),
        (9, "terminated with signal Killed"),
        (6 | 0x80, "terminated with signal Aborted (core dumped)"),
        (0x7F, "terminated with signal Unknown signal 127"),
    ],
)
def test_wait_statuses_read_as_in_mesos(status: int, text: str) -> None:
    assert describe_wait_status(status) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (60.0, "1mins"),
        (900.0, "15mins"),
        (5.0, "5secs"),
        (1.5, "1.5secs"),
        (0.25, "250ms"),
        (7200.0, "2hrs"),
        (86400.0, "1days"),
        (1209600.0, "2weeks"),
    ],
)
def test_durations_read_as_in_mesos(seconds: float, text: str) -> None:
    assert describe_seconds(seconds) == text
