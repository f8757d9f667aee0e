"""How a machine is shared out to the agents of a local cluster."""

from __future__ import annotations

import pytest

from mesos_service.agent.detection import Machine
from mesos_service.domain.resources import Resources
from mesos_service.local.shares import complete_share

GB = 1024**3
MACHINE = Machine(cpus=6, memory_bytes=9 * GB, disk_bytes=105 * GB)


def test_shares_do_not_add_up_to_more_than_there_is() -> None:
    shares = [Resources.parse(complete_share("", index, 3, MACHINE)) for index in range(3)]
    total = shares[0] + shares[1] + shares[2]
    assert total.scalar("cpus") == 6_000
    assert total.scalar("mem") <= 8 * 1024 * 1000
    assert total.scalar("disk") <= 100 * 1024 * 1000
    assert total.ports().size() == 1001
    assert sum(share.ports().size() for share in shares) == 1001, "the ports of two agents overlap"


def test_what_is_named_is_kept_and_the_rest_is_added() -> None:
    share = Resources.parse(complete_share("cpus:4;mem:4096;gpus:0", 0, 1, MACHINE))
    assert (share.scalar("cpus"), share.scalar("mem")) == (4_000, 4_096_000)
    assert share.scalar("disk") == 100 * 1024 * 1000


@pytest.mark.parametrize("agents", [1, 12, 300])
def test_each_agent_has_at_least_one_cpu_and_some_ports(agents: int) -> None:
    for index in (0, agents - 1):
        share = Resources.parse(complete_share("", index, agents, MACHINE))
        assert share.scalar("cpus") >= 1_000
        assert share.ports().size() >= 3
