"""A container sends no more than it may (M-AG-05, A34), and nobody else is bounded, in a network that tests make."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from mesos_service.cgroups.amounts import read_bytes
from mesos_service.containers.containerizer import Members
from mesos_service.domain.errors import ConfigurationError
from mesos_service.plugins.loader import ISOLATORS, load, read_config
from modules.isolators.network_bandwidth import default_interface
from tests.unit.cgroups.live import Live

RATE = 200 * 1024


@pytest.mark.skipif(os.geteuid() != 0, reason="making networks takes root")
def test_m_ag_05_a34_a_container_that_forks_sends_no_more_than_it_may(tmp_path: Path, live: Live) -> None:
    for program in ("tc", "iptables", "ip", "unshare"):
        if shutil.which(program) is None:
            pytest.skip(f"real part not installed: {program}")
    live.isolator("network/bandwidth", Members(), egress_rate_limit_per_container="1MB", eth0_name="lo")
    command = ("unshare", "--net", sys.executable, "-m", "tests.unit.cgroups.sending", str(tmp_path), live.root)
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert found["bounded"] < 2 * RATE, "a burst above the rate, at the beginning, and a clock that is read late"
    assert found["bounded"] > 0.3 * RATE
    assert found["free"] > 10 * RATE
    assert found["rules"] >= 2 and found["rules_after_recovery"] == found["rules"] // 2
    assert (found["rules_left"], found["classes_left"]) == (0, "")
    assert "htb" not in found["queue_left"]
    assert any(line.startswith("tc class replace dev lo") for line in found["planned"])
    assert any(line.startswith("iptables -w -t mangle -A POSTROUTING -o lo -m cgroup") for line in found["planned"])
    assert not live.groups()


@pytest.mark.parametrize(("text", "number"), [("1", 1), ("2KB", 2048), ("10MB", 10 << 20), ("1GB", 1 << 30)])
def test_m_ag_05_amounts_are_read(text: str, number: int) -> None:
    assert read_bytes(text) == number


@pytest.mark.parametrize("text", ["", "0", "MB", "-1MB", "10 MB", "1TB", "1.5MB"])
def test_m_ag_05_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises((ConfigurationError, ValidationError)):
        read_config(load(ISOLATORS, "network/bandwidth"), {"egress_rate_limit_per_container": text})


def test_m_ag_05_the_interface_is_that_of_the_default_route(tmp_path: Path) -> None:
    (tmp_path / "proc" / "net").mkdir(parents=True)
    table = tmp_path / "proc" / "net" / "route"
    table.write_text("Iface\tDestination\tGateway\neth1\t0000FEA9\t0\neth7\t00000000\t0102\n")
    assert default_interface(tmp_path) == "eth7"
    table.write_text("Iface\tDestination\tGateway\n")
    with pytest.raises(ConfigurationError, match="--eth0_name"):
        default_interface(tmp_path)
