"""Clients that end what they send and die while their call is being done keep nothing of the agent's (M-OA-03, N17)."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from mesos_service.local import LocalCluster
from tests.contract.sockets import post
from tests.e2e.frameworks import play
from tests.e2e.operators import Operator
from tests.e2e.restarting import restartable
from tests.support.asking import patient_client

LINGER_NOT = struct.pack("ii", 1, 0)
"""Closing such a socket resets the connection, as the end of a process does whose answer is on its way."""


@pytest.mark.parametrize("kind", ["LAUNCH_NESTED_CONTAINER", "LAUNCH_CONTAINER"])
@pytest.mark.parametrize("resets", [True, False])
def test_m_oa_03_n17_who_dies_while_his_container_is_launched_keeps_no_socket(
    tmp_path: Path, kind: str, resets: bool
) -> None:
    """The launch takes as long as the server of a file likes, and goes on without whoever asked for it."""

    async def scenario() -> None:
        asked, may_go_on = asyncio.Event(), asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            asked.set()
            await may_go_on.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            writer.close()

        web = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with (
            web,
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(cluster, tmp_path / "agent") as agent,
            patient_client() as client,
        ):
            operator = Operator(agent, client)
            await operator.launch("around", "exec sleep 1000")
            name: dict[str, object] = {"value": "late"}
            if "NESTED" in kind:
                name["parent"] = {"value": "around"}
            uri = f"http://127.0.0.1:{web.sockets[0].getsockname()[1]}/file"
            fields = {"container_id": name, "command": {"value": "exec sleep 1000", "uris": [{"value": uri}]}}
            call = post("/api/v1", json.dumps({"type": kind, kind.lower(): fields}).encode())
            with closing(socket.create_connection(("127.0.0.1", int(str(agent.flags["port"]))))) as dying:
                there = dying.getsockname()
                dying.sendall(call)
                dying.shutdown(socket.SHUT_WR)
                await asyncio.wait_for(asked.wait(), 60)
                if resets:
                    dying.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
            may_go_on.set()
            process = psutil.Process(agent.process.pid)
            async with asyncio.timeout(60):
                while any(one.raddr == there for one in process.net_connections("tcp")):  # noqa: ASYNC110 - its own
                    await asyncio.sleep(0.02)
            shown = [
                one["container_id"]["value"] for one in await operator.shown(show_nested=True, show_standalone=True)
            ]
            assert shown == ["around", "late"]

    play(scenario)
