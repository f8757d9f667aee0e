"""The flags of the trace store; read with ``TracesConfig.load``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Final

from pydantic import AfterValidator, Field

from mesos_service.configuration.credentials import CredentialsFlag
from mesos_service.configuration.flags import DurationFlag, SizeFlag
from mesos_service.configuration.forms import PortFlag, check_directory, check_positive
from mesos_service.configuration.service import ServiceFlags
from mesos_service.configuration.units import Duration, Size
from mesos_service.http.tls import TlsFiles, server_context

PORT: Final = 4318
"""Where exporters look for a collector by default (OTLP/HTTP)."""
SIZE_MIN: Final = Size.parse("16MB")
FILE: Final = "traces.db"


def _check_size(size: Size) -> Size:
    if size < SIZE_MIN:
        raise ValueError(f"it has to be {SIZE_MIN} at least")
    return size


class TracesConfig(ServiceFlags):
    """Every flag of ``mesos-service traces serve``."""

    service: ClassVar[str] = "traces"
    absent: ClassVar[Mapping[str, str]] = {}

    work_dir: Path = Field(description=f"Directory of the file with the traces ({FILE}); made where it is missing.")
    port: PortFlag = Field(PORT, description="Port to listen on; 0 takes any free one.")
    max_age: Annotated[DurationFlag, AfterValidator(check_positive)] = Field(
        Duration.parse("1weeks"), description="How long spans are kept."
    )
    max_size: Annotated[SizeFlag, AfterValidator(_check_size)] = Field(
        Size.parse("1GB"), description="How large the file may become; the oldest spans are forgotten first."
    )
    authenticate_http_readonly: bool = Field(
        False, description="Whether reading traces, flags and metrics demands a principal and a secret."
    )
    authenticate_http_readwrite: bool = Field(
        False, description="Whether sending spans demands a principal and a secret."
    )
    http_credentials: CredentialsFlag | None = Field(
        None,
        description="File with the principals and secrets of those who send and read, as JSON or a line each; read"
        " again when it changes.",
    )

    def prepare(self, *, make: bool = True) -> None:
        """See that the directory is there and writable, and that certificates can be used; raises
        ``ConfigurationError``."""
        check_directory(self.work_dir, make=make)
        server_context(TlsFiles.of(self))
