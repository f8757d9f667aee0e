"""How a master describes itself to others (Mesos: ``MasterInfo``)."""

from __future__ import annotations

import ipaddress

from mesos_service.domain.addresses import join_host_port
from mesos_service.domain.fault_domains import FaultDomain
from mesos_service.domain.ids import MasterId
from mesos_service.version import MESOS_VERSION
from mesos_service.wire.agents import MasterInfo, MasterInfoCapability
from mesos_service.wire.common import Address
from mesos_service.wire.convert.infos import domain_to_wire


def describe_master(
    master_id: MasterId, ip: str, port: int, hostname: str, domain: FaultDomain | None = None
) -> MasterInfo:
    """``ip`` is repeated as a little-endian integer for old clients; an IPv6 address has no such form and gives 0."""
    address = ipaddress.ip_address(ip)
    number = int.from_bytes(address.packed, "little") if address.version == 4 else 0
    return MasterInfo(
        id=master_id,
        ip=number,
        port=port,
        pid=f"master@{join_host_port(ip, port)}",
        hostname=hostname,
        version=MESOS_VERSION,
        address=Address(hostname=hostname, ip=ip, port=port),
        domain=None if domain is None else domain_to_wire(*domain),
        capabilities=(
            MasterInfoCapability(type="AGENT_UPDATE"),
            MasterInfoCapability(type="AGENT_DRAINING"),
            MasterInfoCapability(type="QUOTA_V2"),
        ),
    )
