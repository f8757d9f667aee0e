"""Options made from flags."""

from __future__ import annotations

import pytest

from mesos_service.agent.config import AgentConfig
from mesos_service.cli.flag_options import boolean_flags, normalised
from mesos_service.domain.errors import ConfigurationError
from mesos_service.master.config import MasterConfig


@pytest.mark.parametrize(
    ("written", "parsed"),
    [
        (["--switch_user"], ["--switch_user=true"]),
        (["--no-switch_user"], ["--switch_user=false"]),
        (["--switch_user=false"], ["--switch_user=false"]),
        (["--port", "1", "--master=a:1"], ["--port", "1", "--master=a:1"]),
        (["agent", "--check_config"], ["agent", "--check_config"]),
        (["--", "--switch_user"], ["--", "--switch_user"]),
        (["--no-port"], ["--no-port"]),
    ],
)
def test_booleans_are_written_as_in_mesos(written: list[str], parsed: list[str]) -> None:
    assert normalised(written, AgentConfig) == parsed


def test_a_flag_of_mesos_that_we_lack_is_named_as_it_was_written() -> None:
    with pytest.raises(ConfigurationError, match=r"^--no-memory_profiling: Mesos has this flag"):
        normalised(["--no-memory_profiling"], AgentConfig)


def test_which_flags_are_true_or_false() -> None:
    assert "root_submissions" in boolean_flags(MasterConfig)
    assert {"strict", "switch_user"} <= boolean_flags(AgentConfig)
