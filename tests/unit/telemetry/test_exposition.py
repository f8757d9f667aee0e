"""``/metrics``: the same numbers in the form that Prometheus reads, judged by Prometheus' own reader (M-OM-03)."""

from __future__ import annotations

import asyncio
import shutil
import subprocess

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from mesos_service.http.client import Connection
from mesos_service.local import LocalCluster
from mesos_service.telemetry.exposition import SAMPLES_A_SLICE, exposition, exposition_slices

SNAPSHOT = {
    "allocator/mesos/resources/cpus/total": 8.0,
    "frameworks/a%2Fb/messages_received": 9.0,
    "frameworks/a-b/messages_received": 7.0,
    "frameworks/a_b/messages_received": 8.0,
    "master/cpus_total": 8.0,
    "master/frameworks/web%20%22shop%22%0A/m-0000/calls": 3.0,
    "master/frameworks/web%20%22shop%22%0A/m-0000/operations/create": 2.0,
    "master/frameworks/web%20%22shop%22%0A/m-0000/roles/a%2Fb/suppressed": 1.0,
    "master/messages_kill_task": 2.0,
    "master/task_failed/source_executor/reason_x": 4.0,
    "master/tasks_finished": 5.0,
    "master/tasks_running": 6.0,
    "registrar/state_store_ms/p99.9": 1.5,
}


def read(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_m_om_03_names_become_names_and_labels_of_prometheus() -> None:
    framework = (("framework", 'web "shop"\n'), ("framework_id", "m-0000"))
    assert read(exposition(SNAPSHOT)) == {
        ("mesos_allocator_mesos_resources_cpus", ()): 8.0,
        ("mesos_master_cpus", ()): 8.0,
        ("mesos_master_framework_calls_total", framework): 3.0,
        ("mesos_master_framework_operations_create_total", framework): 2.0,
        ("mesos_master_framework_role_suppressed", (*framework, ("role", "a/b"))): 1.0,
        ("mesos_master_messages_kill_task_total", ()): 2.0,
        ("mesos_master_task_failed_source_executor_reason_x_total", ()): 4.0,
        ("mesos_master_tasks_finished_total", ()): 5.0,
        ("mesos_master_tasks_running", ()): 6.0,
        ("mesos_principal_messages_received", (("principal", "a-b"),)): 7.0,
        ("mesos_principal_messages_received", (("principal", "a/b"),)): 9.0,
        ("mesos_principal_messages_received", (("principal", "a_b"),)): 8.0,
        ("mesos_registrar_state_store_ms_p99_9", (("mesos_name", "registrar/state_store_ms/p99.9"),)): 1.5,
    }


def test_m_om_03_m_al_06_each_role_is_one_label_wherever_it_is_in_the_tree() -> None:
    """Mesos' names have the allocator's roles as they are, with slashes and all: they made metrics of their own, and
    two roles could become one."""
    roles = ["a", "a/b", "a/b-c", "a/b_c", "a/roles/b", "roles", "active/active", "r%41", "rA", "a/resources/x/limit"]
    kinds = {
        "roles/{}/shares/dominant": "role_shares_dominant",
        "offer_filters/roles/{}/active": "offer_filters_role_active",
        "quota/roles/{}/resources/cpus/consumed": "quota_role_resources_cpus_consumed",
    }
    names = [f"allocator/mesos/{kind.format(role)}" for kind in kinds for role in roles]
    text = exposition({name: float(number) for number, name in enumerate(names)})
    assert read(text) == {
        (f"mesos_allocator_mesos_{kind}", (("role", role),)): float(number * len(roles) + place)
        for number, kind in enumerate(kinds.values())
        for place, role in enumerate(roles)
    }
    assert text.count(b"# HELP") == len(kinds)
    assert b"offer_filters/roles/ROLE/active\n" in text


@given(
    st.dictionaries(
        st.one_of(st.text(), st.text().map(lambda name: f"master/frameworks/{name}/id/roles/{name}/calls")),
        st.floats(allow_nan=False),
    )
)
def test_whatever_a_framework_is_called_the_text_stays_readable(snapshot: dict[str, float]) -> None:
    assert sorted(read(exposition(snapshot)).values()) == sorted(snapshot.values()), "none takes another one's place"


def test_m_om_03_resources_whose_names_differ_in_odd_characters_stay_apart() -> None:
    """Prometheus drops a whole scrape in which two samples have one name and the same labels."""
    names = [
        f"{before}{odd}{after}"
        for before, after in (("master/", "_used"), ("allocator/mesos/resources/", "/total"))
        for odd in ("a-b", "a_b", "a.b", "a b", "a/b", "a__b", "_a_b", "ä")
    ]
    text = exposition({name: float(number) for number, name in enumerate(names)})
    found = read(text)
    assert sorted(found.values()) == [float(number) for number in range(len(names))]
    assert found["mesos_master_a_b_used", ()] == names.index("master/a_b_used"), "what can be spelled is not labelled"
    assert found["mesos_master_a_b_used", (("mesos_name", "master/a-b_used"),)] == 0
    lines = [line.rpartition(b" ")[0] for line in text.splitlines() if not line.startswith(b"#")]
    assert len(lines) == len(set(lines))


def test_m_om_03_many_samples_of_one_name_come_in_slices_under_one_heading() -> None:
    told = [(f"master/frameworks/f/m-{number}/calls", float(number)) for number in range(1000)]
    slices = list(exposition_slices(one for pair in told for one in (pair, None)))
    assert max(piece.count(b"\n") for piece in slices) <= SAMPLES_A_SLICE + 2
    whole = b"".join(slices)
    assert (whole, whole.count(b"# TYPE"), len(read(whole))) == (exposition(dict(told)), 1, 1000)


def test_m_om_03_prometheus_itself_accepts_what_both_services_tell() -> None:
    promtool = shutil.which("promtool")  # Where it cannot be had, `scripts/install_real_parts.sh` says so.

    async def scenario() -> None:
        async with LocalCluster(1) as cluster:
            for address in (cluster.master, *cluster.agents):
                host, _, port = address.rpartition(":")
                connection = await Connection.open(host, int(port))

                async def told(connection: Connection = connection) -> int:
                    return (await connection.request("GET", "/metrics/snapshot")).body.count(b":")

                while True:
                    before, answer = await told(), await connection.request("GET", "/metrics")
                    if await told() == before:  # Otherwise something happened for the first time.
                        break
                connection.close()
                assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
                assert len(read(answer.body)) == before
                if promtool is not None:
                    judged = await asyncio.to_thread(
                        subprocess.run, (promtool, "check", "metrics"), input=answer.body, capture_output=True
                    )
                    # Its taste in units (_ms, _secs) is not ours to follow: these are Mesos' names.
                    assert judged.returncode in (0, 3), judged.stderr
                    assert b"error" not in judged.stderr, judged.stderr

    asyncio.run(scenario())
