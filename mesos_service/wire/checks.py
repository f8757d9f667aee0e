"""Checks and health checks of tasks, and what they last found."""

from __future__ import annotations

from typing import Literal

from mesos_service.wire.base import Int32, Message, UInt32, printed
from mesos_service.wire.containers import CommandInfo, NetworkInfoProtocol

CheckInfoType = Literal["UNKNOWN", "COMMAND", "HTTP", "TCP"]
HealthCheckType = Literal["UNKNOWN", "COMMAND", "HTTP", "TCP"]


class CheckInfo(Message, kw_only=True):
    """A check only reports; all times in seconds."""

    type: CheckInfoType | None = None
    command: CheckInfoCommand | None = None
    http: CheckInfoHttp | None = None
    tcp: CheckInfoTcp | None = None
    delay_seconds: float = printed(15.0)
    interval_seconds: float = printed(10.0)
    timeout_seconds: float = printed(20.0)


class CheckInfoCommand(Message, kw_only=True):
    command: CommandInfo


class CheckInfoHttp(Message, kw_only=True):
    port: UInt32
    path: str | None = None


class CheckInfoTcp(Message, kw_only=True):
    port: UInt32


class HealthCheck(Message, kw_only=True):
    """A failing health check kills its task; all times in seconds."""

    delay_seconds: float = printed(15.0)
    interval_seconds: float = printed(10.0)
    timeout_seconds: float = printed(20.0)
    consecutive_failures: UInt32 = printed(3)
    grace_period_seconds: float = printed(10.0)
    type: HealthCheckType | None = None
    command: CommandInfo | None = None
    http: HealthCheckHTTPCheckInfo | None = None
    tcp: HealthCheckTCPCheckInfo | None = None


class HealthCheckHTTPCheckInfo(Message, kw_only=True):
    protocol: NetworkInfoProtocol = printed("IPv4")
    scheme: str | None = None
    port: UInt32
    path: str | None = None
    statuses: tuple[UInt32, ...] = ()


class HealthCheckTCPCheckInfo(Message, kw_only=True):
    protocol: NetworkInfoProtocol = printed("IPv4")
    port: UInt32


class CheckStatusInfo(Message, kw_only=True):
    type: CheckInfoType | None = None
    command: CheckStatusInfoCommand | None = None
    http: CheckStatusInfoHttp | None = None
    tcp: CheckStatusInfoTcp | None = None


class CheckStatusInfoCommand(Message, kw_only=True):
    exit_code: Int32 | None = None


class CheckStatusInfoHttp(Message, kw_only=True):
    status_code: UInt32 | None = None


class CheckStatusInfoTcp(Message, kw_only=True):
    succeeded: bool | None = None
