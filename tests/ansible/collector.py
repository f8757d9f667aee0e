#!/usr/bin/python3
"""What tests run in the place of an OpenTelemetry collector: ``validate --config=FILE`` and ``--config=FILE``.

Takes OTLP over HTTP as the file says, and prints a line for each request: ``took ADDRESS BYTES anonymous`` where no
secret came along. Hosts have nothing but Python's own library, so the file is read by what the role is known to write.
"""

import http.server
import re
import ssl
import sys
from pathlib import Path


def read(file: str) -> tuple[str, int, tuple[str, str] | None]:
    """Address, port, and the certificate and key to serve with, if any."""
    said = Path(file).read_text(encoding="utf-8")
    endpoint = re.search(r"^ {8}endpoint: (.+):(\d+)$", said, flags=re.MULTILINE)
    cert, key = (re.search(rf"^ {{10}}{name}: (.+)$", said, flags=re.MULTILINE) for name in ("cert_file", "key_file"))
    if endpoint is None or (cert is None) != (key is None):
        sys.exit(f"{file}: no receiver")
    return endpoint[1], int(endpoint[2]), (cert[1], key[1]) if cert is not None and key is not None else None


class Receiver(http.server.BaseHTTPRequestHandler):
    """Takes what comes."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        who = "somebody" if "Authorization" in self.headers else "anonymous"
        print("took", self.client_address[0], len(body), who, flush=True)
        self.send_response(200 if self.path == "/v1/traces" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()


def main() -> None:
    address, port, pair = read(sys.argv[-1].removeprefix("--config="))
    context = None
    if pair is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*pair)
    if sys.argv[1] == "validate":
        return
    server = http.server.ThreadingHTTPServer((address, port), Receiver)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


main()
