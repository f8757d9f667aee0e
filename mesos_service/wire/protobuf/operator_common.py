"""Numbers of fields: what the operator APIs of master and agent have alike (see ``table``)."""

from __future__ import annotations

from typing import Final

from mesos_service.wire import operator_common
from mesos_service.wire.protobuf.notation import Enums, Fields

FIELDS: Final[Fields] = {
    operator_common.CallGetMetrics: "timeout=1",
    operator_common.CallSetLoggingLevel: "level=1 duration=2",
    operator_common.CallListFiles: "path=1",
    operator_common.CallReadFile: "path=1 offset=2 length=3",
    operator_common.ResponseGetHealth: "healthy=1",
    operator_common.ResponseGetFlags: "flags=1",
    operator_common.ResponseGetVersion: "version_info=1",
    operator_common.ResponseGetMetrics: "metrics=1",
    operator_common.ResponseGetLoggingLevel: "level=1",
    operator_common.ResponseListFiles: "file_infos=1",
    operator_common.ResponseReadFile: "size=1 data=2",
    operator_common.ResponseGetOperations: "operations=1",
}

ENUMS: Final[Enums] = {}
