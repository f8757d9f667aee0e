"""Ports for servers in other processes: nobody is given one twice, wherever the kernel gives its own from."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from mesos_service.local import ports


def is_taken(port: int) -> bool:
    """Whether another process would be given another one."""
    with socket.socket(socket.AF_UNIX) as holder:
        try:
            holder.bind(f"\0mesos-service-port-{port}")
        except OSError:
            return True
        return False


@pytest.mark.parametrize(
    ("given", "end"), [("32768\t60999", 32_768), ("25000\t60999", 25_000), ("1024\t65535", 32_768)]
)
def test_a_port_is_below_those_of_the_kernel_where_there_is_room(
    given: str, end: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "range"
    file.write_text(f"{given}\n")
    monkeypatch.setattr(ports, "_RANGE", file)
    port = ports.fixed_port()
    assert 20_000 <= port < end
    assert is_taken(port)
    ports.give_back(port)
    assert not is_taken(port)
    ports.give_back(port)  # Once more changes nothing.
