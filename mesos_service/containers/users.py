"""Whose name a container runs under."""

from __future__ import annotations

import os
import pwd
import shutil
import time
from dataclasses import dataclass
from typing import Final

from mesos_service.domain.containers import Capabilities

_BELIEVED_SECONDS: Final = 1.0
"""A launch asks several times, and each is a file read through, or a question to a directory service."""
_BELIEVED_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class User:
    """A user of this machine."""

    name: str
    uid: int
    gid: int


_found: dict[str, tuple[float, User]] = {}


class NoSuchUser(LookupError):
    """The text names the user."""


class CannotSwitchUser(PermissionError):
    """Only root can; the text says what to do."""


def find_user(name: str) -> User:
    """Look a user up by name: what was found less than a second ago holds. Raises :class:`NoSuchUser`."""
    now = time.monotonic()
    known = _found.get(name)
    if known is not None and now - known[0] < _BELIEVED_SECONDS:
        return known[1]
    try:
        entry = pwd.getpwnam(name)
    except (KeyError, ValueError):
        raise NoSuchUser(f"No such user '{name}'") from None
    user = User(entry.pw_name, entry.pw_uid, entry.pw_gid)
    if len(_found) >= _BELIEVED_MAX:
        _found.clear()
    _found[name] = (now, user)
    return user


def user_to_switch_to(name: str | None) -> User | None:
    """Say whom to become to run as ``name``, or ``None`` when we are that user already.

    Raises :class:`NoSuchUser`, and :class:`CannotSwitchUser` when we are not root.
    """
    if name is None:
        return None
    user = find_user(name)
    if user.uid == os.geteuid():
        return None
    if os.geteuid() != 0:
        raise CannotSwitchUser(f"Only root can run a container as '{name}'; start the agent with --no-switch_user")
    return user


def become(user: User | None, capabilities: Capabilities | None = None) -> tuple[str, ...]:
    """The program that becomes ``user``, with all of its groups, and executes what follows; nothing where nothing is
    asked for.

    Raises:
        CannotSwitchUser: the program is not there.
    """
    if user is None and capabilities is None:
        return ()
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        asked = "with capabilities of its own" if user is None else f"as '{user.name}'"
        raise CannotSwitchUser(f"Running a container {asked} needs the program 'setpriv' (util-linux)")
    switch = () if user is None else (f"--reuid={user.uid}", f"--regid={user.gid}", "--init-groups")
    return (setpriv, *switch, *(() if capabilities is None else capabilities.setpriv()), "--")
