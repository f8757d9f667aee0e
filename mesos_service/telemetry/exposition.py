"""``/metrics``: what ``/metrics/snapshot`` tells, in the form that Prometheus reads (text format 0.0.4).

The same numbers under the same names, made in the same moment; nothing is counted twice. ``master/tasks_running`` is
``mesos_master_tasks_running``. Frameworks, principals and roles, which stand within Mesos' names, become labels.
Counters end in ``_total`` as they do everywhere in Prometheus, and so gauges that end so lose it:
``master/cpus_total`` is ``mesos_master_cpus``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
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
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(snapshot))
    return generate_latest(registry)


class _Collector:
    def __init__(self, snapshot: Mapping[str, float]) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        for mesos_name, value in self._snapshot.items():
            name, labels = _named(mesos_name)
            counted = _COUNTED.match(mesos_name) is not None
            key = f"{name}{_TOTAL}" if counted else name
            family = families.get(key)
            if family is None:
                kind = CounterMetricFamily if counted else GaugeMetricFamily
                family = families[key] = kind(name, f"Mesos' {_general(mesos_name)}", labels=tuple(labels))
            family.add_sample(key, labels, value)
        yield from families.values()


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
    return "mesos_" + _ODD.sub("_", name).strip("_").removesuffix(_TOTAL), labels


def _general(mesos_name: str) -> str:
    if _PRINCIPAL.fullmatch(mesos_name):
        return _PRINCIPAL.sub(r"frameworks/PRINCIPAL/\2", mesos_name)
    if _ALLOCATORS_ROLE.fullmatch(mesos_name):
        return _ALLOCATORS_ROLE.sub(r"\1roles/ROLE/\3", mesos_name)
    return _ROLE.sub("roles/ROLE/", _FRAMEWORK.sub(r"master/frameworks/NAME/ID/\3", mesos_name))
