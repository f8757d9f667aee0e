"""The master's application: the hot paths in front, FastAPI behind."""

from __future__ import annotations

from fastapi import FastAPI

from mesos_service import __version__
from mesos_service.http.asgi import Application, HotPath
from mesos_service.http.paths import MesosPaths
from mesos_service.master.routes import MasterReads, add_routes, openapi_documents

__all__ = ["build_application", "build_fastapi", "openapi_documents"]

SCHEDULER_PATHS = ("/api/v1/scheduler", "/master/api/v1/scheduler")
AGENT_PATHS = ("/api/v1/agent", "/master/api/v1/agent")
OWN_PATHS = ("/api/v1/scheduler", "/api/v1/agent", "/api/v1/explain")


def build_fastapi(service: MasterReads) -> FastAPI:
    """Everything but the hot paths: reads, the operator API, the OpenAPI documents."""
    application = FastAPI(title="mesos-service master", version=__version__, openapi_url=None, docs_url=None)
    add_routes(application, service)
    return application


def build_application(service: MasterReads, scheduler: Application, agents: Application) -> Application:
    """The whole face of a master as one ASGI application."""
    hot = dict.fromkeys(SCHEDULER_PATHS, scheduler) | dict.fromkeys(AGENT_PATHS, agents)
    return HotPath(MesosPaths(build_fastapi(service), "/master", OWN_PATHS), hot)
