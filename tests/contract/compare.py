"""Holding answers of ours to recorded ones, save for what is different on purpose."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from tests.contract.derive_shapes import anonymous
from tests.contract.live import Live
from tests.contract.shapes import differences, exchange_shape, recorded

NO_LOG_FILE: Final = "logs go to standard error; there is no log file to name or to read"
NO_FLAG: Final = "flags of parts that this version does not have, and of ours that Mesos does not have"
OWN_NAME: Final = "the name of a framework, and its principal, are its own"
MORE_MEASURED: Final = "more is measured than Mesos' posix isolators measure"

DIFFERENT: Final[Mapping[str, str]] = {
    r"missing log_dir": NO_LOG_FILE,
    r"missing /(master|slave)/log": NO_LOG_FILE,
    r"(missing|extra) flags\..*": NO_FLAG,
    r"extra service_version": "which program answers, beside which Mesos it speaks as",
    r"extra .*statistics\.(processes|threads)": MORE_MEASURED,
    r"missing .*executors\[\]\.executor_info\.(command|resources)": (
        "a command task's executor is built in: it is no program, and costs nothing on top of the task"
    ),
    r"missing .*status\.executor_pid": "a task group's executor is built in: it has no process",
    r"missing completed_frameworks\[\]\.reregistered_time": "the recorded framework had failed over, ours none",
}
"""Differences that are meant, as patterns, and why."""

METRICS_DIFFERENT: Final[Mapping[str, str]] = {
    r"missing registrar/registry_size_bytes": "the registry is tables, whose size nobody asks at each snapshot",
    r"missing registrar/state_store_ms/.*": "so few things were stored that there is nothing to tell of all of them",
    r"(missing|extra) (master/)?frameworks/(<name>|recorded|somebody)/.*": OWN_NAME,
    r"missing master/task_(dropped|error)/source_master/reason_.*": "the recorded framework made mistakes, ours none",
    r"extra master/slaves_recovered.*": "Mesos lists the agents that are waited for, and does not count them",
    r"extra allocator/kernel_compiled": "Mesos' allocator has one kernel only",
    r"extra master/frameworks_starving": "Mesos does not watch who waits for offers",
    r"extra master/allocator_failures": "Mesos' allocator is part of it, and takes it along",
    r"extra (master|slave)/stream_overruns.*": "Mesos does not bound what a slow reader costs",
}


def excused(live: Live, names: Iterable[str]) -> set[str]:
    """Which patterns of ``DIFFERENT`` are needed for these answers."""
    found = {
        str(one)
        for name in names
        if "shape" in recorded()["exchanges"][name]
        for one in differences(live.json(name), exchange_shape(name), rename=anonymous)
    }
    return {pattern for pattern in DIFFERENT if any(re.fullmatch(pattern, one) for one in found)}


def check_body(live: Live, name: str, rename: Callable[[str], str] = anonymous) -> None:
    """The body has the recorded keys, in the recorded order, of the recorded types. ``rename`` makes place-holders of
    keys that are somebody's data."""
    meant = METRICS_DIFFERENT if "metrics-snapshot" in name else DIFFERENT
    found = differences(live.json(name), exchange_shape(name), rename=rename)
    assert [str(one) for one in found if not any(re.fullmatch(pattern, str(one)) for pattern in meant)] == []


def check_head(live: Live, name: str) -> None:
    """Status, header names in order, content type, and the text of refusals."""
    exchange = recorded()["exchanges"][name]
    answer = live.answers[name]
    assert answer.status_code == exchange["status"], answer.text
    assert [key.decode().lower() for key, _ in answer.headers.raw] == [key.lower() for key in exchange["headers"]]
    assert answer.headers.get("content-type") == exchange.get("content_type")
    assert answer.text == exchange.get("text", answer.text)


def check(live: Live, name: str, rename: Callable[[str], str] = anonymous) -> None:
    """Everything about one answer."""
    check_head(live, name)
    if "shape" in recorded()["exchanges"][name]:
        check_body(live, name, rename)
