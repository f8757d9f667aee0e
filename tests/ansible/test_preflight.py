"""A host or an inventory that cannot work is refused in one sentence that says what to change; nothing is done before.

The roles' own checks run here, against this very machine.
"""

from __future__ import annotations

import hashlib
import re
import runpy
import socket
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from tests.ansible.running import ANSIBLE, run_ansible
from tests.support.certificates import Authority, Certificate

# Any: as YAML has it.
Inventory = dict[str, Any]
FINE = {
    "ansible_connection": "local",
    "ansible_python_interpreter": sys.executable,
    "mesos_common_address": "127.0.0.1",
    "mesos_common_version": "0.1.0",
}


def inventory(masters: int, zookeepers: int) -> Inventory:
    """Groups of so many hosts, all of which are this machine."""
    names = [f"host{number}" for number in range(max(masters, zookeepers, 1))]
    return {
        "all": {
            "hosts": {name: dict(FINE) for name in names},
            "children": {
                "mesos_masters": {"hosts": {name: {} for name in names[:masters]}},
                "zookeeper": {"hosts": {name: {} for name in names[:zookeepers]}},
            },
        }
    }


def refusal(directory: Path, role: str, groups: Inventory, variables: Mapping[str, object]) -> str:
    """What the preflight of ``role`` says to the first host, in one line; empty where it has no objection."""
    hosts = directory / "hosts.yml"
    hosts.write_text(yaml.safe_dump(groups))
    tasks: list[dict[str, object]] = [
        {"ansible.builtin.import_role": {"name": "mesos_common", "tasks_from": "facts"}},
        {"ansible.builtin.import_role": {"name": role, "tasks_from": "preflight"}},
    ]
    play: dict[str, object] = {"hosts": "host0", "gather_subset": ["!all", "distribution", "virtual"], "tasks": tasks}
    playbook = directory / "play.yml"
    playbook.write_text(yaml.safe_dump([play]))
    given = directory / "variables.yml"
    given.write_text(yaml.safe_dump(dict(variables)))
    done = run_ansible("ansible-playbook", "-i", str(hosts), "-e", f"@{given}", str(playbook))
    assert (done.returncode == 0) == ("fatal:" not in done.stdout), done.stdout + done.stderr
    _, _, said = " ".join(done.stdout.replace("''", "'").split()).partition("msg: ")
    return said.partition(" PLAY RECAP")[0] if done.returncode else ""


def refusals(directory: Path, cases: Mapping[str, Mapping[str, object]]) -> dict[str, str]:
    """What the preflight of ``mesos_common`` says to each of many hosts with variables of its own, in one run."""
    groups: Inventory = {"all": {"hosts": {name: {**FINE, **variables} for name, variables in cases.items()}}}
    hosts = directory / "hosts.yml"
    hosts.write_text(yaml.safe_dump(groups))
    play: dict[str, object] = {
        "hosts": "all",
        "gather_facts": False,
        "environment": {"PATH": "{{ faked_path | default(lookup('ansible.builtin.env', 'PATH')) }}"},
        "tasks": [
            # All of them are this machine.
            {"ansible.builtin.setup": {"gather_subset": ["!all", "distribution", "virtual"]}, "run_once": True},
            {"ansible.builtin.import_role": {"name": "mesos_common", "tasks_from": "preflight"}},
        ],
    }
    playbook = directory / "play.yml"
    playbook.write_text(yaml.safe_dump([play]))
    done = run_ansible("ansible-playbook", "-i", str(hosts), str(playbook))
    said = {}
    for part in re.split(r"^(?=\S)", done.stdout, flags=re.MULTILINE):
        if match := re.match(r"fatal: \[(\S+)\]: FAILED! =>(.*)", part, flags=re.DOTALL):
            answer = yaml.safe_load(match[2])
            said[match[1]] = " ".join(str(answer["msg"]).split())
    assert said, done.stdout + done.stderr
    return said


