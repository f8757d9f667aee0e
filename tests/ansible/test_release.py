"""A version is installed once, by `make dist`, and hosts that it fits unpack it; others install its wheels (N21)."""

from __future__ import annotations

import hashlib
import io
import os
import re
import socket
import subprocess
import sys
import sysconfig
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

import mesos_service
from tests.ansible.running import run_ansible
from tests.house.source import ROOT
from vagrant.releases import VERSION

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="takes root: what is unpacked is root's")


def install(
    place: Path, base: Path, version: str, house: Path | None, *more: str, index: str = ""
) -> subprocess.CompletedProcess[str]:
    """Have this machine be the host; ``more`` are steps of the role or options."""
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "mesos_common_address": "127.0.0.1",
        "mesos_common_base_dir": str(base),
        "mesos_common_python": sys.executable,
        "mesos_common_version": version,
        "mesos_common_wheelhouse": str(house or ""),
        "mesos_common_index_url": index,
    }
    hosts = place / "hosts.yml"
    hosts.write_text(yaml.safe_dump({"all": {"hosts": {"host": variables}}}))
    setup = {"ansible.builtin.setup": {"gather_subset": ["!all", "distribution", "virtual"]}}
    steps = [
        {"ansible.builtin.import_role": {"name": "mesos_common", "tasks_from": name}}
        for name in ("preflight", "release", *(name for name in more if not name.startswith("-")))
    ]
    playbook = place / "play.yml"
    playbook.write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": [setup, *steps]}]))
    options = [name for name in more if name.startswith("-")]
    return run_ansible("ansible-playbook", "-i", str(hosts), *options, str(playbook))


def a_release(place: Path, program: str) -> Path:
    """The wheelhouse of a version 9.9 without wheels, and beside it one that is installed, with this program."""
    house = place / "mesos-service-9.9-wheelhouse.tar"
    with tarfile.open(house, "w") as archive:
        said = f"{sys.version_info.major}.{sys.version_info.minor}\n".encode()
        add(archive, "wheelhouse/pythons.txt", said)
    checksum = hashlib.sha1(house.read_bytes(), usedforsecurity=False).hexdigest()[:12]
    abi = sysconfig.get_config_var("SOABI")
    with tarfile.open(place / f"mesos-service-9.9-installed-{abi}-{checksum}.tar.gz", "w:gz") as archive:
        add(archive, "bin/mesos-service", f"#!/where/it/was/made\n{program}\n".encode())
        add(archive, "lib/mark", b"")
    return house


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o755
    archive.addfile(member, io.BytesIO(content))


def test_n21_what_is_installed_and_does_not_run_here_is_not_called_whole(tmp_path: Path) -> None:
    """As what was compiled for a newer C library than the host's; and what runs is taken, over what was left."""
    base = tmp_path / "base"
    base.mkdir()
    house = a_release(tmp_path, "import not_for_this_host")
    done = install(tmp_path, base, "9.9", house)
    assert done.returncode != 0
    assert "not_for_this_host" in done.stdout
    assert not (base / "9.9" / ".complete").exists()
    house = a_release(tmp_path, "print('9.9')")
    done = install(tmp_path, base, "9.9", house)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [path.name for path in base.iterdir()] == ["9.9"]
    assert (base / "9.9" / ".complete").read_text().startswith("9.9 ")


def test_n21_a_first_run_in_check_mode_changes_nothing(tmp_path: Path) -> None:
    base = tmp_path / "base"
    house = a_release(tmp_path, "print('9.9')")
    done = install(tmp_path, base, "9.9", house, "--check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not base.exists()


@contextmanager
def serving(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """A web server for ``folder`` on loopback: its address, and the paths that it is asked for."""
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, request: socket.socket, client: tuple[str, int], server: ThreadingHTTPServer) -> None:
            super().__init__(request, client, server, directory=str(folder))

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            asked.append(self.path)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, name="index")
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def test_n21_a_host_installs_from_the_index_that_a_variable_names(
    wheelhouse: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N21: with all that it depends on, and from nowhere else; of an index that has not got it pip's words are told."""
    del wheelhouse
    # Whatever else this machine's pip would look at.
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    base, index = tmp_path / "base", tmp_path / "simple"
    base.mkdir()
    version = mesos_service.__version__
    with tarfile.open(ROOT / "dist" / f"mesos-service-{version}-wheelhouse.tar") as archive:
        for member in archive.getmembers():
            content = archive.extractfile(member)
            if content is not None and member.name.endswith(".whl"):
                name = Path(member.name).name
                project = index / re.sub(r"[-_.]+", "-", name.partition("-")[0]).lower()
                project.mkdir(parents=True, exist_ok=True)
                (project / name).write_bytes(content.read())
    with serving(tmp_path) as (address, asked):
        nowhere = install(tmp_path, base, "9.9", None, index=f"{address}/simple")
        assert nowhere.returncode != 0
        assert "No matching distribution found for mesos-service==9.9" in nowhere.stdout
        assert not (base / "9.9" / ".complete").exists()
        done = install(tmp_path, base, version, None, "verify", index=f"{address}/simple")
        assert done.returncode == 0, done.stdout + done.stderr
    assert (base / version / ".complete").read_text().startswith(f"{version} ")
    taken = {path.rpartition("/")[2] for path in asked if path.endswith(".whl")}
    assert {"mesos_service", "numpy", "uvloop"} <= {name.partition("-")[0] for name in taken}


def test_n21_a_host_unpacks_what_is_installed_already(wheelhouse: None, tmp_path: Path) -> None:
    """N21: compiled, by another name than where it was made, and with nothing of the wheels left behind."""
    del wheelhouse
    base = tmp_path / "base"
    base.mkdir()
    version = mesos_service.__version__
    house = ROOT / "dist" / f"mesos-service-{version}-wheelhouse.tar"
    assert version != VERSION
    done = install(tmp_path, base, version, house, "verify")
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
