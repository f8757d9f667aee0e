"""The module that writes what a service reads: what it changes, what it refuses, and what it tells nobody (N21)."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from tests.ansible.running import ANSIBLE, run_ansible

Json = dict[str, Any]  # Any: what modules take and answer
ALONE = "import runpy, sys; runpy.run_path(sys.argv.pop(1), run_name='__main__')"
MODULE = ANSIBLE / "plugins" / "modules" / "mesos_files.py"
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="takes root: files are given to others")


def run(*files: Json, check: bool = False, failed: bool = False, **given: Any) -> Json:
    arguments = {"files": list(files), "_ansible_check_mode": check, "_ansible_diff": True, **given}
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(MODULE)],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode != 0) is failed, done.stdout + done.stderr
    answer: Json = json.loads(done.stdout)
    return answer


def test_check_mode_says_what_the_run_does_and_the_second_run_does_nothing(tmp_path: Path) -> None:
    (tmp_path / "1.0").mkdir()
    (tmp_path / "old").write_text("x")
    files: list[Json] = [
        {"path": str(tmp_path / "there"), "state": "directory", "mode": "0750"},
        {"path": str(tmp_path / "there" / "flags"), "content": "a = 1\n", "mode": "0640", "group": "daemon"},
        {"path": str(tmp_path / "link"), "state": "link", "source": str(tmp_path / "1.0")},
        {"path": str(tmp_path / "old"), "state": "absent"},
        {"path": str(tmp_path / "none of our business"), "content": "", "applies": False},
    ]
    expected = [file["path"] for file in files[:4]]
    assert run(*files, check=True)["paths"] == expected
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.0", "old"]
    assert run(*files)["paths"] == expected
    flags = tmp_path / "there" / "flags"
    assert (flags.read_text(), oct(flags.stat().st_mode)[-3:], flags.group()) == ("a = 1\n", "640", "daemon")
    assert (tmp_path / "link").readlink() == tmp_path / "1.0"
    for check in (True, False):
        again = run(*files, check=check)
        assert (again["changed"], again["paths"]) == (False, [])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.0", "link", "there"]


def test_what_somebody_changed_by_hand_is_mended(tmp_path: Path) -> None:
    file = tmp_path / "flags"
    wanted: Json = {"path": str(file), "content": "a\n", "mode": "0640"}
    run(wanted)
    file.write_text("b\n")
    mended = run(wanted)
    assert mended["diff"][0]["before"] == "b\n"
    file.chmod(0o644)
    assert run(wanted, check=True)["paths"] == [str(file)]
    assert oct(file.stat().st_mode)[-3:] == "644"
    assert run(wanted)["paths"] == [str(file)]
    assert (file.read_text(), oct(file.stat().st_mode)[-3:]) == ("a\n", "640")
    os.chown(file, 1, 1)
    run(wanted)
    assert file.stat().st_uid == 0
    file.unlink()
    file.symlink_to("/etc/hostname")
    before = Path("/etc/hostname").read_text()
    run(wanted)
    assert not file.is_symlink()
    assert Path("/etc/hostname").read_text() == before


def test_what_is_refused_leaves_what_is_there(tmp_path: Path) -> None:
    file = tmp_path / "flags"
    file.write_text("good\n")
    wanted: Json = {"path": str(file), "content": "bad\n"}
    said = run({**wanted, "validate": "grep -q good %s"}, failed=True)["msg"]
    assert said.startswith(f"{file} was refused by grep")
    after: Json = {"path": str(tmp_path / "after"), "state": "directory"}
    assert "of somebody who is not there" in run({**wanted, "owner": "nobody-of-that-name"}, after, failed=True)["msg"]
    assert run({**wanted, "path": "flags"}, failed=True)["msg"] == "flags is no absolute path"
    assert "No such file or directory" in run({**wanted, "path": f"{tmp_path}/no/where"}, failed=True)["msg"]
    (tmp_path / "full").mkdir()
    for path, state in (("full", "file"), ("full", "link"), ("full", "absent"), ("flags", "directory")):
        one = {"path": str(tmp_path / path), "state": state, "source": "/", "content": ""}
        assert "nothing was removed" in run(one, failed=True)["msg"]
    link: Json = {"path": str(tmp_path / "link"), "state": "link", "source": str(tmp_path / "0.9")}
    assert f"would name {tmp_path}/0.9, which is not there" in run(link, failed=True)["msg"]
    assert file.read_text() == "good\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["flags", "full"], "something was left lying about"


def test_nothing_is_given_away_that_a_link_was_exchanged_for(tmp_path: Path) -> None:
    """Whose directory it is in may put a link to another's there between the look at it and the giving."""
    module = runpy.run_path(str(MODULE))
    victim, path = tmp_path / "victim", tmp_path / "myid"
    victim.write_text("1\n")
    victim.chmod(0o600)
    path.symlink_to(victim)
    asked = {"path": str(path), "state": "file", "owner": "daemon", "group": "daemon", "mode": "0644"}
    place = module["Place"](SimpleNamespace(check_mode=False), {**asked, "content": "1\n", "encoded": None})
    with pytest.raises((OSError, module["Refused"])):
        place._own()
    # Nor is what it leads to read: it could be shown as a difference.
    with pytest.raises((OSError, module["Refused"])):
        place._file("file")
    status = victim.stat()
    assert (status.st_uid, oct(status.st_mode)[-3:]) == (0, "600")


