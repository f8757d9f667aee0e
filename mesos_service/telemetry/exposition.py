"""``/metrics``: what ``/metrics/snapshot`` tells, in the form that Prometheus reads (text format 0.0.4).

The same numbers under the same names, made in the same moment; nothing is counted twice. ``master/tasks_running`` is
``mesos_master_tasks_running``. Frameworks, principals and roles, which stand within Mesos' names, become labels.
Counters end in ``_total`` as they do everywhere in Prometheus, and so gauges that end so lose it:
``master/cpus_total`` is ``mesos_master_cpus``. A name that cannot be spelled so without loss has a label with the whole
of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

_TOTAL: Final = "_total"
_FRAMEWORK: Final = re.compile(r"master/frameworks/([^/]*)/([^/]+)/(.+)", re.DOTALL)
_PRINCIPAL: Final = re.compile(r"frameworks/([^/]+)/(messages_[a-z]+)")
_ROLE: Final = re.compile(r"(?:^|(?<=/))roles/([^/]+)/")
_ALLOCATORS_ROLE: Final = re.compile(
    r"(allocator/mesos/(?:offer_filters/|quota/)?)roles/(.+)/(active|shares/dominant|resources/[^/]+/[a-z]+)", re.DOTALL
)
"""Here, as in Mesos, a role stands as it is: with slashes where it lies below another one, and nothing quoted."""
_ODD: Final = re.compile(r"[^a-zA-Z0-9_]+")
_UNEVEN: Final = re.compile(r"[^a-zA-Z0-9_/]|//|/$")
"""Where a name, of a resource above all, loses what may tell it from another one: ``a-b`` and ``a_b``."""
_AS_TOLD: Final = "mesos_name"
"""The label that tells them apart nevertheless."""
SAMPLES_A_SLICE: Final = 64
_COUNTED: Final = re.compile(
    r"""
    (master|slave)/(
        messages_ | (in)?valid_ | stream_overruns
        | slave_(registrations|reregistrations|removals|unreachable_) | recovery_slave_removals
        | tasks?_(dropped|error|failed|finished|gone|gone_by_operator|killed|lost)(/|$)
        | executors_terminated | container_launch_errors
    )
    | traces/(spans_(forgotten|received|rejected|repeated)|requests_)
    | master/frameworks/[^/]*/[^/]+/(calls|events|offers|operations|tasks/terminal)(/|$)
    """,
    re.VERBOSE,
)
"""Names of what only grows while a service runs."""


def exposition(snapshot: Mapping[str, float]) -> bytes:
    """The text for Prometheus, of the type ``text/plain; version=0.0.4``."""
    return b"".join(exposition_slices(snapshot.items()))


def exposition_slices(told: Iterable[tuple[str, float] | None]) -> Iterator[bytes]:
    """The same in pieces, for who lets others have a turn in between; a ``None`` is work that had to be done first.

    A piece is empty as long as names are gathered: all of one family stand together.
    """
    families: dict[str, _Family] = {}
    for steps, one in enumerate(told, 1):
        if one is not None:
            _gather(families, *one)
        if steps % SAMPLES_A_SLICE == 0:
            yield b""
    for family in families.values():
        yield from family.slices()


@dataclass(slots=True)
class _Family:
    """What stands under one name."""

    metric: Metric
    told: set[tuple[tuple[str, str], ...]] = field(default_factory=set)
    """By which labels."""

    def slices(self) -> Iterator[bytes]:
        whole = self.metric
        for first in range(0, len(whole.samples), SAMPLES_A_SLICE):
            part = Metric(whole.name, whole.documentation, whole.type)
            part.samples = whole.samples[first : first + SAMPLES_A_SLICE]
            registry = CollectorRegistry(auto_describe=False)
            registry.register(_One(part))
            text = generate_latest(registry)
            # What it is and of which kind is said once.
            yield text if first == 0 else text.split(b"\n", 2)[2]


class _One:
    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterator[Metric]:
        yield self._metric


def _gather(families: dict[str, _Family], mesos_name: str, value: float) -> None:
    name, labels = _named(mesos_name)
    counted = _COUNTED.match(mesos_name) is not None
    key = f"{name}{_TOTAL}" if counted else name
    family = families.get(key)
    if family is None:
        kind = CounterMetricFamily if counted else GaugeMetricFamily
        family = families[key] = _Family(kind(name, f"Mesos' {_general(mesos_name)}"))
    if tuple(labels.items()) in family.told:
        labels[_AS_TOLD] = mesos_name
    family.told.add(tuple(labels.items()))
    family.metric.add_sample(key, labels, value)


def _named(mesos_name: str) -> tuple[str, dict[str, str]]:
    labels: dict[str, str] = {}
    name = mesos_name
    of_framework = _FRAMEWORK.fullmatch(name)
    if of_framework is not None:
        labels["framework"], labels["framework_id"] = unquote(of_framework[1]), of_framework[2]
        name = f"master/framework/{of_framework[3]}"
    of_principal = _PRINCIPAL.fullmatch(name)
    if of_principal is not None:
        # Two whom only odd characters tell apart would be one in a name.
        labels["principal"] = unquote(of_principal[1])
        name = f"principal/{of_principal[2]}"
    of_role = _ALLOCATORS_ROLE.fullmatch(name)
    if of_role is not None:
        labels["role"] = of_role[2]
        name = f"{of_role[1]}role/{of_role[3]}"
    elif (of_role := _ROLE.search(name)) is not None:
        labels["role"] = unquote(of_role[1])
        name = f"{name[: of_role.start()]}role/{name[of_role.end() :]}"
    if _UNEVEN.search(name):
        labels[_AS_TOLD] = mesos_name
    return "mesos_" + _ODD.sub("_", name).strip("_").removesuffix(_TOTAL), labels


def _general(mesos_name: str) -> str:
    if _PRINCIPAL.fullmatch(mesos_name):
        return _PRINCIPAL.sub(r"frameworks/PRINCIPAL/\2", mesos_name)
    if _ALLOCATORS_ROLE.fullmatch(mesos_name):
        return _ALLOCATORS_ROLE.sub(r"\1roles/ROLE/\3", mesos_name)
    return _ROLE.sub("roles/ROLE/", _FRAMEWORK.sub(r"master/frameworks/NAME/ID/\3", mesos_name))
