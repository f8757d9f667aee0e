"""Forms that flags of both services share: addresses, lists, and the few words a flag allows.

Each function takes the text of a flag and raises ``ValueError`` with a sentence that says what would be right.
"""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, cast

from pydantic import AfterValidator, BeforeValidator, Field

from mesos_service.configuration.units import Duration
from mesos_service.domain.errors import ConfigurationError

LOGGING_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")
_SOCKET_BYTES_MAX: Final = 107
"""Of a path: the kernel's ``sun_path`` has 108 with the zero byte at its end."""


def check_ip(text: str) -> str:
    """An IPv4 or IPv6 address; names are refused, because a service binds to one address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise ValueError(f"'{text}' is not an IP address") from None
    return text


def check_logging_level(text: str) -> str:
    """One of :data:`LOGGING_LEVELS`, in any case."""
    level = text.upper()
    if level not in LOGGING_LEVELS:
        raise ValueError(f"'{text}' is none of {', '.join(LOGGING_LEVELS)}")
    return level


def check_positive(duration: Duration | None) -> Duration | None:
    """A duration that is longer than nothing: timers of zero length would never let go of the processor."""
    if duration is not None and duration.nanoseconds == 0:
        raise ValueError("must be longer than 0")
    return duration


def split_list(text: str) -> tuple[str, ...]:
    """The items of ``a,b,c`` in order, without blanks and empty items."""
    return tuple(item.strip() for item in text.split(",") if item.strip())


def split_host_port(text: str, default_port: int) -> tuple[str, int]:
    """Host and port of ``host:port``, ``[v6]:port`` or ``host``; the inverse of ``join_host_port``."""
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, str(default_port)
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"'{text}' is ambiguous; write an IPv6 address in brackets, as in [::1]:{default_port}")
    if not host or "/" in host or "@" in host or any(character.isspace() for character in host):
        raise ValueError(f"'{text}' is not host:port")
    if not (port.isascii() and port.isdecimal() and 0 < int(port[:6]) <= 65535):
        raise ValueError(f"'{text}': the port is a number from 1 to 65535")
    return host, int(port)


def shown_hostname(hostname: str | None, ip: str) -> str:
    """What others call a machine. Names are not looked up: without one it is the address, and where we listen on
    every address, what the machine calls itself."""
    if hostname:
        return hostname
    return socket.gethostname() if ipaddress.ip_address(ip).is_unspecified else ip


def read_text_or_file(text: str) -> str:
    """``text`` itself, or the content of the file it names, as Mesos' ``file:///path`` (or ``/path``) values do."""
    path = text.removeprefix("file://")
    if not path.startswith("/"):
        return text
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read {path}: {error}") from error


def parse_environment(text: str) -> Mapping[str, str]:
    """Environment variables as a JSON object of texts, as in ``{"PATH": "/bin:/usr/bin"}``."""
    try:
        decoded: object = json.loads(text)
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from error
    if not isinstance(decoded, dict) or not all(isinstance(value, str) for value in decoded.values()):
        raise ValueError('is a JSON object of texts, as in {"PATH": "/bin:/usr/bin"}')
    if any(not name or "=" in name or "\0" in name + value for name, value in decoded.items()):
        raise ValueError("holds a name or value that no process can have")
    return cast(Mapping[str, str], decoded)  # the values were looked at one by one above


def check_directory(path: Path, *, make: bool = True) -> None:
    """See that we may write to ``path``, which is made where it is missing; without ``make``, that it could be made.

    Raises :class:`~mesos_service.domain.errors.ConfigurationError` naming it.
    """
    try:
        if make:
            path.mkdir(parents=True, exist_ok=True)
        else:
            path = _nearest(path.absolute())
            if not path.is_dir():
                raise ConfigurationError(f"--work_dir: {path} is no directory")
    except OSError as error:
        raise ConfigurationError(f"--work_dir: cannot make {path}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigurationError(f"--work_dir: there can be no path {str(path)!r}: {error}") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise ConfigurationError(f"--work_dir: {path} is not writable for this user")


def check_socket_path(flag: str, path: Path) -> None:
    """See that a Unix socket may have this absolute path; ``flag`` is the one that names another.

    Raises :class:`~mesos_service.domain.errors.ConfigurationError`.
    """
    encoded = os.fsencode(path)
    if len(encoded) > _SOCKET_BYTES_MAX:
        raise ConfigurationError(
            f"'{path}' is too long for a socket, whose path may have {_SOCKET_BYTES_MAX} bytes: name another one by"
            f" {flag}"
        )
    try:
        is_free = stat.S_ISSOCK(path.stat().st_mode)
    except OSError:
        is_free = True  # Nothing is there yet, or nothing that can be said of it before it is made.
    except ValueError:
        is_free = False
    if not is_free:
        raise ConfigurationError(f"there can be no socket at {str(path)!r}: name another place by {flag}")


def _nearest(path: Path) -> Path:
    """What is there of it, be it a link that leads to nothing: of that no directory can be made."""
    while True:
        try:
            path.lstat()
        except FileNotFoundError:
            path = path.parent
        else:
            return path


IpFlag = Annotated[str, AfterValidator(check_ip)]
PortFlag = Annotated[int, Field(ge=0, le=65535)]
CountFlag = Annotated[int, Field(ge=0)]
LoggingLevelFlag = Annotated[str, AfterValidator(check_logging_level)]
FileTextFlag = Annotated[
    str, BeforeValidator(lambda value: read_text_or_file(value) if isinstance(value, str) else value)
]
