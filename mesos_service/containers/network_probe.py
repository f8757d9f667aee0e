"""One try to reach a task by HTTP or TCP, on this machine (Mesos docs, "Health checks").

A task decides what answers, so nothing of the answer is kept but its status: its body is never read, its head is
bounded, and it cannot send the agent elsewhere. How long a try takes is bounded by who asked for it.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Final

import httpx

from mesos_service.domain.checks import Check, CheckType, ProbeResult

REDIRECTS_MAX: Final = 5
"""Followed to the same host and port; one that leads elsewhere, or too far, is the answer itself."""


async def probe_network(check: Check) -> ProbeResult:
    """Make one try of an HTTP or TCP check. Waits as long as the task does; who is tired of that cancels it."""
    return await (_probe_http(check) if check.type is CheckType.HTTP else _probe_tcp(check))


async def _probe_tcp(check: Check) -> ProbeResult:
    try:
        _, writer = await asyncio.open_connection("::1" if check.ipv6 else "127.0.0.1", check.port)
    except OSError as error:
        return ProbeResult(False, error.strerror or repr(error))
    # Nothing was said, and nothing is to be waited for.
    writer.transport.abort()
    return ProbeResult(True)


async def _probe_http(check: Check) -> ProbeResult:
    host = "[::1]" if check.ipv6 else "127.0.0.1"
    url = httpx.URL(f"{check.scheme}://{host}:{check.port}{check.path or '/'}")
    verify: ssl.SSLContext | bool = True
    if check.scheme == "https":
        # Whoever answers here is the task, whatever its certificate says (as in Mesos).
        verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        verify.check_hostname = False
        verify.verify_mode = ssl.CERT_NONE
    transport = httpx.AsyncHTTPTransport(verify=verify if check.scheme == "https" else _NO_TRUST, retries=0)
    headers = {"User-Agent": "mesos-service", "Accept": "*/*", "Connection": "close"}
    try:
        async with httpx.AsyncClient(transport=transport, timeout=None, headers=headers) as client:
            for _ in range(REDIRECTS_MAX + 1):
                async with client.stream("GET", url) as answer:
                    status, location = answer.status_code, answer.headers.get("location")
                    redirected = answer.is_redirect
                leads_to = url.join(location) if redirected and location else url
                if leads_to == url or (leads_to.scheme, leads_to.host, leads_to.port) != (
                    url.scheme,
                    url.host,
                    url.port,
                ):
                    break
                url = leads_to
            return ProbeResult(status)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        return ProbeResult(None, str(error) or repr(error))


_NO_TRUST: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For plain HTTP, which needs none; reading the machine's certificates for each try would cost more than the try."""
