"""The collection's modules against a real master: what they change, what they leave, and what check mode says (N21)."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import uvloop
import yaml

from mesos_service.local import AgentSpec, LocalCluster
from tests.ansible.running import ANSIBLE, BIN, run_ansible
from tests.support.certificates import Authority

Json = dict[str, Any]  # Any: JSON documents, and what modules take
MODULES = sorted(path.stem for path in (ANSIBLE / "plugins" / "modules").glob("*.py"))
OF_ROLES = ("mesos_checks", "mesos_files")
"""Those that are not about what masters know."""
LOCALLY = ("localhost", "-i", "localhost,", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}")
# As Ansible starts a module on a host, without the seconds that it takes to get there.
ALONE = "import runpy, sys; runpy.run_path(sys.argv.pop(1), run_name='__main__')"


class Operator:
    """Runs one module after another on a cluster of one agent; ``folder`` holds the collection."""

    def __init__(self, cluster: LocalCluster, folder: Path) -> None:
        self.cluster = cluster
        self._folder = folder

    async def run(self, module: str, check: bool = False, failed: bool = False, **arguments: Any) -> Json:
        given = {"masters": ["127.0.0.1:1", self.cluster.master], "_ansible_check_mode": check, **arguments}
        file = ANSIBLE / "plugins" / "modules" / f"{module}.py"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", ALONE, str(file)),
            env={**os.environ, "PYTHONPATH": str(self._folder)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(json.dumps({"ANSIBLE_MODULE_ARGS": given}).encode()), 60)
        assert (process.returncode != 0) is failed, out.decode() + err.decode()
        answer: Json = json.loads(out)
        return answer

    async def converges(self, module: str, **arguments: Any) -> Json:
        """Check mode says what the run then does, and the second run does nothing."""
        assert (await self.run(module, check=True, **arguments))["changed"]
        done = await self.run(module, **arguments)
        assert done["changed"], "check mode has changed something"
        assert not (await self.run(module, **arguments))["changed"]
        assert not (await self.run(module, check=True, **arguments))["changed"]
        return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where Python finds the collection, as it is in this checkout."""
    path = tmp_path_factory.mktemp("path")
    place = path / "ansible_collections" / "mesos_service"
    place.mkdir(parents=True)
    (place / "cluster").symlink_to(ANSIBLE)
    return path


def test_quota_weights_drain_and_maintenance_converge(folder: Path) -> None:
    async def scenario() -> None:
        async with LocalCluster([AgentSpec(resources="cpus:2;mem:512")]) as cluster:
            operator = Operator(cluster, folder)
            assert cluster.master_service is not None
            state = cluster.master_service.state

            await operator.converges(
                "mesos_quota", role="web", guarantees={"cpus": 1.5}, limits={"cpus": 2, "mem": 512}
            )
            assert dict(state.quotas[next(iter(state.quotas))].guarantees) == {"cpus": 1500}
            refused = await operator.run("mesos_quota", failed=True, role="web", guarantees={"cpus": 99})
            assert "exceed cluster capacity" in refused["msg"]
            await operator.converges("mesos_quota", role="web", state="absent")
            assert not state.quotas

            await operator.converges("mesos_weights", weights={"web": 2, "batch": 0.5})
            refused = await operator.run("mesos_weights", failed=True, weights={"web": -1})
            assert "Weights must be positive" in refused["msg"]

            agent = (await operator.converges("mesos_drain", agent="127.0.0.1", grace=1.5))["agent"]
            assert [one.drained for one in state.deactivated.values()] == [True]
            await operator.converges("mesos_drain", agent=agent, state="active")
            await operator.converges("mesos_drain", agent=agent, state="deactivated")
            await operator.converges("mesos_drain", agent=agent, state="active")
            assert not state.deactivated
            refused = await operator.run("mesos_drain", failed=True, agent="nobody")
            assert "0 registered agents are called 'nobody'" in refused["msg"]

            plan: Json = {"machines": ["web7", "web8@10.0.0.8"], "start": 1896076800, "duration": 3600}
            await operator.converges("mesos_maintenance", state="scheduled", **plan)
            assert len(state.machines) == 2
            await operator.converges("mesos_maintenance", state="down", machines=["web7"])
            refused = await operator.run("mesos_maintenance", failed=True, state="scheduled", machines=["@"])
            assert "names no machine" in refused["msg"]
            await operator.converges("mesos_maintenance", state="up", machines=["web7", "web8@10.0.0.8"])
            assert not state.machines

    uvloop.run(asyncio.wait_for(scenario(), 500))


