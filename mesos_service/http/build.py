"""Which program answers: what ``/version`` tells (Mesos docs, ``/version``)."""

from __future__ import annotations

import pwd
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import mesos_service
from mesos_service.version import MESOS_VERSION
from mesos_service.wire.common import VersionInfo


@cache
def build_info() -> VersionInfo:
    """``version`` is that of the Mesos this speaks as.

    Nothing is compiled here, so the build is the installation: when this package's files came to this machine, and
    whose they are.
    """
    installed = Path(mesos_service.__file__).stat()
    try:
        user = pwd.getpwuid(installed.st_uid).pw_name
    except KeyError:
        user = str(installed.st_uid)
    return VersionInfo(
        version=MESOS_VERSION,
        build_date=datetime.fromtimestamp(installed.st_mtime, UTC).strftime("%Y-%m-%d %H:%M:%S"),
        build_time=float(int(installed.st_mtime)),
        build_user=user,
    )


def version_answer() -> dict[str, str | float]:
    """``/version``: sorted by name, and our own version last."""
    build = build_info()
    return {
        "build_date": build.build_date or "",
        "build_time": build.build_time or 0.0,
        "build_user": build.build_user or "",
        "version": build.version,
        "service_version": mesos_service.__version__,
    }
