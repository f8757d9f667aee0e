"""What an agent offers of a bare machine (M-AG-18)."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesos_service.agent.detection import Machine, complete, measure, offered_disk_mb, offered_memory_mb
from mesos_service.domain.resources import Resources

GB = 1024**3
MACHINE = Machine(cpus=8, memory_bytes=16 * GB, disk_bytes=100 * GB)


def test_m_ag_18_a_bare_host_offers_all_but_what_the_system_needs() -> None:
    assert complete("", "*", MACHINE) == Resources.parse("cpus:8;mem:15360;disk:97280;ports:[31000-32000]")


def test_m_ag_18_what_cannot_be_found_out_falls_back() -> None:
    unknown = Machine(None, None, None)

    assert complete("", "*", unknown) == Resources.parse("cpus:1;mem:1024;disk:10240;ports:[31000-32000]")


@pytest.mark.parametrize(("total", "offered"), [(16 * GB, 15 * 1024), (2 * GB, 1024), (GB, 512), (2 * GB - 1, 1023)])
def test_m_ag_18_memory_keeps_a_gigabyte_or_half(total: int, offered: int) -> None:
    assert offered_memory_mb(total) == offered


@pytest.mark.parametrize(("total", "offered"), [(100 * GB, 95 * 1024), (10 * GB, 5 * 1024), (4 * GB, 2 * 1024)])
def test_m_ag_18_disk_keeps_five_gigabytes_or_half(total: int, offered: int) -> None:
    assert offered_disk_mb(total) == offered


def test_m_ag_18_only_what_the_flag_does_not_name_is_detected() -> None:
    assert complete("cpus:2;ports:[5-9]", "*", MACHINE) == Resources.parse("cpus:2;ports:[5-9];mem:15360;disk:97280")


def test_m_ag_18_naming_nothing_of_a_kind_offers_nothing_of_it() -> None:
    assert "cpus" not in complete("cpus:0", "*", MACHINE).names()


def test_m_ag_18_a_reserved_resource_is_named_all_the_same() -> None:
    assert complete("cpus(ads):2;mem:1;disk:1;ports:[1-1]", "*", MACHINE) == Resources.parse(
        "cpus(ads):2;mem:1;disk:1;ports:[1-1]"
    )


def test_m_ag_18_what_is_detected_is_reserved_to_the_default_role() -> None:
    assert complete("cpus(*):2", "ads", MACHINE).reserved("ads").names() == {"mem", "disk", "ports"}


def test_this_machine_can_be_measured_before_the_work_dir_exists(tmp_path: Path) -> None:
    machine = measure(tmp_path / "not" / "yet")

    assert machine.cpus is not None and machine.cpus >= 1
    assert machine.memory_bytes is not None and machine.memory_bytes > 1024**2
    assert machine.disk_bytes is not None and machine.disk_bytes > 0
