"""``zk://user:password@host:port,host:port/path``: an ensemble, and its node that masters contend under."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from mesos_service.domain.addresses import join_host_port

SCHEME: Final = "zk://"
PORT: Final = 2181
_FILE: Final = "file://"


def names_zookeeper(text: str) -> bool:
    """Whether ``text``, a ``--master``, is not a master's own address."""
    return text.startswith((SCHEME, _FILE))


@dataclass(frozen=True, slots=True)
class ZooKeeperUrl:
    """Its ``str`` has no password, and is what is to be shown."""

    hosts: tuple[tuple[str, int], ...]
    path: str
    """Absolute, and never the root: other people's nodes are there."""
    user: str | None = None
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a URL itself; see :func:`read_url` for one in a file.

        Raises:
            ValueError: with a sentence that does not repeat what was given, as a password may be in it.
        """
        text = text.strip()
        if not text.startswith(SCHEME):
            raise ValueError("a ZooKeeper URL begins with zk://, as in zk://host1:2181,host2:2181/mesos")
        authority, slash, path = text.removeprefix(SCHEME).partition("/")
        credentials, at, servers = authority.rpartition("@")
        user, colon, password = credentials.partition(":")
        if at and not (user and colon and password):
            raise ValueError("what stands before '@' is not of the form user:password")
        path = (slash + path).rstrip("/")
        if not path:
            raise ValueError(
                "the path is missing: name the node that masters contend under, as in zk://host:2181/mesos"
            )
        if "//" in path or any(part in (".", "..") for part in path.split("/")) or not path.isprintable():
            raise ValueError(f"'{path}' is no path of ZooKeeper")
        hosts = tuple(_host_port(one.strip()) for one in servers.split(",") if one.strip())
        if not hosts:
            raise ValueError("no server is named, as in zk://host1:2181,host2:2181/mesos")
        return cls(hosts, path, user or None, password)

    @property
    def servers(self) -> str:
        """``host:port,host:port``"""
        return ",".join(join_host_port(host, port) for host, port in self.hosts)

    def __str__(self) -> str:
        credentials = "" if self.user is None else f"{self.user}:***@"
        return f"{SCHEME}{credentials}{self.servers}{self.path}"


def read_url(text: str) -> str:
    """``text``, or what the file holds that it names (``zk://file:///path``, ``file:///path``, as in Mesos).

    Raises:
        ValueError: the file cannot be read, or it is no URL of ZooKeeper; the sentence repeats no password.
    """
    given = text.removeprefix(SCHEME)
    if given.startswith(_FILE):
        path = given.removeprefix(_FILE)
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"cannot read {path}: {error}") from error
    text = text.strip()
    ZooKeeperUrl.parse(text)
    return text


def _host_port(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, str(PORT)
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not host or any(character.isspace() or character in "/[]" for character in host):
        raise ValueError("a server is not of the form host:port")
    if not (port.isascii() and port.isdecimal() and 0 < int(port[:6]) <= 65535):
        raise ValueError("the port of a server is a number from 1 to 65535")
    return host, int(port)