def test_a_directory_may_be_elsewhere_where_root_says_so(tmp_path: Path) -> None:
    """As a work directory on a larger disk."""
    large, link = tmp_path / "large", tmp_path / "work"
    large.mkdir(0o700)
    link.symlink_to(large)
    wanted: Json = {"path": str(link), "state": "directory", "mode": "0750", "group": "daemon"}
    file: Json = {"path": str(link / "flags"), "content": "a"}
    assert run(wanted, file, check=True)["paths"] == [str(link), str(link / "flags")]
    assert run(wanted, file)["paths"] == [str(link), str(link / "flags")]
    assert (oct(large.stat().st_mode)[-3:], large.group(), (large / "flags").read_text()) == ("750", "daemon", "a")
    assert link.is_symlink()
    assert not run(wanted, file)["changed"]
    os.chown(link, 1, 1, follow_symlinks=False)
    assert "nothing was removed" in run({**wanted, "mode": "0777"}, failed=True)["msg"]
    assert oct(large.stat().st_mode)[-3:] == "750"


@pytest.mark.parametrize("mode", ["416", "u=rw", "640", "0999", "07777777", ""])
def test_a_mode_that_yaml_made_another_is_refused(tmp_path: Path, mode: str) -> None:
    wanted: Json = {"path": str(tmp_path / "flags"), "content": "a", "mode": mode}
    assert "write it in quotes" in run(wanted, failed=True)["msg"]
    assert not list(tmp_path.iterdir())


def test_secrets_are_told_to_nobody(tmp_path: Path) -> None:
    """Neither by a run that shows differences and all that it was given, nor by one that fails."""
    path = str(tmp_path / "secret")
    files = [
        {"path": path, "content": "s3cret-of-ops", "secret": True, "mode": "0600"},
        {"path": path, "state": "link"},
    ]
    task = {"mesos_files": {"files": files}, "name": "Write it"}
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task]}
    playbook = tmp_path / "play.yml"
    playbook.write_text(yaml.safe_dump([play]))
    done = run_ansible(
        "ansible-playbook", "-i", "localhost,", "-e", f"ansible_python_interpreter={sys.executable}", "--diff", "-vvv",
        str(playbook),
    )  # fmt: skip
    assert done.returncode != 0
    assert "is to be a link and is a file" in done.stdout
    assert "s3cret" not in done.stdout + done.stderr
    assert "czNjcmV0" not in done.stdout + done.stderr
    assert (tmp_path / "secret").read_text() == "s3cret-of-ops"