ZK = {"mesos_master_registry": "postgresql://u:p@h/d"}


@pytest.mark.parametrize(
    ("role", "masters", "zookeepers", "variables", "sentence"),
    [
        ("mesos_master", 2, 3, ZK, "The group mesos_masters has 2 hosts: name an odd number of masters, 1, 3 or 5"),
        ("mesos_master", 3, 0, ZK, "There are 3 masters and no ZooKeeper to tell them who leads: put hosts into the"),
        ("mesos_master", 3, 3, {}, "Masters that contend must share one registry: set mesos_master_registry to"),
        ("mesos_agent", 1, 0, {}, "host0 has no master to look for: put hosts into the group zookeeper"),
        ("zookeeper", 1, 2, {}, "The group zookeeper has 2 hosts: name an odd number of servers, 1, 3 or 5"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_n21_what_cannot_work_is_refused_in_a_sentence(
    tmp_path: Path, role: str, masters: int, zookeepers: int, variables: dict[str, object], sentence: str
) -> None:
    assert sentence in refusal(tmp_path, role, inventory(masters, zookeepers), variables)


@pytest.mark.parametrize(
    ("role", "masters", "zookeepers"), [("mesos_master", 1, 0), ("mesos_master", 3, 3), ("zookeeper", 3, 3)]
)
def test_what_can_work_is_not_refused(tmp_path: Path, role: str, masters: int, zookeepers: int) -> None:
    assert refusal(tmp_path, role, inventory(masters, zookeepers), ZK) == ""


def test_n21_a_host_that_cannot_be_reached_stops_the_run_before_anything_is_done(tmp_path: Path) -> None:
    groups = inventory(1, 1)
    away = {"ansible_connection": "ssh", "ansible_port": 1, "ansible_host": "127.0.0.1", "ansible_user": "nobody"}
    groups["all"]["hosts"]["host0"].update(away)
    hosts = tmp_path / "hosts.yml"
    hosts.write_text(yaml.safe_dump(groups))
    done = run_ansible("ansible-playbook", "-i", str(hosts), "--check", "playbooks/site.yml")
    assert done.returncode != 0
    said = " ".join(done.stdout.split())
    assert "host0 (127.0.0.1) cannot be reached: see that it is up" in said, said
    assert "leave it out with --limit" in said
    assert "Install the software everywhere" not in said


def test_n21_a_host_where_nothing_can_be_done_stops_the_run_for_all_before_anything_is_done(tmp_path: Path) -> None:
    """N21: who may not become root there, or finds no Python; the others would be half a cluster."""
    groups = inventory(1, 3)
    groups["all"]["hosts"]["host1"]["ansible_python_interpreter"] = "/nowhere/python3"
    hosts = tmp_path / "hosts.yml"
    hosts.write_text(yaml.safe_dump(groups))
    done = run_ansible("ansible-playbook", "-i", str(hosts), "--check", "playbooks/site.yml")
    assert done.returncode != 0
    said = " ".join(done.stdout.split())
    assert "host1 (host1) can be reached, and nothing can be done there (The module interpreter" in said, said
    assert "fatal: [host0]" not in said
    assert "Install the software everywhere" not in said


def test_n21_one_host_that_is_not_fit_stops_the_run_for_all_before_anything_is_done(tmp_path: Path) -> None:
    """N21: also where it is the role that comes last that cannot work there."""
    fine: Inventory = {
        **FINE,
        "mesos_agent_flags": {"resources": "cpus:1;mem:64"},
        "mesos_agent_master": "127.0.0.1:5050",
    }
    two = {"host0": fine, "host1": {**fine, "mesos_agent_master": ""}}
    groups: Inventory = {"mesos_agents": {"hosts": {name: {} for name in two}}}
    hosts = tmp_path / "hosts.yml"
    hosts.write_text(yaml.safe_dump({"all": {"hosts": two, "children": groups}}))
    done = run_ansible("ansible-playbook", "-i", str(hosts), "--check", "playbooks/site.yml")
    assert done.returncode != 0
    said = " ".join(done.stdout.split())
    assert "host1 has no master to look for" in said, said
    assert "fatal: [host0]" not in said
    assert "Install the software everywhere" not in said


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"prometheus_masters_group": "nobody"}, "The group nobody has no hosts, so host0 would watch nobody"),
        (
            {"prometheus_principal": "eve", "mesos_common_credentials": [{"principal": "ops", "secret": "x1y2z3"}]},
            "prometheus_principal is 'eve', and mesos_common_credentials has nobody of that name",
        ),
    ],
    ids=["nobody to ask", "unknown principal"],
)
def test_a_prometheus_that_could_ask_nobody_is_refused(
    tmp_path: Path, variables: dict[str, object], sentence: str
) -> None:
    said = refusal(tmp_path, "prometheus", inventory(1, 1), variables)
    assert sentence in said
    assert "x1y2z3" not in said


