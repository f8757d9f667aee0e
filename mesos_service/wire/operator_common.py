"""What master and agent have alike in ``POST /api/v1``: reads of a service itself and of its files."""

from __future__ import annotations

from mesos_service.wire.base import Message, UInt32, UInt64
from mesos_service.wire.common import DurationInfo, FileInfo, Flag, Metric, VersionInfo
from mesos_service.wire.offers import Operation


class CallGetMetrics(Message, kw_only=True):
    timeout: DurationInfo | None = None


class CallSetLoggingLevel(Message, kw_only=True):
    level: UInt32
    duration: DurationInfo


class CallListFiles(Message, kw_only=True):
    path: str


class CallReadFile(Message, kw_only=True):
    path: str
    offset: UInt64
    length: UInt64 | None = None


class ResponseGetHealth(Message, kw_only=True):
    healthy: bool


class ResponseGetFlags(Message, kw_only=True):
    flags: tuple[Flag, ...] = ()


class ResponseGetVersion(Message, kw_only=True):
    version_info: VersionInfo


class ResponseGetMetrics(Message, kw_only=True):
    metrics: tuple[Metric, ...] = ()


class ResponseGetLoggingLevel(Message, kw_only=True):
    level: UInt32


class ResponseListFiles(Message, kw_only=True):
    file_infos: tuple[FileInfo, ...] = ()


class ResponseReadFile(Message, kw_only=True):
    size: UInt64
    data: bytes


class ResponseGetOperations(Message, kw_only=True):
    operations: tuple[Operation, ...] = ()
