"""Certificates made when a test needs them, by the ``openssl`` of the machine: no private key lies in the project."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Certificate:
    """Two files in PEM."""

    cert_file: Path
    key_file: Path


def _openssl(*arguments: str) -> None:
    subprocess.run(("openssl", *arguments), check=True, capture_output=True, timeout=60)


class Authority:
    """Vouches for others; ``ca_file`` is what to believe it by."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self.own = Certificate(folder / f"{name}.pem", folder / f"{name}.key")
        self.ca_file = self.own.cert_file
        _openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"),
            *("-subj", f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign"),
            *("-keyout", str(self.own.key_file), "-out", str(self.own.cert_file)),
        )

    def vouch_for(self, name: str, *others: str) -> Certificate:
        """A certificate for a host: names as they are, addresses as ``IP:127.0.0.1``."""
        made = Certificate(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        asked, extensions = self._folder / f"{name}.csr", self._folder / f"{name}.ext"
        names = ",".join(one if ":" in one else f"DNS:{one}" for one in (name, *others))
        extensions.write_text(f"subjectAltName={names}\n")
        _openssl(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}"),
            *("-keyout", str(made.key_file), "-out", str(asked)),
        )
        _openssl(
            *("x509", "-req", "-in", str(asked), "-days", "2", "-CAcreateserial", "-extfile", str(extensions)),
            *("-CA", str(self.own.cert_file), "-CAkey", str(self.own.key_file), "-out", str(made.cert_file)),
        )
        return made