def test_another_program_at_the_port_of_prometheus_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        said = refusal(tmp_path, "prometheus", inventory(1, 1), {"prometheus_port": port})
    assert f"Port {port} of host0 is another program's" in said
    assert "set prometheus_port to one that is free" in said


@pytest.mark.parametrize(
    ("checks", "says"),
    [
        ([{"that": ["1 == 1", "2 == 2"], "fail_msg": "{{ nobody_defined_this }}"}], ""),
        (
            [{"that": "1 == 2", "fail_msg": "{{ who }} is not 2"}, {"that": "2 == 3", "fail_msg": "nor 3"}],
            "one is not 2",
        ),
        ([{"that": ["1 == 1", "who is undefined"], "fail_msg": "one of several"}], "one of several"),
        ([{"when": "who == 'two'", "that": "1 == 2", "fail_msg": "two"}], ""),
        ([{"when": ["who == 'one'", "1 == 1"], "that": "1 == 2", "fail_msg": "when all hold"}], "when all hold"),
        ([{"that": "nobody_defined_this > 1", "fail_msg": "no"}], "'nobody_defined_this' is undefined"),
        ([{"that": "1 == 1", "fail_mgs": "no"}], "each of the_checks has 'that' and 'fail_msg'"),
        ([{"that": "1 == 1"}], "each of the_checks has 'that' and 'fail_msg'"),
        (["1 == 1"], "each of the_checks has 'that' and 'fail_msg'"),
        ([], "the_checks is not a list of checks"),
        (None, "the_checks is not a list of checks"),
    ],
)
def test_n21_checks_stop_at_the_first_that_does_not_hold(tmp_path: Path, checks: object, says: str) -> None:
    """N21: what a role has to object is said as it is written, and a check that is none is no check that holds."""
    task = {"mesos_checks": {"checks": "the_checks"}, "vars": {"the_checks": checks, "who": "one"}}
    playbook = tmp_path / "play.yml"
    playbook.write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": [task]}]))
    done = run_ansible("ansible-playbook", "-i", "localhost,", "-c", "local", "--check", str(playbook))
    assert (done.returncode == 0) == (not says), done.stdout
    assert says in " ".join(done.stdout.replace("''", "'").split())


def test_n21_checks_are_made_by_the_oldest_ansible_that_is_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    """N21: `meta/runtime.yml` promises 2.17, whose templates cannot be asked for conditions (2.19's can)."""

    class Conditional:
        def __init__(self, loader: object) -> None:
            assert loader == "the loader"
            self.when: list[str] = []

        def evaluate_conditional(self, templar: object, variables: dict[str, object]) -> bool:
            return all(bool(eval(one, {}, dict(variables))) for one in self.when)

    monkeypatch.setattr("ansible.playbook.conditional.Conditional", Conditional)
    plugin = runpy.run_path(str(ANSIBLE / "plugins" / "action" / "mesos_checks.py"))["ActionModule"]
    checks = [
        {"when": ["who == 'two'", "nobody"], "that": "0", "fail_msg": "passed over"},
        {"that": ["1", "who == 'one'"], "fail_msg": "holds"},
        {"that": ["1", "who == 'two'"], "fail_msg": "not two"},
    ]
    task = SimpleNamespace(args={"checks": "those"}, async_val=0, check_mode=False, diff=False, no_log=False)
    older = SimpleNamespace(template=lambda text: text)
    connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir="/nowhere"))
    made = plugin(task, connection, SimpleNamespace(check_mode=False), "the loader", older, None)
    assert made.run(task_vars={"those": checks, "who": "one"})["msg"] == "not two"
    assert "failed" not in made.run(task_vars={"those": checks[:2], "who": "one"})


