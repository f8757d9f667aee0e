"""Bytes on a socket, for what a client library would put right."""

from __future__ import annotations

import asyncio


async def exchanged(address: str, sent: bytes, until: bytes) -> bytes:
    """All that comes back until there is ``until`` in it, or the server closes."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(sent)
        found = b""
        async with asyncio.timeout(20):
            while until not in found:
                piece = await reader.read(65536)
                if not piece:
                    break
                found += piece
        return found
    finally:
        writer.close()
