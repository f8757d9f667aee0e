"""Containers that send, in a network of their own: run by ``unshare --net``; prints what was found, as JSON."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from pathlib import Path

from mesos_service.containers.containerizer import Members
from mesos_service.domain.ids import ContainerId
from mesos_service.plugins.isolator import ContainerConfig, Isolator
from mesos_service.plugins.loader import ISOLATORS, load, read_config
from tests.unit.containers.room import RESOURCES, cid, room

SECONDS = 2.0
SENDERS = 4
"""A process that forks twice, and so do its children."""
SEND = """
import os, socket, sys
os.fork(), os.fork()
out = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
while True: out.sendall(b"x" * 4096)
"""


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


async def received(listener: socket.socket) -> float:
    """Bytes a second that come in on the next connections, all together."""
    loop = asyncio.get_running_loop()
    connections = [(await loop.sock_accept(listener))[0] for _ in range(SENDERS)]
    begin = time.monotonic()

    async def read(connection: socket.socket) -> int:
        connection.setblocking(False)
        total = 0
        while (left := begin + SECONDS - time.monotonic()) > 0:
            try:
                total += len(await asyncio.wait_for(loop.sock_recv(connection, 65536), left))
            except TimeoutError:
                break
        connection.close()
        return total

    return sum(await asyncio.gather(*map(read, connections))) / SECONDS


def isolator(place: Path, root: str, host: Members) -> Isolator:
    kind = load(ISOLATORS, "network/bandwidth")
    flags = {
        "cgroups_root": root,
        "runtime_dir": place / "runtime",
        "egress_rate_limit_per_container": "200KB",
        "eth0_name": "lo",
    }
    return kind(host, read_config(kind, flags))


async def main(place: Path, root: str) -> None:
    output("ip", "link", "set", "lo", "up")
    found: dict[str, object] = {}
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    port = str(listener.getsockname()[1])
    host = Members()
    bounding = isolator(place, root, host)
    (place / "bounded").mkdir()
    async with room(place / "bounded", [bounding], host) as here:
        plan = here.plan("c", sys.executable, "-c", SEND, port)
        config = ContainerConfig(sandbox=str(plan.sandbox), resources=RESOURCES)
        found["planned"] = list(bounding.explain(cid("c"), config))
        await here.containerizer.launch(plan)
        found["bounded"] = await received(listener)
        # Who is not in a container is bounded by nothing.
        free = await asyncio.create_subprocess_exec(sys.executable, "-c", SEND, port, stderr=asyncio.subprocess.DEVNULL)
        found["free"] = await received(listener)
        await free.wait()
        # An agent dies before its second container has a process, and the next one ends what it had made.
        await bounding.prepare(ContainerId("never"), config)
        found["rules"] = output("iptables", "-t", "mangle", "-S").count("CLASSIFY")
        await isolator(place, root, host).recover([], [cid("c")])
        found["rules_after_recovery"] = output("iptables", "-t", "mangle", "-S").count("CLASSIFY")
        await here.destroy("c")
        await here.containerizer.close()
    found["rules_left"] = output("iptables", "-t", "mangle", "-S").count("CLASSIFY")
    found["classes_left"] = output("tc", "class", "show", "dev", "lo")
    found["queue_left"] = output("tc", "qdisc", "show", "dev", "lo")
    print(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