def test_n21_a_server_of_the_ensemble_keeps_its_number(tmp_path: Path) -> None:
    (tmp_path / "myid").write_text("2\n")
    said = refusal(tmp_path, "zookeeper", inventory(1, 3), {"zookeeper_data_dir": str(tmp_path)})
    assert "host0 is server 2 of the ensemble and would become 1: set zookeeper_id" in said


def test_an_archive_that_is_not_the_one_that_was_meant_is_refused(tmp_path: Path) -> None:
    """Before anything of it is unpacked on a host."""
    archive = tmp_path / "otelcol.tar.gz"
    archive.write_bytes(b"a collector")
    meant = hashlib.sha256(b"a collector").hexdigest()
    given = {"otel_collector_backend": "archive", "otel_collector_archive": str(archive), "otel_collector_version": "1"}

    def said(**more: str) -> str:
        return refusal(tmp_path, "otel_collector", inventory(1, 0), given | more)

    assert said(otel_collector_checksum=meant.upper()) == ""
    assert "one of both is not the one that was meant" in said(otel_collector_checksum="0" * 64)
    assert "to what sha256sum says of it" in said(otel_collector_checksum="")
    assert "set it to embedded or archive" in said(otel_collector_backend="jaeger")


def faked(directory: Path, program: str, script: str) -> dict[str, object]:
    """A host on which ``program`` is ``script``."""
    programs = directory / f"bin of {program}"
    programs.mkdir()
    fake = programs / program
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    return {"faked_path": f"{programs}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"}


def wheelhouse_for(python: str, directory: Path) -> Path:
    pythons = directory / "pythons.txt"
    pythons.write_text(f"{python}\n")
    wheelhouse = directory / f"for-{python}-wheelhouse.tar"
    with tarfile.open(wheelhouse, "w") as tar:
        tar.add(pythons, "wheelhouse/pythons.txt")
    return wheelhouse


def tls_cases(directory: Path) -> dict[str, dict[str, object]]:
    """Half of it, credentials for all to read, and certificates that nobody would believe."""
    authority, other = Authority(directory), Authority(directory, "other")
    good, elsewhere = authority.vouch_for("good", "IP:127.0.0.1"), authority.vouch_for("elsewhere", "IP:127.0.0.2")
    somebody: dict[str, object] = {"mesos_common_credentials": [{"principal": "ops", "secret": "x1y2z3"}]}

    def files(certificate: Certificate, key: Path, ca: Path) -> dict[str, object]:
        names = {"cert": certificate.cert_file, "key": key, "ca": ca}
        return {f"mesos_common_tls_{name}": str(path) for name, path in names.items()}

    fine = files(good, good.key_file, authority.ca_file)
    return {
        "tls": fine,
        "tls-no-file": {"mesos_common_tls_cert": "/nowhere/cert.pem"},
        "tls-half": {"mesos_common_tls_key": str(good.key_file)},
        "secrets-in-clear": somebody,
        "agents-unknown": {**somebody, **fine},
        "tls-other-key": files(good, elsewhere.key_file, authority.ca_file),
        "tls-stranger": files(good, good.key_file, other.ca_file),
        "tls-other-address": files(elsewhere, elsewhere.key_file, authority.ca_file),
        "tls-no-key": files(good, good.cert_file, authority.ca_file),
    }


