"""A master's modules are read again on a signal, without a restart (N09, N10)."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import uvloop

from mesos_service.http.client import ConnectionFault
from tests.e2e.masters import master
from tests.e2e.raw import get
from tests.support.ports import fixed_port
from tests.support.waiting import until

FILTER = """
from mesos_service.plugins.offer_filter import OfferFilter

class Mine(OfferFilter):
    \"\"\"{summary}\"\"\"

    name = "mine"

    def about_agent(self, agent, now):
        return None
"""
ALLOCATOR = """
from mesos_service.plugins.loader import ALLOCATORS, load

class Own(load(ALLOCATORS, "hierarchical")):
    name = "own"
    {more}
"""


def summary(address: str) -> str:
    """Of the filter, as the master tells it; empty while it does not answer."""
    try:
        answer = uvloop.run(asyncio.wait_for(get(address, "/api/v1/filters"), 60))
    except (ConnectionFault, OSError, AssertionError, TimeoutError):
        return ""
    (found,) = answer["filters"]
    return str(found["summary"])


def test_n09_n10_a_signal_has_changed_modules_take_the_place_of_what_runs(tmp_path: Path) -> None:
    files = {"mine": tmp_path / "offer_filters" / "mine.py", "own": tmp_path / "allocators" / "own.py"}
    for file in files.values():
        file.parent.mkdir()
    files["mine"].write_text(FILTER.format(summary="The first."))
    files["own"].write_text(ALLOCATOR.format(more=""))
    port, log = fixed_port(), tmp_path / "log"
    address = f"127.0.0.1:{port}"
    flags = {"modules_dir": tmp_path, "allocator": "own", "offer_filters": "mine", "allocator_timeout": "10secs"}

    def logged(text: str, times: int = 1) -> None:
        until(f"the log has {text}", lambda: log.read_text().count(text) >= times, 60)

    with master(port, flags, log) as process:
        until("the master serves", lambda: summary(address) == "The first.")
        process.send_signal(signal.SIGHUP)
        logged("no module has changed")
        files["mine"].write_text(FILTER.format(summary="The second."))
        process.send_signal(signal.SIGHUP)
        until("the filter is the second", lambda: summary(address) == "The second.")
        logged("module.replaced")
        # What does not hold what an allocator must ends nothing, and takes nothing of what is right along.
        silent = "def allocate(self, now, random, *, agents, limit=None, observer=None): return []"
        for broken, said in (
            ("while True: pass", "not imported within 10 s"),
            ("def allocate(self): ...", "'now'"),
            (silent, "does not hold that everything is offered and nothing twice"),
        ):
            files["own"].write_text(ALLOCATOR.format(more=broken))
            files["mine"].write_text(FILTER.format(summary="The third."))
            process.send_signal(signal.SIGHUP)
            logged(said)
            assert summary(address) == "The second."
        files["own"].write_text(ALLOCATOR.format(more="again = True"))
        process.send_signal(signal.SIGHUP)
        until("the filter is the third", lambda: summary(address) == "The third.")
        logged("module.replaced", times=3)
