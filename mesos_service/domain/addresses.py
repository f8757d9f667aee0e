"""How an address and a port are written together."""

from __future__ import annotations


def join_host_port(host: str, port: int) -> str:
    """``host:port``, and ``[v6]:port`` for an address of version 6, whose colons would be taken for the port's."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
