"""A pre-fork web server, as Apache is one: so many processes, each of which answers one request at a time.

``python prefork.py PORT WORKERS ITERATIONS``: a request is answered after so many turns of a loop. Nothing but the
standard library, so that it starts fast and what is measured is its processor time.
"""

from __future__ import annotations

import os
import socket
import sys

ANSWER = b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nok\n"


def work(iterations: int) -> int:
    """What a request costs."""
    total = 0
    for number in range(iterations):
        total += number * number % 7
    return total


def serve(listener: socket.socket, iterations: int) -> None:
    """Answer requests, one after the other, until the parent is gone."""
    while True:
        connection, _ = listener.accept()
        with connection:
            try:
                if connection.recv(4096):
                    work(iterations)
                    connection.sendall(ANSWER)
            except ConnectionError:
                continue


def main() -> None:
    """Listen, fork, and wait."""
    port, workers, iterations = map(int, sys.argv[1:])
    listener = socket.create_server(("127.0.0.1", port), backlog=1024)
    for _ in range(workers):
        if os.fork() == 0:
            serve(listener, iterations)
    os.wait()


if __name__ == "__main__":
    main()
