"""The master's old paths for quota and weights (Mesos docs, HTTP endpoints; M-LE-02)."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from mesos_service.http.common_reads import json_answer, jsonp_parameter
from mesos_service.master.routes.legacy_writes import DONE, write, written
from mesos_service.master.routes.reads import Reads
from mesos_service.master.routes.writes import remove_quota, set_quota, update_weights
from mesos_service.openapi import answers_json, answers_list, refusal, takes_json
from mesos_service.wire.decode import read_quota_request, read_weights
from mesos_service.wire.policy import QuotaRequest, QuotaStatus, WeightInfo
from mesos_service.wire.render import legacy_master as render
from mesos_service.wire.render.legacy_shapes import LegacyWeight

PATHS: Final = ("/quota", "/weights")
STRUCTS: Final = (QuotaRequest, QuotaStatus, WeightInfo, LegacyWeight)
"""What routes of this module refer to in the OpenAPI document."""

_REFUSED: Final = refusal(400, "The body, a role or an amount makes no sense.")

router = APIRouter(tags=["policy"])


@router.get(
    "/quota",
    operation_id="get_quota",
    response_class=Response,
    responses=answers_json(QuotaStatus, "Guarantees and limits of all roles that have any."),
    dependencies=[Depends(jsonp_parameter)],
)
async def quota(request: Request, reads: Reads) -> Response:
    """Quota as operators have set it: `infos` in the older form, `configs` in the newer one."""
    return json_answer(request, render.quota_answer(reads.state))


@router.post(
    "/quota",
    operation_id="set_quota",
    response_class=Response,
    responses=DONE | _REFUSED | refusal(409, "The cluster cannot hold all guarantees, and `force` is not set."),
    openapi_extra=takes_json("QuotaRequest"),
)
async def set_role_quota(request: Request, reads: Reads) -> Response:
    """Give a role without quota a guarantee, which is also its limit. UPDATE_QUOTA of `/api/v1` knows both apart."""
    return await write(request, read_quota_request, partial(set_quota, reads))


@router.delete(
    "/quota/{role:path}",
    operation_id="remove_quota",
    response_class=Response,
    responses=DONE | refusal(400, "The role has no quota."),
)
async def remove_role_quota(
    reads: Reads, role: Annotated[str, Path(description="The role whose quota is taken away.")]
) -> Response:
    """Take a role's quota away, guarantees and limits."""
    return written(await remove_quota(reads, role, f"/master/quota/{role}"))


@router.get(
    "/weights",
    operation_id="get_weights",
    response_class=Response,
    responses=answers_list(LegacyWeight, "Roles for which a weight was set."),
    dependencies=[Depends(jsonp_parameter)],
)
async def weights(request: Request, reads: Reads) -> Response:
    """What roles weigh; all others weigh 1."""
    return json_answer(request, render.weights_answer(reads.state))


@router.put(
    "/weights",
    operation_id="update_weights",
    response_class=Response,
    responses=DONE | _REFUSED,
    openapi_extra=takes_json("WeightInfo", listed=True),
)
async def set_weights(request: Request, reads: Reads) -> Response:
    """Let roles weigh something else; the next allocation goes by it."""
    return await write(request, read_weights, partial(update_weights, reads))
