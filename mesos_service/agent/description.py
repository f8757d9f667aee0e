"""How an agent describes itself to its master (Mesos: ``SlaveInfo`` and what is sent beside it)."""

from __future__ import annotations

import ipaddress
import socket
from typing import Final

from mesos_service.agent.config import AgentConfig
from mesos_service.agent.detection import Machine, complete
from mesos_service.domain.agents import AGENT_OPERATION_FEEDBACK, RESIZE_VOLUME, TASK_RESOURCE_LIMITS, AgentInfo
from mesos_service.domain.errors import ConfigurationError
from mesos_service.version import MESOS_VERSION

CAPABILITIES: Final = frozenset(
    {
        "MULTI_ROLE",
        "HIERARCHICAL_ROLE",
        "RESERVATION_REFINEMENT",
        RESIZE_VOLUME,
        AGENT_OPERATION_FEEDBACK,
        "AGENT_DRAINING",
        TASK_RESOURCE_LIMITS,
    }
)
"""What of Mesos' agent capabilities this agent has."""


def describe(config: AgentConfig, port: int, machine: Machine) -> AgentInfo:
    """The agent of ``config``, which listens at ``port``, on ``machine``; it has no id yet.

    Raises:
        ConfigurationError: resources or attributes are not lawful, or the address that others reach it at is unknown.
    """
    domain = config.fault_domain()
    return AgentInfo(
        hostname=config.shown_hostname(),
        ip=config.advertise_ip or _own_address(config.ip, *config.master_address()),
        port=config.advertise_port or port,
        resources=complete(config.resources, config.default_role, machine),
        attributes=config.parsed_attributes(),
        region=None if domain is None else domain.region,
        zone=None if domain is None else domain.zone,
        capabilities=CAPABILITIES,
        version=MESOS_VERSION,
    )


def _own_address(ip: str, master_host: str, master_port: int) -> str:
    """The address that others reach this machine at: ``ip``, or where that is every address, the one that the way to
    the master begins with."""
    if not ipaddress.ip_address(ip).is_unspecified:
        return ip
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent: connecting a datagram socket only chooses the way.
            probe.connect((master_host, master_port))
        except OSError as error:
            raise ConfigurationError(
                f"--ip={ip} is every address, and none leads to the master {master_host} ({error}); set --advertise_ip"
            ) from error
        address: str = probe.getsockname()[0]
        return address
