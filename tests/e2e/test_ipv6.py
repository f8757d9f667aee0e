"""A cluster that listens on an address of version 6: whatever names it, names it in brackets."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from mesos_service.local import LocalCluster
from tests.e2e.in_process import in_loop, run
from tests.support.asking import patient_client

V6 = {"ip": "::1"}


def loopback_addresses() -> set[str]:
    """Those of version 6; a container is often given none."""
    try:
        lines = Path("/proc/net/if_inet6").read_text().splitlines()
    except FileNotFoundError:
        return set()
    return {str(ipaddress.IPv6Address(int(line.split()[0], 16))) for line in lines if line.endswith(" lo")}


def test_a_task_runs_where_all_listen_on_ipv6(tmp_path: Path) -> None:
    if "::1" not in loopback_addresses():
        pytest.skip("real part not installed: a loopback address of version 6")

    async def test() -> None:
        async with LocalCluster(agents=1, work_dir=tmp_path, master_flags=V6, agent_flags=V6) as cluster:
            assert cluster.master.startswith("[::1]:")
            assert (await run(cluster, "--", "echo", "hello"))[:2] == (0, "hello\n")
            async with patient_client(base_url=f"http://{cluster.master}") as client:
                redirect = await client.get("/redirect")
                (agent,) = (await client.get("/slaves")).json()["slaves"]
            assert redirect.headers["Location"] == f"//{cluster.master}"
            assert agent["pid"].startswith("slave(1)@[::1]:")

    in_loop(test())
