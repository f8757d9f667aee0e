"""The one failure of this package: bytes that cannot be understood."""

from __future__ import annotations


class WireError(Exception):
    """What came over the wire is not what it should be; the fault is the sender's.

    ``status`` is the HTTP status to answer with and ``text`` the body, worded as Mesos words it.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