SENTENCES = {
    "no-version": "mesos_common_version is '': set it to the version to",
    "no-address": "mesos_common_address of no-address is 'a.b': set it",
    "no-python": "/nowhere/python on no-python is missing, and 3.11",
    "old-python": "on old-python is 3.9, and 3.11 or newer is needed: install one and point mesos_common_python to it",
    "disk": "MB left and 1000000000 are needed: remove old",
    "full-disk": "The disk of /var/lib on full-disk is full (3 MB left): make room, such as by apt-get clean",
    "half-installed": "Packages on half-installed are half installed, as dpkg --audit there tells: run dpkg",
    "clock": "The clock of clock is off by about -36",
    "no-wheelhouse": "/nowhere.tar is not there: make it with make",
    "other-wheelhouse": "has wheels for Python 3.99, and other-wheelhouse has 3.",
    "names": "and ops.example.net is none: the kernel asks no name server",
    "tls-no-file": "TLS takes three files",
    "tls-half": "TLS takes three files",
    "secrets-in-clear": "without TLS anybody on the network could read them",
    "agents-unknown": "mesos_common_agent_principal is 'agents', and mesos_common_credentials has nobody",
    "tls-other-key": "elsewhere.key is not its key",
    "tls-stranger": "unable to get local issuer certificate",
    "tls-other-address": "address mismatch",
    "tls-no-key": "good.pem cannot serve tls-no-key: Could not read",
}


@pytest.fixture(scope="module")
def said_to_hosts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is said to hosts of which each has something else wrong, and to two that have nothing."""
    directory = tmp_path_factory.mktemp("hosts")
    clients = ["192.0.2.0/24", "2001:db8::/32", "ops.example.net"]
    full = '[ "$3" = /var/lib ] && printf "Avail\\n   3M\\n" || printf "Avail\\n9000M\\n"'
    half = 'printf "The following packages are only half configured:\\n postgresql\\n"'
    python = directory / "python3.9"
    python.write_text("#!/bin/sh\necho python=3.9\n")
    python.chmod(0o755)
    cases: dict[str, Mapping[str, object]] = {
        "fine": {},
        "no-version": {"mesos_common_version": ""},
        "no-address": {"mesos_common_address": "a.b"},
        "no-python": {"mesos_common_python": "/nowhere/python"},
        "old-python": {"mesos_common_python": str(python)},
        "disk": {"mesos_common_disk_free_mb_min": 10**9},
        "full-disk": faked(directory, "df", full),
        "half-installed": faked(directory, "dpkg", half),
        "clock": faked(directory, "date", 'exec /bin/date -d "1 hour ago" "$@"'),
        "no-wheelhouse": {"mesos_common_wheelhouse": "/nowhere.tar"},
        "other-wheelhouse": {"mesos_common_wheelhouse": str(wheelhouse_for("3.99", directory))},
        "names": {"mesos_common_firewall": True, "mesos_common_firewall_clients": clients},
        **tls_cases(directory),
    }
    return refusals(directory, cases)


@pytest.mark.parametrize("host", SENTENCES)
def test_n21_a_host_that_is_not_fit_is_refused_in_a_sentence(said_to_hosts: dict[str, str], host: str) -> None:
    """N21, M-SE-16, M-SE-18: and nobody learns a secret by it."""
    assert SENTENCES[host] in said_to_hosts[host]
    assert "x1y2z3" not in said_to_hosts[host]


def test_n21_a_host_that_is_fit_is_not_refused(said_to_hosts: dict[str, str]) -> None:
    assert said_to_hosts.keys() == SENTENCES.keys()


def test_what_is_needed_to_mend_it_is_said_too(said_to_hosts: dict[str, str]) -> None:
    assert "have it set by NTP" in said_to_hosts["clock"]
    assert "make it with make dist PYTHONS=3." in said_to_hosts["other-wheelhouse"]
