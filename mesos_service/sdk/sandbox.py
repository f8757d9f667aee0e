"""Reads a task's files from its agent, as they grow (Mesos docs, ``/files/read``)."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

import msgspec

from mesos_service.http.client import Connection, ConnectionFault
from mesos_service.http.dialing import PLAIN, Dialing
from mesos_service.sdk.subscription import Address
from mesos_service.wire.offers import Offer

PAGE_BYTES: Final = 65_536
AGENT_PORT: Final = 5051


class _Read(msgspec.Struct):
    data: str
    offset: int


_READ: Final = msgspec.json.Decoder(_Read)


def agent_of(offer: Offer) -> tuple[Address, str]:
    """Where the offer's agent answers: its address and the prefix of its paths (``/slave(1)``)."""
    if offer.url is None:
        return Address(offer.hostname, AGENT_PORT), ""
    address = offer.url.address
    return Address(address.ip or address.hostname or offer.hostname, address.port), offer.url.path or ""


def sandbox_path(framework_id: str, executor_id: str) -> str:
    """The path under which an agent shows the sandbox of an executor's latest run; a command task's id is its own."""
    return f"/frameworks/{framework_id}/executors/{executor_id}/runs/latest"


class SandboxFile:
    """One growing file. :meth:`read` gives what has come since the last time."""

    def __init__(self, agent: Address, prefix: str, path: str, dialing: Dialing = PLAIN) -> None:
        self._dialing = dialing
        self._agent = agent
        self._url = f"{prefix}/files/read?path={quote(path, safe='')}"
        self._offset = 0
        self._connection: Connection | None = None

    async def read(self) -> str:
        """What is new, up to a page; an empty text when there is nothing, or the file is not there (yet).

        Bytes that are not UTF-8 come as the agent spells them.

        Raises:
            ConnectionFault: the agent does not answer.
        """
        size = await self._get(-1, 0)
        if size is None or size.offset <= self._offset:
            return ""
        # Counted in bytes of the file: what the text has become on its way may be longer or shorter.
        length = min(size.offset - self._offset, PAGE_BYTES)
        page = await self._get(self._offset, length)
        if page is None or not page.data:
            return ""
        self._offset += length
        return page.data

    async def read_to_end(self) -> str:
        """All that is new."""
        pages: list[str] = []
        while page := await self.read():
            pages.append(page)
        return "".join(pages)

    async def _get(self, offset: int, length: int) -> _Read | None:
        if self._connection is None or not self._connection.is_open:
            self._connection = await Connection.open(self._agent.host, self._agent.port, dialing=self._dialing)
        answer = await self._connection.request("GET", f"{self._url}&offset={offset}&length={length}")
        if answer.status != 200:
            return None
        try:
            return _READ.decode(answer.body)
        except msgspec.DecodeError as error:
            raise ConnectionFault(f"{self._agent} does not answer as an agent would: {error}") from error

    def close(self) -> None:
        """Close the connection; reading again opens a new one."""
        if self._connection is not None:
            self._connection.close()
