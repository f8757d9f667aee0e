"""The master's reads: what others may ask of it, under the paths that Mesos gives them (M-LE-01, M-OM-01..03)."""

from __future__ import annotations

from fastapi import FastAPI, Response

from mesos_service.master.routes.reads import MasterReads, give_reads

__all__ = ["MasterReads", "add_routes"]


def add_routes(application: FastAPI, service: MasterReads) -> None:
    """Mount everything; paths are without the ``/master`` prefix, which is trimmed before they are looked up."""
    give_reads(application, service)

    @application.get("/health", tags=["master"], response_class=Response)
    async def health() -> Response:
        """Whether the master answers at all."""
        return Response(b"")
