"""What the keeper and its agent say to each other; standard library only.

Packets (``SOCK_SEQPACKET``) are JSON objects. From the agent:

* ``{"do": "launch", "id", "argv", "environment", "gated", "speaks", "survives", "stays", "terminal"}`` with descriptors
  for stdout, stderr and, where there is something to read, stdin; the object comes in a memory file, as one more
  descriptor, when the packet says only ``{"large": true}``. ``terminal`` names a terminal that takes their place and
  controls the session. A process that ``speaks`` has a pipe: it is launched when it closes that, and has failed when it
  says why; whether it ``stays`` is remembered for the next agent, and means nothing here
* ``{"do": "release", "id"}`` opens the gate, ``{"do": "reap", "id"}`` forgets a process that is dead

To the agent: first what is kept, one ``{"kept", "pid", "status", "released", "stays"}`` each, and ``{"ready", "pid"}``;
then ``{"launched", "pid"}`` or ``{"failed", "why"}`` for each launch, and ``{"exited", "status"}``. Statuses are raw
wait statuses.
"""

from __future__ import annotations

import array
import os
import socket

VERSION = 3
LISTENER = 3
GATE = 3
"""Where a gated process waits, in its own numbering."""
VOICE = 4
"""Where one that speaks says why it cannot go on, or that it can."""
PACKET_BYTES_MAX = 65536
DESCRIPTORS_MAX = 4
"""That come with one packet."""


def receive(connection: socket.socket) -> tuple[bytes, list[int]]:
    """One packet and the descriptors that came with it."""
    flags = socket.MSG_CMSG_CLOEXEC | socket.MSG_DONTWAIT
    packet, ancillary, _, _ = connection.recvmsg(PACKET_BYTES_MAX, socket.CMSG_SPACE(DESCRIPTORS_MAX * 4), flags)
    descriptors = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
    return packet, list(descriptors)


def read_all(descriptor: int) -> bytes:
    """A memory file from its beginning; closes it."""
    with os.fdopen(descriptor, "rb") as file:
        file.seek(0)
        return file.read()
