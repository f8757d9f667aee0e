"""A version is installed once, by `make dist`, and hosts that it fits unpack it; others install its wheels (N21)."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.ansible.test_contract import run_ansible
from tests.house.source import ROOT
from vagrant.releases import VERSION

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="takes root: what is unpacked is root's")


def test_n21_a_host_unpacks_what_is_installed_already(wheelhouse: None, tmp_path: Path) -> None:
    """N21: compiled, by another name than where it was made, and with nothing of the wheels left behind."""
    del wheelhouse
    base = tmp_path / "base"
    base.mkdir()
    (house,) = (ROOT / "dist").glob("mesos-service-*-wheelhouse.tar")
    version = house.name.removeprefix("mesos-service-").removesuffix("-wheelhouse.tar")
    assert version != VERSION
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "mesos_common_address": "127.0.0.1",
        "mesos_common_base_dir": str(base),
        "mesos_common_python": sys.executable,
        "mesos_common_version": version,
        "mesos_common_wheelhouse": str(house),
    }
    hosts = tmp_path / "hosts.yml"
    hosts.write_text(yaml.safe_dump({"all": {"hosts": {"host": variables}}}))
    setup = {"ansible.builtin.setup": {"gather_subset": ["!all", "distribution", "virtual"]}}
    steps = [
        {"ansible.builtin.import_role": {"name": "mesos_common", "tasks_from": name}}
        for name in ("preflight", "release", "verify")
    ]
    playbook = tmp_path / "play.yml"
    playbook.write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": [setup, *steps]}]))
    done = run_ansible("ansible-playbook", "-i", str(hosts), str(playbook))
    assert done.returncode == 0, done.stdout + done.stderr
    release = base / version
    assert [path.name for path in base.iterdir()] == [version]
    checksum = hashlib.sha1(house.read_bytes(), usedforsecurity=False).hexdigest()
    assert (release / ".complete").read_text() == f"{version} {checksum}\n"
    # Not pip: there is none.
    assert not (release / "bin" / "pip").exists()
    (source,) = release.glob("lib/python*/site-packages/mesos_service/__init__.py")
    said = "import mesos_service, sys; print(mesos_service.__file__, mesos_service.__cached__)"
    program = [str(release / "bin" / "python"), "-v", "-c", said]
    started = subprocess.run(program, capture_output=True, text=True, check=True, timeout=60, cwd=base)
    assert started.stdout.split()[0] == str(source)
    # What was compiled there is taken as it is; a service that runs as nobody in particular could not write it.
    assert f"matches {source}" in started.stderr
    assert f"# wrote '{source.parent}" not in started.stderr
    assert f"# code object from '{source}'" not in started.stderr
