"""How a client speaks to a cluster: over TLS or plainly, and as whom.

Services learn it from their flags. Clients that have none (commands, schedulers, executors) learn it from the same
names in their environment: ``MESOS_SSL_CA_FILE``, or Mesos' own ``LIBPROCESS_SSL_ENABLED`` where the system says whom
to believe (and ``MESOS_SSL_CERT_FILE``, ``MESOS_SSL_KEY_FILE``,
``MESOS_SSL_VERIFY_SERVER_CERT``) and ``MESOS_CREDENTIAL``, each the path of a file. As in Mesos, a cluster speaks TLS
everywhere or nowhere: where ``zk://`` leads says nothing of it.
"""

from __future__ import annotations

import os
import ssl
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from mesos_service.configuration.credentials import Credential, read_credential
from mesos_service.domain.errors import ConfigurationError
from mesos_service.http.tls import TlsFiles, client_context

HTTPS: Final = "https://"
CA_FILE: Final = "MESOS_SSL_CA_FILE"
CREDENTIAL: Final = "MESOS_CREDENTIAL"
ENABLED: Final = "LIBPROCESS_SSL_ENABLED"
_TRUE: Final = frozenset({"1", "true"})
_FALSE: Final = frozenset({"0", "false", "no", "off"})


@dataclass(frozen=True, slots=True)
class Dialing:
    """Handed to whatever opens connections."""

    tls: ssl.SSLContext | None = None
    principal: str | None = None
    authorization: str | None = field(default=None, repr=False)
    """The value of the header that proves ``principal``; never to be printed."""
    unix_socket: str | None = None
    """Where to connect instead of any address."""

    @property
    def scheme(self) -> str:
        """``http`` or ``https``."""
        return "http" if self.tls is None else "https"

    @property
    def headers(self) -> dict[str, str]:
        """What every request says of who asks."""
        return {} if self.authorization is None else {"Authorization": self.authorization}

    def as_principal(self, credential: Credential | None) -> Dialing:
        """The same in the name of ``credential``, if there is one."""
        if credential is None:
            return self
        return replace(self, principal=credential.principal, authorization=basic(credential))

    def towards(self, address: str) -> Dialing:
        """The same, over TLS if ``address`` begins with ``https://``; by default the system says whom to believe."""
        if self.tls is not None or not address.startswith(HTTPS):
            return self
        return replace(self, tls=client_context(TlsFiles()))


PLAIN: Final = Dialing()


def basic(credential: Credential) -> str:
    """The value of ``Authorization`` (RFC 7617)."""
    return "Basic " + b64encode(f"{credential.principal}:{credential.secret}".encode()).decode()


def from_environment(environment: Mapping[str, str] | None = None) -> Dialing:
    """What the environment says; without any of the variables, plainly and as nobody.

    Raises:
        ConfigurationError: naming the variable that says something impossible.
    """
    given = os.environ if environment is None else environment
    dialing = tls_from_environment(given)
    path = given.get(CREDENTIAL)
    if not path:
        return dialing
    try:
        return dialing.as_principal(read_credential(Path(path.removeprefix("file://"))))
    except ValueError as error:
        raise ConfigurationError(f"{CREDENTIAL}: {error}") from error


def tls_from_environment(given: Mapping[str, str]) -> Dialing:
    """The part about TLS; executors speak as nobody, and what their agent proves itself with is not theirs."""
    paths = {name: given.get(f"MESOS_SSL_{name.upper()}") for name in ("ca_file", "cert_file", "key_file")}
    if not any(paths.values()) and given.get(ENABLED, "0").lower() not in _TRUE:
        return PLAIN
    ca_file, cert_file, key_file = (Path(path) if path else None for path in paths.values())
    verify = given.get("MESOS_SSL_VERIFY_SERVER_CERT", "true").lower() not in _FALSE
    files = TlsFiles(ca_file=ca_file, cert_file=cert_file, key_file=key_file, verify_server_cert=verify)
    return Dialing(tls=client_context(files))
