"""Flags that services have alike: where they listen, how they are called, which modules they may use."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from mesos_service.configuration.forms import (
    FileTextFlag,
    IpFlag,
    LoggingLevelFlag,
    PortFlag,
    shown_hostname,
    split_list,
)
from mesos_service.configuration.security import SecurityFlags
from mesos_service.domain.errors import ConfigurationError
from mesos_service.plugins.loader import Place
from mesos_service.plugins.manifest import read_manifest


class ServiceFlags(SecurityFlags):
    """What every service has. ``port`` is each one's own, as its default is."""

    ip: IpFlag = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 is every one.")
    logging_level: LoggingLevelFlag = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")


class MemberFlags(ServiceFlags):
    """What masters and agents have: others have to find them, and they run modules."""

    hostname: str | None = Field(
        None, description="Name shown to others. Default: the advertised address, not looked up."
    )
    advertise_ip: IpFlag | None = Field(None, description="Address that others reach this service at, where not --ip.")
    advertise_port: PortFlag | None = Field(
        None, description="Port that others reach this service at, where not --port."
    )
    modules_dir: str | None = Field(
        None, description="Folders with modules of your own, and manifests (*.json), separated by commas."
    )
    modules: FileTextFlag | None = Field(
        None,
        description="A manifest in Mesos' form, or file:///path of one: which modules are in which files, and their"
        " parameters. Not with --modules_dir.",
    )

    def shown_hostname(self) -> str:
        """What others call this machine: ``--hostname``, else the address they reach it at."""
        return shown_hostname(self.hostname, self.advertise_ip or self.ip)

    def modules_dirs(self) -> tuple[Place, ...]:
        """The folders of ``--modules_dir``, in order, or what ``--modules`` says; raises ``ConfigurationError``."""
        if self.modules is None:
            return tuple(map(Path, split_list(self.modules_dir or "")))
        if self.modules_dir is not None:
            raise ConfigurationError("--modules and --modules_dir exclude each other (Mesos' rule)")
        return (read_manifest(self.modules, "--modules"),)
