"""One line for each fact, made only when it is written."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from mesos_service.core.effects import Note
from mesos_service.domain.errors import ConfigurationError
from mesos_service.telemetry.logs import INFO, WARNING, level_of, log_note, set_up_logging

LOGGER = logging.getLogger("mesos_service.facts.test")


@pytest.fixture(autouse=True)
def root_logger_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_fact_is_one_line_of_arguments(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log_note(
        LOGGER,
        Note("agent.registered", {"agent_id": "S0", "hostname": "a b", "note": "two\nlines", "stimulus": "link-3"}),
    )
    (record,) = caplog.records
    assert record.levelno == logging.INFO
    assert record.msg == "%s %s%s"
    assert record.getMessage() == r'agent.registered agent_id=S0 hostname="a b" note="two\nlines" stimulus=link-3'


def test_the_hot_path_is_silent_unless_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log_note(LOGGER, Note("task.updated", {"task_id": "t"}))
    assert caplog.records == []
    caplog.set_level(logging.DEBUG)
    log_note(LOGGER, Note("task.updated", {"task_id": "t"}))
    assert [record.getMessage() for record in caplog.records] == ["task.updated task_id=t"]


def test_levels_exclude_each_other() -> None:
    assert not INFO & WARNING
    assert level_of("agent.unreachable") == logging.WARNING
    assert level_of("nothing.we_know") == logging.DEBUG


def test_the_flag_sets_the_level(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("warning")
    log_note(LOGGER, Note("framework.subscribed", {"framework_id": "F"}))
    log_note(LOGGER, Note("agent.unreachable", {"agent_id": "S0"}))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("Z WARNING mesos_service.facts.test: agent.unreachable agent_id=S0")


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="LOUD"):
        set_up_logging("LOUD")
