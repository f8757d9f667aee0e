"""Derive ``shapes.json`` from a folder of recordings: ``python -m tests.contract.derive_shapes FOLDER [NAME ...]``.

The recordings hold every HTTP exchange as ``NAME.http.txt`` (request, then status line, headers and body as sent),
its JSON body as ``NAME.json``, and streams as ``*timeline.json`` and ``*events.json``. What is written is only what
the protocol fixes: keys, types, enum names, status codes, names of headers in their order, texts of refusals, and
the order of calls and events. Identifiers, addresses and paths become place-holders, and so do words that begin
with one of the NAMEs: what the recorded frameworks, roles and executors happened to be called.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

from tests.contract.shapes import Json, Shape, merged, shape_of

TEXT_CHARACTERS_MAX = 400
"""Longer texts are pages for people; their wording is nobody's contract."""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(-(S|O|\d)\d*)?")
_ADDRESS = re.compile(r"(127\.0\.0\.1|localhost):\d+")
_FILE = re.compile(r"/(tmp|var|home|root)/[^\s'\"]*")


class Anonymous:
    """Makes a text say nothing of whose it was."""

    def __init__(self, names: Collection[str] = ()) -> None:
        self._patterns = [(_FILE, "<path>"), (_UUID, "<id>"), (_ADDRESS, "<address>")]
        if names:
            self._patterns.append((re.compile(rf"\b({'|'.join(map(re.escape, names))})[\w.-]*"), "<name>"))

    def __call__(self, text: str) -> str:
        for pattern, instead in self._patterns:
            text = pattern.sub(instead, text)
        return text


anonymous = Anonymous()
"""For live answers, where names are the test's own."""


class Shapes:
    """All shapes that were met, each once."""

    def __init__(self, hide: Anonymous) -> None:
        self._hide = hide
        self.all: list[Shape] = []
        self._known: dict[str, int] = {}

    def number(self, value: Json) -> int:
        shape = shape_of(value, rename=self._hide)
        text = json.dumps(shape)
        if text not in self._known:
            self._known[text] = len(self.all)
            self.all.append(shape)
        return self._known[text]


def derive(folder: Path, hide: Anonymous) -> dict[str, Json]:
    """Everything ``shapes.json`` holds."""
    shapes = Shapes(hide)
    exchanges = {
        _name(folder, file, ".http.txt"): _exchange(file, shapes, hide) for file in sorted(folder.glob("*/*.http.txt"))
    }
    calls: dict[str, dict[str, Shape]] = {}
    events: dict[str, dict[str, Shape]] = {}
    for api, direction, message in _messages(folder):
        kinds = (calls if direction == "call" else events).setdefault(api, {})
        kinds[message["type"]] = merged(kinds.get(message["type"]), shape_of(message, rename=hide))
    return {
        "shapes": shapes.all,
        "exchanges": exchanges,
        "streams": {
            _name(folder, file, ".json"): _subscription(json.loads(file.read_text()), hide)
            for file in sorted(folder.glob("*/subscribe-*.json"))
        },
        "calls": {api: dict(sorted(kinds.items())) for api, kinds in sorted(calls.items())},
        "events": {api: dict(sorted(kinds.items())) for api, kinds in sorted(events.items())},
        "timelines": {
            _name(folder, file, ".json"): list(_timeline(json.loads(file.read_text()), hide))
            for file in sorted(folder.glob("*/*timeline.json"))
        },
    }


def _name(folder: Path, file: Path, suffix: str) -> str:
    return str(file.relative_to(folder)).removesuffix(suffix)


