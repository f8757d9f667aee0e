"""The master's old paths for maintenance (Mesos docs, "Maintenance"; M-LE-02, M-OM-11)."""

from __future__ import annotations

from functools import partial
from typing import Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from mesos_service.http.common_reads import json_answer, jsonp_parameter
from mesos_service.master.routes.legacy_writes import DONE, write
from mesos_service.master.routes.reads import Reads
from mesos_service.master.routes.writes import change_machines, update_schedule
from mesos_service.openapi import answers_json, refusal, takes_json
from mesos_service.wire.common import MachineID
from mesos_service.wire.decode import read_machines, read_schedule
from mesos_service.wire.policy import ClusterStatus, Schedule
from mesos_service.wire.render import maintenance as render

STRUCTS: Final = (Schedule, ClusterStatus, MachineID)
"""What routes of this module refer to in the OpenAPI document."""

_REFUSED: Final = refusal(400, "The body, or a machine, makes no sense.")

router = APIRouter(tags=["maintenance"])


@router.get(
    "/maintenance/schedule",
    operation_id="get_maintenance_schedule",
    response_class=Response,
    responses=answers_json(Schedule, "Which machines are not to be had when."),
    dependencies=[Depends(jsonp_parameter)],
)
async def schedule(request: Request, reads: Reads) -> Response:
    """The maintenance schedule."""
    return json_answer(request, render.schedule(reads.state), sort=True)


@router.post(
    "/maintenance/schedule",
    operation_id="update_maintenance_schedule",
    response_class=Response,
    responses=DONE | _REFUSED,
    openapi_extra=takes_json("Schedule"),
)
async def set_schedule(request: Request, reads: Reads) -> Response:
    """Replace the whole schedule; machines that are down have to stay in it."""
    return await write(request, read_schedule, partial(update_schedule, reads))


@router.get(
    "/maintenance/status",
    operation_id="get_maintenance_status",
    response_class=Response,
    responses=answers_json(ClusterStatus, "Machines that go, and what frameworks say; machines that are down."),
    dependencies=[Depends(jsonp_parameter)],
)
async def status(request: Request, reads: Reads) -> Response:
    """How far the maintenance is."""
    return json_answer(request, render.status(reads.state), sort=True)


@router.post(
    "/machine/down",
    operation_id="start_maintenance",
    response_class=Response,
    responses=DONE | _REFUSED,
    openapi_extra=takes_json("MachineID", listed=True),
)
async def down(request: Request, reads: Reads) -> Response:
    """Bring machines of the schedule down: their agents end, and none may register."""
    return await write(request, read_machines, partial(change_machines, reads, up=False))


@router.post(
    "/machine/up",
    operation_id="stop_maintenance",
    response_class=Response,
    responses=DONE | _REFUSED,
    openapi_extra=takes_json("MachineID", listed=True),
)
async def bring_up(request: Request, reads: Reads) -> Response:
    """Bring machines up again, which takes them out of the schedule."""
    return await write(request, read_machines, partial(change_machines, reads, up=True))
