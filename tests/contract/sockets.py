"""Bytes on a socket, for what a client library would put right."""

from __future__ import annotations

import asyncio


def post(path: str, body: bytes, headers: str = "", kind: str = "application/json") -> bytes:
    """A request with its body; ``headers`` are whole lines."""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def exchanged(address: str, sent: bytes, until: bytes | None, *, half_close: bool = False) -> bytes:
    """All that comes back until there is ``until`` in it, or the server closes.

    With ``half_close`` the client says with its last byte that none is going to follow, and reads on.
    """
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(sent)
        if half_close:
            writer.write_eof()
        found = b""
        async with asyncio.timeout(60):
            while until is None or until not in found:
                piece = await reader.read(65536)
                if not piece:
                    break
                found += piece
        return found
    finally:
        writer.close()
