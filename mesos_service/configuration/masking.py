"""Keep secrets out of what is printed: flags, errors, logs."""

from __future__ import annotations

import re
from typing import Final

# A user name stands at the start of an authority: after "://", or where a URL without its scheme begins. What follows
# it goes up to the last "@", as a password may hold that too.
_USER_INFO: Final = re.compile(r"(?<![^\s'\"=/,(])([^/\s:@,'\"=]*):[^/\s]*@")


def mask_secrets(text: str) -> str:
    """``text`` with the password of every URL in it (with or without its scheme) replaced: ``zk://user:***@host:2181/mesos``."""
    return _USER_INFO.sub(r"\1:***@", text)
