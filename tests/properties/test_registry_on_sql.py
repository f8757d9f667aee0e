"""A registry that was stored and loaded again is what the pure operations make, whatever the history (M-HA-02)."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st

from mesos_service.core.registry.operations import (
    AdmitAgent,
    DeactivateAgent,
    ForgetRevocations,
    MarkAgentDrained,
    MarkAgentGone,
    MarkAgentReachable,
    MarkAgentUnreachable,
    Operation,
    PruneAgents,
    PruneFrameworks,
    ReactivateAgent,
    RecordFramework,
    RecordRevocations,
    RemoveAgent,
    RemoveFramework,
    UpdateMachines,
    UpdateQuotas,
    UpdateWeights,
    apply,
)
from mesos_service.core.registry.registry import RegisteredRevocation, Registry
from mesos_service.core.registry.touched import touched
from mesos_service.domain.agents import AgentInfo, Deactivation, Drain
from mesos_service.domain.frameworks import MULTI_ROLE, FrameworkInfo
from mesos_service.domain.ids import AgentId, FrameworkId, RevocationId, Role, TaskId
from mesos_service.domain.machines import Machine, MachineMode, Unavailability, machine_id
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import Quota
from mesos_service.registrar import rows
from mesos_service.registrar.store import SqlStore
from mesos_service.registrar.url import file_url, parse_url

SECONDS = 30.0
K = TypeVar("K", AgentId, FrameworkId, Role, RevocationId)

# Few keys, so that operations meet.
agent_ids = st.sampled_from([AgentId("a"), AgentId("b"), AgentId("ü 'c'")])
framework_ids = st.sampled_from([FrameworkId("f"), FrameworkId("g")])
times = st.floats(min_value=0, max_value=4e9, allow_nan=False)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
agents = st.builds(
    AgentInfo,
    hostname=texts,
    port=st.integers(1, 65535),
    version=texts,
    resources=st.sampled_from([Resources.EMPTY, Resources.parse("cpus:1.5;mem:3;ports:[1-3,7-9];disk(r):4")]),
    capabilities=st.frozensets(st.sampled_from(["MULTI_ROLE", "HIERARCHICAL_ROLE"])),
)
frameworks = st.builds(
    FrameworkInfo,
    name=texts,
    user=texts,
    failover_timeout_seconds=times,
    checkpoint=st.booleans(),
    roles=st.lists(st.sampled_from([Role("r"), Role("s/t")]), unique=True).map(tuple),
    capabilities=st.just(frozenset({MULTI_ROLE})),
    principal=st.none() | st.just("p"),
)
roles = st.sampled_from([Role("r"), Role("s"), Role("ü 'c'")])
revocations = st.builds(
    RegisteredRevocation,
    framework_id=framework_ids,
    task_id=st.sampled_from([TaskId("t"), TaskId("ü 'c'")]),
    agent_id=agent_ids,
    beneficiary=roles,
    at=times,
)
amounts = st.dictionaries(st.sampled_from(["cpus", "mem"]), st.integers(1, 10**12))
quotas = st.builds(Quota, guarantees=amounts, limits=amounts)
graces = st.none() | st.integers(0, 10**12).map(lambda nanoseconds: nanoseconds / 1e9)
drains = st.none() | st.builds(Drain, max_grace_seconds=graces, mark_gone=st.booleans())
deactivations = st.builds(Deactivation, since=times, drain=drains)
machine_ids = st.sampled_from([machine_id("a", None), machine_id("a", "10.0.0.1"), machine_id("ü", None)])
nanoseconds = st.integers(0, 2**63 - 1)
unavailabilities = st.builds(Unavailability, nanoseconds, st.none() | nanoseconds)
machines = st.builds(Machine, st.sampled_from(MachineMode), st.integers(0, 9), unavailabilities)
scheduled = st.lists(st.tuples(machine_ids, machines), max_size=3).map(tuple)
operations: st.SearchStrategy[Operation] = st.one_of(
    st.builds(AdmitAgent, agent_ids, agents),
    st.builds(MarkAgentReachable, agent_ids, agents),
    st.builds(MarkAgentUnreachable, agent_ids, times),
    st.builds(RemoveAgent, agent_ids),
    st.builds(MarkAgentGone, agent_ids, times),
    st.builds(DeactivateAgent, agent_ids, deactivations),
    st.builds(MarkAgentDrained, agent_ids),
    st.builds(ReactivateAgent, agent_ids),
    st.builds(
        UpdateMachines,
        st.lists(st.tuples(machine_ids, machines), max_size=3).map(tuple),
        st.lists(machine_ids).map(tuple),
    ),
    st.builds(PruneAgents, st.lists(agent_ids).map(tuple), st.lists(agent_ids).map(tuple)),
    st.builds(RecordFramework, framework_ids, frameworks, st.integers(1, 2**40)),
    st.builds(RemoveFramework, framework_ids, times),
    st.builds(PruneFrameworks, st.lists(framework_ids).map(tuple)),
    st.builds(RecordRevocations, st.lists(revocations, max_size=3).map(tuple)),
    st.builds(ForgetRevocations, st.lists(revocations.map(lambda one: one.revocation_id), max_size=3).map(tuple)),
    st.builds(UpdateQuotas, st.lists(st.tuples(roles, quotas), max_size=3).map(tuple)),
    st.builds(UpdateWeights, st.lists(st.tuples(roles, st.floats(1e-6, 1e6)), max_size=3).map(tuple)),
)
histories = st.lists(st.lists(operations, max_size=6), max_size=6)


@settings(max_examples=40, deadline=None)
@given(histories)
def test_m_ha_02_a_registry_on_sql_is_what_the_operations_make(history: Sequence[Sequence[Operation]]) -> None:
    expected = Registry()
    with tempfile.TemporaryDirectory() as directory:
        store = SqlStore(parse_url(file_url(Path(directory))))
        store.take(None, "writer", SECONDS)
        for batch in history:
            store.write(batch, SECONDS)
            expected = apply(expected, batch)
        store.close()
        reader = SqlStore(parse_url(file_url(Path(directory))))
        loaded = reader.take(None, "reader", SECONDS)
        reader.close()
    assert loaded == expected
    for since in (loaded.unreachable, loaded.gone, loaded.removed_frameworks):
        assert list(since.values()) == sorted(since.values())


@given(st.lists(operations, max_size=6), st.lists(operations, max_size=6))
def test_only_what_is_touched_changes(before: Sequence[Operation], batch: Sequence[Operation]) -> None:
    old = apply(Registry(), before)
    new = apply(old, batch)
    keys = touched(batch)
    agents_of = [(one.admitted, one.unreachable, one.gone) for one in (old, new)]
    frameworks_of = [(one.frameworks, one.removed_frameworks) for one in (old, new)]
    for earlier, later in zip(*agents_of, strict=True):
        assert _differing(earlier, later) <= keys.agents
    for earlier, later in zip(*frameworks_of, strict=True):
        assert _differing(earlier, later) <= keys.frameworks
    assert _differing(old.quotas, new.quotas) | _differing(old.weights, new.weights) <= keys.roles
    assert _differing(old.revocations, new.revocations) <= keys.revocations
    assert rows.changes(old, old, keys) == ()


def _differing(earlier: Mapping[K, object], later: Mapping[K, object]) -> set[K]:
    return {key for key in earlier.keys() | later.keys() if earlier.get(key) != later.get(key)}
