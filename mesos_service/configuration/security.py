"""Flags of all services about who may speak with them, and how it is kept from others (M-SE-11, M-SE-16)."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from mesos_service.configuration.flags import Flags


class SecurityFlags(Flags):
    """What masters, agents and the trace store have alike."""

    demanding: ClassVar[tuple[str, ...]] = ("authenticate_http_readonly", "authenticate_http_readwrite")
    """Flags that demand credentials of somebody."""
    known_by: ClassVar[str] = "http_credentials"
    """The flag with the file of those who have some."""

    authenticate_http_readonly: bool = Field(
        False, description="Whether reads (/state, /metrics and their like) demand a principal and a secret."
    )
    authenticate_http_readwrite: bool = Field(
        False, description="Whether /api/v1, and whatever else may change something, demands a principal and a secret."
    )
    http_authenticators: Literal["basic"] = Field("basic", description="This version has only basic.")

    ssl_cert_file: Path | None = Field(
        None, description="Certificate (PEM, with its chain) to serve HTTPS with; with it, HTTP is not served any more."
    )
    ssl_key_file: Path | None = Field(None, description="Private key (PEM) of --ssl_cert_file.")
    ssl_ca_file: Path | None = Field(
        None, description="Certificates (PEM) of those whom to believe. Default: those of the system."
    )
    ssl_require_client_cert: bool = Field(
        False, description="Whether clients must show a certificate that --ssl_ca_file vouches for."
    )

    @model_validator(mode="after")
    def _know_principals(self) -> Self:
        for name in self.demanding:
            if getattr(self, name) and getattr(self, self.known_by) is None:
                raise ValueError(f"--{name} needs --{self.known_by}, the file with everybody's principal and secret")
        return self

    @model_validator(mode="after")
    def _complete_tls(self) -> Self:
        if (self.ssl_cert_file is None) != (self.ssl_key_file is None):
            raise ValueError("--ssl_cert_file and --ssl_key_file are needed together, or not at all")
        if self.ssl_require_client_cert and (self.ssl_cert_file is None or self.ssl_ca_file is None):
            raise ValueError("--ssl_require_client_cert needs --ssl_cert_file, and --ssl_ca_file to judge clients by")
        return self
