"""Asking an application without a server between."""

from __future__ import annotations

import httpx

from mesos_service.http.asgi import Application, Message, Receive, Scope, Send


def transport(application: Application) -> httpx.ASGITransport:
    """For an ``httpx.AsyncClient``, with header names that it can put into lower case, as ours refuse to be."""

    async def plain(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_plain(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [(bytes(name), value) for name, value in message["headers"]]}
            await send(message)

        await application(scope, receive, send_plain)

    return httpx.ASGITransport(plain)
