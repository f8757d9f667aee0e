"""Mesos' way with paths: an optional component prefix, no trailing slash, ``/api/v1`` takes what is below it.

libprocess routes by the longest registered prefix within a component (``master`` or ``slave(1)``); clients use every
spelling that this allows.
"""

from __future__ import annotations

from collections.abc import Collection

from fastapi import FastAPI

from mesos_service.http.asgi import Application, Receive, Scope, Send


class MesosPaths:
    """Brings a request's path into the one spelling that the application's routes use.

    ``prefix`` is the component (``/master``, ``/slave(1)``); ``own`` are paths below ``/api/v1`` that are routes of
    their own and are therefore not taken for ``/api/v1`` itself; ``reads`` are paths that answer what is below them.
    """

    def __init__(self, application: Application, prefix: str, own: Collection[str], reads: Collection[str]) -> None:
        self._application = application
        self._prefix = prefix
        self._own = frozenset(own)
        self._below_own = tuple(f"{path}/" for path in own)
        self._reads = frozenset(reads)

    def normalise(self, path: str) -> str:
        if path == self._prefix or path.startswith(self._prefix + "/"):
            path = path[len(self._prefix) :] or "/"
        if len(path) > 1:
            path = path.rstrip("/") or "/"
        if path.startswith("/api/v1/") and path not in self._own and not path.startswith(self._below_own):
            return "/api/v1"
        shorter = "" if "/.." in path else path
        while len(shorter) > 1 and shorter not in self._reads:
            shorter = shorter.rpartition("/")[0]
        return shorter if len(shorter) > 1 else path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = self.normalise(scope["path"])
            if path != scope["path"]:
                scope = {**scope, "path": path, "raw_path": path.encode()}
        await self._application(scope, receive, send)


def prepare_routes(application: FastAPI) -> None:
    """Have FastAPI work out its routes now.

    It would with the first request, for a seventh of a second: at a master, in which nobody else is heard, that is the
    moment at which it begins to lead.
    """
    for route in application.routes:
        route.matches({"type": "http", "method": "GET", "path": "/nowhere", "root_path": "", "headers": []})
