"""How a service treats its memory, and how its process ends."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys

import pytest

from mesos_service import memory

ENDS = """
import atexit, sys
from mesos_service.memory import leave_memory

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


def test_b52_what_lives_on_is_not_looked_at() -> None:
    """Within the stretch and after it: what was made meanwhile is not among what the collector goes through."""

    async def scenario() -> None:
        memory.put_off_collections(0.01)
        assert gc.get_threshold()[0] == memory.PUT_OFF_ALLOCATIONS, "it is bounded all the same"
        looks = [one["collections"] for one in gc.get_stats()]
        made = [[number] for number in range(3 * memory.COLLECTIONS[0])]
        assert [one["collections"] for one in gc.get_stats()] == looks
        over = asyncio.Event()
        asyncio.get_running_loop().call_later(0.02, over.set)
        await over.wait()
        assert gc.get_threshold() == memory.COLLECTIONS
        assert gc.get_freeze_count() - frozen >= len(made)

    before = gc.get_threshold()
    gc.collect()
    frozen = gc.get_freeze_count()
    try:
        asyncio.run(asyncio.wait_for(scenario(), 60))
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


def test_b52_a_pass_is_not_interrupted_by_the_collector() -> None:
    """Nothing is collected within, however it ends, up to a bound; and afterwards as often as before."""
    before = gc.get_threshold()
    gc.set_threshold(*memory.COLLECTIONS)
    try:
        looks = [one["collections"] for one in gc.get_stats()]
        with pytest.raises(KeyError), memory.collections_put_off():
            assert gc.get_threshold()[0] == memory.PUT_OFF_ALLOCATIONS, "it is bounded all the same"
            made = [[number] for number in range(3 * memory.COLLECTIONS[0])]
            assert [one["collections"] for one in gc.get_stats()] == looks
            raise KeyError
        assert made[-1]
        assert gc.get_threshold() == memory.COLLECTIONS
    finally:
        gc.set_threshold(*before)
