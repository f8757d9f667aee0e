"""Ports for servers that are to come back where they were."""

from __future__ import annotations

import atexit
import random
import socket
from pathlib import Path
from typing import Final

_FIRST: Final = 20_000
_END: Final = 32_768
_ENOUGH: Final = 1_000
_held: Final[dict[int, socket.socket]] = {}
"""A name for each port given, on this machine, until it is given back or this process ends: nobody is given it a second
time."""
_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")


def fixed_port() -> int:
    """A free port of 127.0.0.1 below those that the kernel gives to outgoing connections.

    A server that is down for a while would otherwise find its port taken: by a stranger's connection, or by a client
    that, calling again and again, happens to be given the very port it calls and is connected to itself.
    """
    end = int(_RANGE.read_text().split()[0]) if _RANGE.exists() else _END
    if end < _FIRST + _ENOUGH:
        end = _END  # Where the kernel gives from (almost) all, there is no better place.
    chooser = random.SystemRandom()
    while True:
        port = chooser.randrange(_FIRST, end)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        holder = socket.socket(socket.AF_UNIX)
        try:
            holder.bind(f"\0mesos-service-port-{port}")
        except OSError:
            # Another process has it, for a server that is not there yet, or down for a while.
            holder.close()
            continue
        _held[port] = holder
        return port


def give_back(port: int) -> None:
    """Others may have the port again."""
    holder = _held.pop(port, None)
    if holder is not None:
        holder.close()


@atexit.register
def _let_go() -> None:
    for port in tuple(_held):
        give_back(port)