@pytest.mark.parametrize(("password", "shown"), [("", True), (":s3cret-of-ops", False)])
def test_flags_with_a_password_are_no_difference_to_be_shown(tmp_path: Path, password: str, shown: bool) -> None:
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "mesos_common_address": "192.0.2.7",
        "mesos_common_base_dir": str(tmp_path / "base"),
        "mesos_common_config_dir": str(tmp_path / "etc"),
        "mesos_common_version": "9.9",
        "mesos_master_registry": f"postgresql://mesos{password}@192.0.2.7/mesos",
        "mesos_agent_flags": {"master": f"zk://mesos{password}@192.0.2.7:2181/mesos"},
    }
    hosts = tmp_path / "hosts.yml"
    hosts.write_text(yaml.safe_dump({"all": {"hosts": {"host": variables}}}))
    steps = [("mesos_common", "facts"), ("mesos_master", "configure"), ("mesos_agent", "configure")]
    tasks = [{"ansible.builtin.import_role": {"name": name, "tasks_from": step}} for name, step in steps]
    playbook = tmp_path / "play.yml"
    playbook.write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    done = run_ansible("ansible-playbook", "-i", str(hosts), "--check", "--diff", str(playbook))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "s3cret" not in done.stdout + done.stderr
    assert ("+registry = " in done.stdout) is ("+master = " in done.stdout) is shown
    assert "+ExecStart=" in done.stdout


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ``systemctl`` that says what is in the file returned."""
    programs, says = tmp_path / "bin", tmp_path / "says"
    programs.mkdir()
    fake = programs / "systemctl"
    fake.write_text(f"#!/bin/sh\ncat {says}\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return says


def unit(started: float, state: str = "active", reload: str = "no") -> str:
    """What systemd says of a unit that was ``started`` so many seconds ago."""
    since_boot = int((time.clock_gettime(time.CLOCK_MONOTONIC) - started) * 1e6)
    return (
        f"LoadState=loaded\nActiveState={state}\nUnitFileState=enabled\nNeedDaemonReload={reload}\n"
        f"ExecMainStartTimestampMonotonic={since_boot}\n"
    )


def test_what_accepts_a_file_has_the_environment_that_the_service_will_have(tmp_path: Path) -> None:
    """Flags may name a module that imports what only PYTHONPATH leads to; and 1 of YAML is a text there."""
    wanted: Json = {"path": str(tmp_path / "flags"), "content": "a\n", "validate": "sh -c 'test $HERE-$N = yes-1' %s"}
    assert "was refused by sh" in run(wanted, failed=True)["msg"]
    assert not (tmp_path / "flags").exists()
    assert run({**wanted, "environment": {"HERE": "yes", "N": 1}})["changed"]


def test_a_service_that_was_never_restarted_is_noticed(tmp_path: Path, systemd: Path) -> None:
    """N21: an earlier run wrote the flags and broke off. This one has nothing to write, and something to restart."""
    wanted: Json = {"path": str(tmp_path / "flags"), "content": "a\n", "restarts": True}
    other: Json = {"path": str(tmp_path / "other"), "content": "a\n"}
    systemd.write_text(unit(100.0))
    first = run(wanted, other, unit="x.service")
    assert (first["stale"], first["runs"], first["known"]) == (True, True, True)
    again = run(wanted, other, unit="x.service")
    assert (again["changed"], again["stale"], again["paths"]) == (True, True, [])
    os.utime(wanted["path"], (time.time() - 300, time.time() - 300))
    since = run(wanted, other, unit="x.service")
    assert (since["changed"], since["stale"], since["runs"]) == (False, False, True)
    # A clock that was set back must not have it restarted in every run.
    os.utime(wanted["path"], (time.time() + 300, time.time() + 300))
    assert not run(wanted, other, unit="x.service")["changed"]
    systemd.write_text(unit(100.0, state="failed"))
    ended = run(wanted, unit="x.service")
    assert (ended["stale"], ended["runs"]) == (False, False)
    systemd.write_text(unit(100.0, reload="yes"))
    assert not run(wanted, unit="x.service")["runs"]
    systemd.write_text("LoadState=not-found\nActiveState=inactive\n")
    assert not run(wanted, unit="x.service")["known"]


def test_a_service_that_was_never_restarted_is_noticed_also_when_the_host_has_slept(
    tmp_path: Path, systemd: Path
) -> None:
    """systemd's clock stood still meanwhile, and makes the service seem younger than the file; its process is not."""
    wanted: Json = {"path": str(tmp_path / "flags"), "content": "a\n", "restarts": True}
    assert run(wanted)["changed"]
    slept = unit(-100.0)
    systemd.write_text(f"{slept}MainPID=0\n")
    assert not run(wanted, unit="x.service")["stale"]
    systemd.write_text(f"{slept}MainPID={os.getpid()}\n")
    assert run(wanted, unit="x.service")["stale"]
    # A name of a program that could be mistaken for what comes after it; and one that is newer than the file.
    fake = tmp_path / "a) R 1 1"
    fake.symlink_to("/bin/sleep")
    os.utime(wanted["path"], (time.time() - 2, time.time() - 2))
    with subprocess.Popen([str(fake), "60"]) as process:
        systemd.write_text(f"{unit(100.0)}MainPID={process.pid}\n")
        assert not run(wanted, unit="x.service")["stale"]
        process.kill()


def test_a_service_that_was_never_reloaded_is_noticed(tmp_path: Path, systemd: Path) -> None:
    """N21: an earlier run wrote what it was to be told of and broke off; that it was told is what counts."""
    wanted: Json = {"path": str(tmp_path / "certificates"), "content": "a\n", "reloads": True}
    name = f"test-{os.getpid()}.service"
    told = Path(f"/run/{name}.reloaded")
    systemd.write_text(unit(100.0))
    try:
        for changed in (["certificates"], []):
            answer = run(wanted, unit=name)
            assert [Path(path).name for path in answer["paths"]] == changed
            assert (answer["changed"], answer["unread"], answer["stale"]) == (True, True, False)
        told.touch()
        answer = run(wanted, unit=name)
        assert (answer["changed"], answer["unread"]) == (False, False)
        os.utime(told, (time.time() - 50, time.time() - 50))
        assert run(wanted, unit=name)["unread"]
    finally:
        told.unlink(missing_ok=True)
    # Who is started reads everything.
    os.utime(wanted["path"], (time.time() - 300, time.time() - 300))
    assert not run(wanted, unit=name)["unread"]
