"""TLS contexts for servers and clients, made of files in PEM (Mesos docs, "SSL"; M-SE-16).

Not below TLS 1.2. A client checks the server's certificate and its name or address unless told otherwise.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from mesos_service.domain.errors import ConfigurationError

if TYPE_CHECKING:  # Reading flags takes a while, and clients have none.
    from mesos_service.configuration.security import SecurityFlags


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Where certificates are, and whom to ask for theirs; the flags of the same names say more."""

    cert_file: Path | None = None
    key_file: Path | None = None
    ca_file: Path | None = None
    require_client_cert: bool = False
    verify_server_cert: bool = True

    @classmethod
    def of(cls, flags: SecurityFlags, *, verify_server_cert: bool = True) -> TlsFiles:
        """Those that the flags of a service name; only a service that calls others has anybody to verify."""
        return cls(
            cert_file=flags.ssl_cert_file,
            key_file=flags.ssl_key_file,
            ca_file=flags.ssl_ca_file,
            require_client_cert=flags.ssl_require_client_cert,
            verify_server_cert=verify_server_cert,
        )


class RenewableContext(ssl.SSLContext):
    """Stands for the context that ``make`` made last, for as long as a listening socket or a link lives.

    Servers of asyncio keep the context that they were given. A new context, rather than new files loaded into the old
    one, leaves nothing of the old behind: one whom to believe no longer would stay among the believed.
    """

    _make: Callable[[], ssl.SSLContext]
    _current: ssl.SSLContext

    def __new__(cls, make: Callable[[], ssl.SSLContext]) -> Self:
        made = make()
        context = super().__new__(cls, made.protocol)
        context._make = make
        context._current = made
        return context

    def __init__(self, make: Callable[[], ssl.SSLContext]) -> None:
        del make  # ``__new__`` has it, as a context's protocol is fixed there.

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """What a new connection of asyncio begins with."""
        return self._current.wrap_bio(incoming, outgoing, server_side, server_hostname, session)


def renew(contexts: Iterable[ssl.SSLContext | None]) -> int:
    """Have new connections use what the files hold now; connections that are open go on as they began.

    How many contexts there were to renew; where one cannot be made, none of them changes.

    Raises:
        ConfigurationError: naming the file that cannot be used.
    """
    renewable = [context for context in contexts if isinstance(context, RenewableContext)]
    made = [context._make() for context in renewable]
    for context, new in zip(renewable, made, strict=True):
        context._current = new
    return len(made)


def server_context(files: TlsFiles) -> ssl.SSLContext | None:
    """For a server that speaks HTTPS; ``None`` without a certificate: it speaks HTTP. It can be renewed.

    Raises:
        ConfigurationError: naming the file that cannot be used.
    """
    return None if files.cert_file is None else RenewableContext(lambda: _serving(files))


def _serving(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Many clients of a cluster keep connections for hours; tickets would only be state for nothing.
    context.options |= ssl.OP_NO_RENEGOTIATION
    _show_certificate(context, files)
    if files.require_client_cert:
        _believe(context, files)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(files: TlsFiles) -> ssl.SSLContext:
    """For a client; it shows its own certificate to servers that ask, where it has one.

    Raises:
        ConfigurationError: naming the file that cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if files.verify_server_cert:
        _believe(context, files)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if files.cert_file is not None:
        _show_certificate(context, files)
    return context


def _show_certificate(context: ssl.SSLContext, files: TlsFiles) -> None:
    assert files.cert_file is not None, "the caller has looked"
    for flag, path in (("--ssl_cert_file", files.cert_file), ("--ssl_key_file", files.key_file)):
        _see(flag, path)
    try:
        # Without a password, OpenSSL would ask the terminal for one, and a service would wait there for ever.
        context.load_cert_chain(files.cert_file, files.key_file, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise ConfigurationError(
            f"--ssl_cert_file: {files.cert_file} and the key in {files.key_file} cannot be used: {reason}"
        ) from error


def _no_password() -> str:
    raise ValueError("the key is encrypted, and there is nobody to ask for its password")


def _believe(context: ssl.SSLContext, files: TlsFiles) -> None:
    if files.ca_file is None:
        context.load_default_certs(
            ssl.Purpose.SERVER_AUTH if context.protocol is ssl.PROTOCOL_TLS_CLIENT else ssl.Purpose.CLIENT_AUTH
        )
        return
    _see("--ssl_ca_file", files.ca_file)
    try:
        context.load_verify_locations(files.ca_file)
    except ssl.SSLError as error:
        raise ConfigurationError(f"--ssl_ca_file: {files.ca_file} holds no certificates in PEM") from error


def _see(flag: str, path: Path | None) -> None:
    try:
        if path is not None:
            with path.open("rb"):
                pass
    except OSError as error:
        raise ConfigurationError(f"{flag}: cannot read {path}: {error.strerror}") from error
