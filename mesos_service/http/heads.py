"""Heads of requests as people write them by hand, brought into the form that the parser insists on.

Mesos' parser is forgiving where uvicorn's is not: lines may end in a mere line feed (RFC 9112, 2.2), as those of
``printf`` into ``nc`` do, and what is asked for may have letters that are not ASCII, as ``curl`` sends the name of a
file that was typed so.
"""

from __future__ import annotations

import re
from typing import Final

_RETURN: Final = ord("\r")
_SLASHES: Final = re.compile(rb"/{2,}")
_END: Final = re.compile(rb"\n\r?\n")
_OTHER: Final = re.compile(rb"[\x80-\xff]")


def repaired(data: bytes) -> bytes:
    """``data``, which begins with a request, with the head of that in its usual form.

    It is ``data`` itself where nothing is odd, and where lines end oddly and the head is not all there: nobody types
    that slowly. Whose first line ends as it should is not one who types: of his the letters alone are spelled, and the
    parser judges how his other lines end.
    """
    line_end = data.find(b"\n")
    if line_end > 0 and data[line_end - 1] == _RETURN:
        return data if data[:line_end].isascii() else _in_ascii(data[:line_end]) + data[line_end:]
    found = _END.search(data)
    if found is None:
        return data
    first, *fields = (line.removesuffix(b"\r") for line in data[: found.start()].split(b"\n"))
    return b"\r\n".join((_in_ascii(first), *fields, b"", data[found.end() :]))


def _in_ascii(line: bytes) -> bytes:
    return _OTHER.sub(lambda letter: b"%%%02X" % letter[0][0], line)


def without_empty_parts(target: bytes) -> bytes:
    """The target of a request with one slash wherever its path has several: clients put one behind the address that
    they were given, whether or not that ends in one, and Mesos' masters and agents understand what comes of it."""
    if b"//" not in target or not target.startswith(b"/"):
        return target
    path, mark, query = target.partition(b"?")
    return _SLASHES.sub(b"/", path) + mark + query
