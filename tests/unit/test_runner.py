"""How a service's process ends."""

from __future__ import annotations

import subprocess
import sys

import pytest

ENDS = """
import atexit, sys
from mesos_service.runner import leave_memory

class Record:
    def __del__(self):
        print("taken apart")

class Service:
    def __init__(self):
        self.records = [Record(), Record()]
        self.itself = self

service = Service()
atexit.register(print, "told at the exit")
if sys.argv[1] == "leave":
    leave_memory(service)
sys.exit(3)
"""


@pytest.mark.parametrize(("how", "said"), [("keep", ["taken apart"] * 2), ("leave", [])])
def test_a82_what_a_service_remembers_goes_with_its_process(how: str, said: list[str]) -> None:
    """No record is taken apart by itself; what else is to happen at an exit does, and the status is what it was."""
    ended = subprocess.run(
        [sys.executable, "-c", ENDS, how], stdout=subprocess.PIPE, text=True, timeout=120, check=False
    )
    assert ended.returncode == 3
    assert ended.stdout.splitlines() == ["told at the exit", *said]
