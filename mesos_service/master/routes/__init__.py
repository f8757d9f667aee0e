"""What others may ask of a master, and operators tell it, under the paths that Mesos gives them (M-LE-01, M-OM-01)."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.routing import Route

from mesos_service import __version__
from mesos_service.http.answers import AnyMethod
from mesos_service.http.documentation import add_documentation
from mesos_service.http.faults import answer_faults
from mesos_service.master.routes import (
    constraints,
    explain,
    files,
    filters,
    fragmentation,
    legacy,
    maintenance,
    policy,
    resource_calls,
    revocation,
    shadow,
)
from mesos_service.master.routes.operator import CALLS, MasterOperatorCalls
from mesos_service.master.routes.reads import MasterReads, give_reads
from mesos_service.openapi import make_documents
from mesos_service.wire.openapi import AGENT_LINK, SCHEDULER, Documents
from mesos_service.wire.openapi_operator import master_operator

__all__ = ["MasterReads", "add_routes", "openapi_documents"]

TITLE = "mesos-service master"


def openapi_documents() -> Documents:
    """The master's OpenAPI documents; no master is needed for them."""
    application = FastAPI(title=TITLE, version=__version__)
    by_path = (legacy, policy, maintenance, explain, shadow, revocation, fragmentation, filters, constraints, files)
    structs = tuple(struct for module in by_path for struct in module.STRUCTS)
    return make_documents(_with_routers(application), (SCHEDULER, AGENT_LINK, *master_operator(CALLS)), structs)


def add_routes(application: FastAPI, service: MasterReads) -> None:
    """Mount everything; paths are without the ``/master`` prefix, which is trimmed before they are looked up."""
    give_reads(application, service)
    _with_routers(application)
    # Starlette takes an endpoint that is no function for an application, and lets it judge the method itself.
    application.router.routes.append(Route("/api/v1", MasterOperatorCalls(service), include_in_schema=False))
    add_documentation(application, openapi_documents, TITLE)
    answer_faults(application)
    application.add_middleware(AnyMethod, paths=(*legacy.READ_PATHS, *constraints.CONSTRAINT_PATHS, *files.FILE_PATHS))


def _with_routers(application: FastAPI) -> FastAPI:
    application.include_router(legacy.router)
    application.include_router(legacy.write_router)
    application.include_router(policy.router)
    application.include_router(resource_calls.router)
    application.include_router(maintenance.router)
    application.include_router(explain.router)
    application.include_router(shadow.router)
    application.include_router(revocation.router)
    application.include_router(fragmentation.router)
    application.include_router(filters.router)
    application.include_router(constraints.router)
    application.include_router(files.router)
    return application