def _exchange(file: Path, shapes: Shapes, hide: Anonymous) -> dict[str, Json]:
    # Read as bytes: some bodies are not text.
    text = file.read_bytes().decode("latin-1").replace("\r\n", "\n")
    request, _, response = text.partition("<<< response\n")
    method, path = request.removeprefix(">>> request\n").split("\n", 1)[0].split(" ")[:2]
    head, _, body = response.partition("\n\n")
    status, *headers = head.split("\n")
    result: dict[str, Json] = {
        "method": method,
        "path": hide(path),
        "status": int(status.split(" ")[1]),
        "headers": [line.partition(":")[0] for line in headers],
    }
    types = [line for line in headers if line.startswith("Content-Type:")]
    if types:
        result["content_type"] = types[0].partition(": ")[2]
    recorded = file.with_name(file.name.removesuffix(".http.txt") + ".json")
    if recorded.exists():
        result["shape"] = shapes.number(json.loads(recorded.read_text()))
    elif "text/plain" in result.get("content_type", "") and len(body) < TEXT_CHARACTERS_MAX:
        # One newline was added where the file was written.
        result["text"] = hide(body.removesuffix("\n"))
    return result


def _subscription(recording: dict[str, Json], hide: Anonymous) -> dict[str, Json]:
    """One SUBSCRIBE with what its answer began with."""
    status, *headers = recording["response_head"]
    (events,) = (value for key, value in recording.items() if key.startswith("events"))
    return {
        "status": int(status.split(" ")[1]),
        "headers": [line.partition(":")[0] for line in headers],
        "events": [list(_event(one, hide)) for one in events or ()],
    }


def _messages(folder: Path) -> Iterator[tuple[str, str, dict[str, Json]]]:
    """Every call and event of the streams: whose API, which direction, and the message."""
    for file in sorted(folder.glob("*/*timeline.json")):
        api = "executor" if file.parent.name == "executor" and file.name == "timeline.json" else "scheduler"
        for entry in json.loads(file.read_text()):
            if entry["kind"] == "event":
                yield api, "event", entry["data"]
            elif entry["kind"] == "call" and "call" in entry["data"]:
                yield api, "call", entry["data"]["call"]
            elif entry["kind"] == "call":
                yield api, "call", json.loads(entry["data"]["request_raw"].split("\r\n\r\n", 1)[1])
    for file in sorted([*folder.glob("*/operator-events.json"), *folder.glob("operator-stream/*.events.json")]):
        for entry in json.loads(file.read_text()):
            yield "operator", "event", entry["event"]


def _timeline(entries: list[dict[str, Json]], hide: Anonymous) -> Iterator[list[Json]]:
    """Calls with their status and events with their enum names, in the order recorded."""
    for entry in entries:
        data = entry["data"]
        whose = entry.get("stream", "executor")
        if entry["kind"] == "event":
            yield ["event", whose, *_event(data, hide)]
        elif entry["kind"] == "call" and "call" in data:
            status = int(data["response_status"].split(" ")[1])
            text = hide(data.get("response_body") or "")
            yield ["call", whose, data["call"]["type"], status, *([text] if text else [])]
        elif entry["kind"] == "call":
            yield ["call", whose, "SUBSCRIBE", int(data["response_head"][0].split(" ")[1])]


def _event(event: dict[str, Json], hide: Anonymous) -> Iterator[str]:
    yield event["type"]
    if event["type"] == "UPDATE":
        status = event["update"]["status"]
        yield from (status[key] for key in ("state", "source", "reason") if key in status)
    elif event["type"] == "ERROR":
        yield hide(event["error"]["message"])


def written(derived: dict[str, Json]) -> str:
    """JSON with one line for each thing, so that a new recording makes a readable change."""
    sections = []
    for name, section in derived.items():
        if isinstance(section, list):
            lines = ",\n".join(json.dumps(one, separators=(",", ":")) for one in section)
            sections.append(f"{json.dumps(name)}: [\n{lines}\n]")
        else:
            lines = ",\n".join(
                f"{json.dumps(key)}: {json.dumps(one, separators=(',', ':'))}" for key, one in section.items()
            )
            sections.append(f"{json.dumps(name)}: {{\n{lines}\n}}")
    return "{\n" + ",\n".join(sections) + "\n}\n"


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    target = Path(__file__).parent / "shapes.json"
    target.write_text(written(derive(Path(sys.argv[1]), Anonymous(sys.argv[2:]))))
    print(f"{target.name}: {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
