"""Checks and health checks between the wire and the domain, and what is wrong with those that cannot be made.

The texts are Mesos' where it has one.
"""

from __future__ import annotations

from typing import Final

from mesos_service.domain.checks import Check, CheckStatus, CheckType, HealthCheck
from mesos_service.wire import checks
from mesos_service.wire.containers import CommandInfo
from mesos_service.wire.validate_agent import refuse_command

_PORT_MAX: Final = 65535


def check_from_wire(info: checks.CheckInfo | None) -> tuple[Check | None, str | None]:
    """The check, or why it cannot be one; neither where none is asked for."""
    if info is None:
        return None, None
    refusal = _refuse_check(info)
    if refusal is not None:
        return None, f"Task uses invalid check: {refusal}"
    assert info.type is not None, "it would have been refused"
    port = info.http.port if info.http is not None else info.tcp.port if info.tcp is not None else 0
    return (
        Check(
            type=CheckType(info.type),
            delay_seconds=info.delay_seconds,
            interval_seconds=info.interval_seconds,
            timeout_seconds=info.timeout_seconds,
            command=None if info.command is None else info.command.command,
            port=port,
            path=(info.http.path or "") if info.http is not None else "",
        ),
        None,
    )


def health_check_from_wire(info: checks.HealthCheck | None) -> tuple[HealthCheck | None, str | None]:
    """The health check, or why it cannot be one; neither where none is asked for."""
    if info is None:
        return None, None
    refusal = _refuse_health_check(info)
    if refusal is not None:
        return None, f"Task uses invalid health check: {refusal}"
    assert info.type is not None, "it would have been refused"
    at = info.http if info.type == "HTTP" else info.tcp
    check = Check(
        type=CheckType(info.type),
        delay_seconds=info.delay_seconds,
        interval_seconds=info.interval_seconds,
        timeout_seconds=info.timeout_seconds,
        command=info.command,
        scheme=(info.http.scheme or "http") if info.http is not None else "http",
        ipv6=at is not None and at.protocol == "IPv6",
        port=at.port if at is not None else 0,
        path=(info.http.path or "") if info.http is not None else "",
    )
    return (
        HealthCheck(
            check=check,
            grace_period_seconds=info.grace_period_seconds,
            consecutive_failures=info.consecutive_failures,
        ),
        None,
    )


def check_status_from_wire(status: checks.CheckStatusInfo | None) -> CheckStatus | None:
    """What a check said; ``None`` for a kind that is not known here."""
    if status is None:
        return None
    match status.type:
        case "COMMAND":
            return CheckStatus(CheckType.COMMAND, None if status.command is None else status.command.exit_code)
        case "HTTP":
            return CheckStatus(CheckType.HTTP, None if status.http is None else status.http.status_code)
        case "TCP":
            return CheckStatus(CheckType.TCP, None if status.tcp is None else status.tcp.succeeded)
        case _:
            return None


def check_status_to_wire(status: CheckStatus | None) -> checks.CheckStatusInfo | None:
    """With an empty sub-message where the check said nothing (as recorded)."""
    if status is None:
        return None
    match status.type:
        case CheckType.COMMAND:
            return checks.CheckStatusInfo(
                type="COMMAND", command=checks.CheckStatusInfoCommand(exit_code=status.result)
            )
        case CheckType.HTTP:
            return checks.CheckStatusInfo(type="HTTP", http=checks.CheckStatusInfoHttp(status_code=status.result))
        case CheckType.TCP:
            succeeded = None if status.result is None else bool(status.result)
            return checks.CheckStatusInfo(type="TCP", tcp=checks.CheckStatusInfoTcp(succeeded=succeeded))


def _refuse_check(info: checks.CheckInfo) -> str | None:
    if info.type is None:
        return "CheckInfo must specify 'type'"
    if info.type == "COMMAND":
        if info.command is None:
            return "Expecting 'command' to be set for COMMAND check"
        refusal = _refuse_command(info.command.command, "check")
    elif info.type == "HTTP":
        if info.http is None:
            return "Expecting 'http' to be set for HTTP check"
        refusal = _refuse_path(info.http.path, "check") or _refuse_port(info.http.port)
    elif info.type == "TCP":
        if info.tcp is None:
            return "Expecting 'tcp' to be set for TCP check"
        refusal = _refuse_port(info.tcp.port)
    else:
        return f"'{info.type}' is not a valid check type"
    return refusal or _refuse_negative(
        delay_seconds=info.delay_seconds, interval_seconds=info.interval_seconds, timeout_seconds=info.timeout_seconds
    )


def _refuse_health_check(info: checks.HealthCheck) -> str | None:
    if info.type is None:
        return "HealthCheck must specify 'type'"
    if info.type == "COMMAND":
        if info.command is None:
            return "Expecting 'command' to be set for COMMAND health check"
        refusal = _refuse_command(info.command, "health check")
    elif info.type == "HTTP":
        if info.http is None:
            return "Expecting 'http' to be set for HTTP health check"
        if info.http.scheme not in (None, "http", "https"):
            return f"Unsupported HTTP health check scheme: '{info.http.scheme}'"
        refusal = _refuse_path(info.http.path, "health check") or _refuse_port(info.http.port)
    elif info.type == "TCP":
        if info.tcp is None:
            return "Expecting 'tcp' to be set for TCP health check"
        refusal = _refuse_port(info.tcp.port)
    else:
        return f"'{info.type}' is not a valid health check type"
    return refusal or _refuse_negative(
        delay_seconds=info.delay_seconds,
        interval_seconds=info.interval_seconds,
        grace_period_seconds=info.grace_period_seconds,
        timeout_seconds=info.timeout_seconds,
    )


def _refuse_command(command: CommandInfo, kind: str) -> str | None:
    if command.value is None:
        return f"Command {kind} must contain {'shell command' if command.shell else 'executable path'!r}"
    refusal = refuse_command(command)
    return None if refusal is None else f"{kind.capitalize()}'s `CommandInfo` is invalid: {refusal}"


def _refuse_path(path: str | None, kind: str) -> str | None:
    if path and not path.startswith("/"):
        return f"The path '{path}' of HTTP {kind} must start with '/'"
    if path and any(character <= " " or character == "\x7f" for character in path):
        return f"The path '{path}' of HTTP {kind} may not hold spaces or control characters"
    return None


def _refuse_port(port: int) -> str | None:
    return None if 1 <= port <= _PORT_MAX else f"{port} is not a port: those are 1 to {_PORT_MAX}"


def _refuse_negative(**seconds: float) -> str | None:
    return next((f"Expecting '{name}' to be non-negative" for name, value in seconds.items() if value < 0), None)