def test_a_master_that_does_not_answer_is_named() -> None:
    done = subprocess.run(
        [
            *(str(BIN / "ansible"), *LOCALLY, "-m", "mesos_weights"),
            *("-a", json.dumps({"masters": ["127.0.0.1:1"], "weights": {"a": 1}})),
        ],
        cwd=ANSIBLE,
        env={**os.environ, "ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg"), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode != 0
    assert "127.0.0.1:1 does not answer" in " ".join(done.stdout.split())


def test_modules_prove_who_asks_and_show_no_secret(tmp_path: Path, folder: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.write_text("ops s3cret-of-ops\n")
    credentials.chmod(0o600)

    async def scenario() -> None:
        flags = {"credentials": str(credentials), "authenticate_http_readwrite": True}
        async with LocalCluster(0, master_flags=flags) as cluster:
            operator = Operator(cluster, folder)
            refused = await operator.run("mesos_weights", failed=True, weights={"a": 2})
            assert "refuses GET_WEIGHTS: 401" in refused["msg"]
            who: Json = {"principal": "ops", "secret": "s3cret-of-ops"}
            assert "s3cret" not in json.dumps(await operator.run("mesos_weights", weights={"a": 2}, **who))

    uvloop.run(asyncio.wait_for(scenario(), 200))


def test_m_se_16_m_se_18_agents_are_listed_over_https_to_who_proves_who_he_is(tmp_path: Path) -> None:
    """M-SE-16, M-SE-18: the dynamic inventory, its secret from the environment; who is not believed hears nothing."""
    authority = Authority(tmp_path)
    made = authority.vouch_for("localhost", "IP:127.0.0.1")
    credentials = tmp_path / "credentials"
    credentials.write_text("ops s3cret-of-ops\n")
    credentials.chmod(0o600)
    tls = {"ssl_cert_file": made.cert_file, "ssl_key_file": made.key_file, "ssl_ca_file": authority.ca_file}
    flags = {**tls, "credentials": credentials, "authenticate_agents": True, "authenticate_http_readonly": True}
    flags["authenticate_http_readwrite"] = True
    file = tmp_path / "mesos_agents.yml"

    async def listed(master: str, secret: str | None, **options: object) -> tuple[str, str]:
        file.write_text(yaml.safe_dump({"plugin": "mesos_agents", "masters": [master], "tls": True, **options}))
        environment = {**os.environ, "ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg"), "NO_COLOR": "1"}
        if secret is not None:
            environment |= {"MESOS_INVENTORY_PRINCIPAL": "ops", "MESOS_INVENTORY_SECRET": secret}
        process = await asyncio.create_subprocess_exec(
            *(str(BIN / "ansible-inventory"), "-i", str(file), "--list"),
            cwd=ANSIBLE,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), 100)
        return out.decode(), " ".join(err.decode().split())

    async def scenario() -> None:
        spec = [AgentSpec(resources="cpus:1;mem:64", attributes="rack:r1")]
        async with LocalCluster(spec, master_flags=flags) as cluster:
            ca: Json = {"ca_path": str(authority.ca_file)}
            out, err = await listed(cluster.master, "s3cret-of-ops", **ca)
            assert json.loads(out)["mesos_agents_active"]["hosts"] == ["127.0.0.1"], err
            assert "mesos_rack_r1" in json.loads(out)
            for secret, options, why in (
                (None, ca, "401"),
                ("wr0ng", ca, "401"),
                ("s3cret-of-ops", {}, "CERTIFICATE_VERIFY_FAILED"),
            ):
                out, err = await listed(cluster.master, secret, **options)
                assert "mesos_agents_active" not in json.loads(out)
                assert "no master says which agents there are" in err
                assert why in err
                assert not {"wr0ng", "s3cret-of-ops"} & set(err.split())

    uvloop.run(asyncio.wait_for(scenario(), 500))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collection as others install it."""
    folder = tmp_path_factory.mktemp("collection")
    built = run_ansible("ansible-galaxy", "collection", "build", "--output-path", str(folder))
    assert built.returncode == 0, built.stderr
    (archive,) = folder.glob("*.tar.gz")
    done = run_ansible("ansible-galaxy", "collection", "install", "--offline", "-p", str(folder), str(archive))
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("name", MODULES)
def test_an_installed_module_is_documented(installed: Path, name: str) -> None:
    done = subprocess.run(
        [str(BIN / "ansible-doc"), "-t", "module", "-j", f"mesos_service.cluster.{name}"],
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(installed), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    page = json.loads(done.stdout)[f"mesos_service.cluster.{name}"]
    assert page["examples"]
    options = page["doc"]["options"]
    if name not in OF_ROLES:
        assert {"masters", "principal", "secret", "tls"} <= set(options)
    assert page["doc"]["attributes"]["check_mode"]["support"] == "full"
    # What it takes is what is written of it.
    kind = "action" if name == "mesos_checks" else "modules"
    source = (ANSIBLE / "plugins" / kind / f"{name}.py").read_text(encoding="utf-8")
    assert all(f'"{option}"' in source or option in _COMMON for option in options)


def test_an_installed_collection_has_its_playbooks_and_finds_its_roles(installed: Path, tmp_path: Path) -> None:
    """As others run it, far from this checkout; what cannot work is refused there too."""
    hosts = tmp_path / "hosts.yml"
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "mesos_common_version": "1"}
    two = {f"host{number}": {**host, "mesos_common_address": "127.0.0.1"} for number in range(2)}
    names: Json = {"hosts": {name: {} for name in two}}
    groups = {"mesos_masters": names, "zookeeper": {"hosts": {"host0": {}}}}
    hosts.write_text(yaml.safe_dump({"all": {"hosts": two, "children": groups}}))
    done = subprocess.run(
        [str(BIN / "ansible-playbook"), "-i", str(hosts), "--check", "mesos_service.cluster.site"],
        cwd=tmp_path,
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(installed), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode != 0
    assert "The group mesos_masters has 2 hosts: name an odd number of masters" in " ".join(done.stdout.split())
    assert "mesos_service.cluster.mesos_master" in done.stdout
    # What writes the roles' files is found there too.
    role = {"name": "mesos_service.cluster.mesos_agent", "tasks_from": "configure"}
    common = {"name": "mesos_service.cluster.mesos_common", "tasks_from": "facts"}
    tasks = [{"ansible.builtin.import_role": one} for one in (common, role)]
    alone = tmp_path / "alone.yml"
    alone.write_text(yaml.safe_dump([{"hosts": "host0", "gather_facts": False, "tasks": tasks}]))
    written = subprocess.run(
        [str(BIN / "ansible-playbook"), "-i", str(hosts), "--check", str(alone)],
        cwd=tmp_path,
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(installed), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert written.returncode == 0, written.stdout + written.stderr
    assert "changed=1" in written.stdout
    for playbook in ("verify", "upgrade", "reset"):
        assert (installed / f"ansible_collections/mesos_service/cluster/playbooks/{playbook}.yml").exists()


_COMMON = frozenset({"masters", "tls", "ca_path", "principal", "secret", "timeout"})
