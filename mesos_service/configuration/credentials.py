"""Credentials in files, as Mesos reads them: JSON, or a line each (Mesos docs, "Authentication"; M-SE-18).

Flags name files and never hold a secret, so that no list of flags, no environment and no log can show one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator

FILE_BYTES_MAX: Final = 4 * 1024 * 1024
"""Tens of thousands of credentials; whatever is larger is some other file."""


@dataclass(frozen=True, slots=True)
class Credential:
    """Who somebody is, and what proves it."""

    principal: str
    secret: str = field(repr=False)


def read_credentials(path: Path) -> tuple[Credential, ...]:
    """Everybody in a file such as ``{"credentials": [{"principal": "ops", "secret": "..."}]}``, or of lines with a
    principal, blanks, and a secret.

    Raises:
        ValueError: a sentence that names the file, the place in it, and no secret.
    """
    found = tuple(_parse(path, _read(path)))
    if not found:
        raise ValueError(f"{path} holds no credentials, so nobody could prove who he is")
    seen: set[str] = set()
    for one in found:
        if one.principal in seen:
            raise ValueError(f"{path} has two secrets for principal '{one.principal}'")
        seen.add(one.principal)
    return found


def read_credential(path: Path) -> Credential:
    """The one credential in a file: ``{"principal": "agent", "secret": "..."}``, or a line with both.

    Raises:
        ValueError: as :func:`read_credentials`.
    """
    found = tuple(_parse(path, _read(path)))
    if len(found) != 1:
        raise ValueError(f"{path} holds {len(found)} credentials, and has to hold one")
    return found[0]


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from error
    if len(content) > FILE_BYTES_MAX:
        raise ValueError(f"{path} is too large for a file of credentials")
    try:
        return content.decode()
    except UnicodeDecodeError:
        # Not chained: the error repeats what it could not read.
        raise ValueError(f"{path} is not UTF-8") from None


def _parse(path: Path, text: str) -> Iterator[Credential]:
    if not text.lstrip().startswith("{"):
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                principal, _, secret = line.strip().partition(" ")
                yield _credential(f"{path}, line {number}", principal, secret.strip())
        return
    try:
        decoded: object = json.loads(text)
    except (ValueError, RecursionError):
        # Not chained: the error repeats the text around the mistake.
        raise ValueError(f"{path} begins like JSON and is none") from None
    assert isinstance(decoded, dict), "it begins with a brace"
    entries = decoded.get("credentials", [decoded])
    if not isinstance(entries, list):
        raise ValueError(f"{path}: 'credentials' is a list")
    for number, entry in enumerate(entries, 1):
        place = f"{path}, credential {number}"
        if not isinstance(entry, dict):
            raise ValueError(f"{place}: is an object with a principal and a secret")
        yield _credential(place, entry.get("principal"), entry.get("secret"))


def _credential(place: str, principal: object, secret: object) -> Credential:
    if not isinstance(principal, str) or not principal:
        raise ValueError(f"{place}: has no principal")
    if not isinstance(secret, str) or not secret:
        raise ValueError(f"{place}: principal '{principal}' has no secret")
    if ":" in principal or not principal.isprintable():
        raise ValueError(f"{place}: basic authentication allows no colon and no control character in a principal")
    return Credential(principal, secret)


def _path(value: object) -> object:
    if not isinstance(value, str):
        return value
    path = value.removeprefix("file://")
    if not path.startswith(("/", "./", "../")):
        # Mesos takes a path alone here as well; what is none may be a secret, so it is not repeated.
        raise ValueError("is the path of a file, such as /etc/mesos/credentials.json")
    return Path(path)


def _check_credentials(path: Path) -> Path:
    read_credentials(path)
    return path


def _check_credential(path: Path) -> Path:
    read_credential(path)
    return path


CredentialsFlag = Annotated[Path, BeforeValidator(_path), AfterValidator(_check_credentials)]
CredentialFlag = Annotated[Path, BeforeValidator(_path), AfterValidator(_check_credential)]
