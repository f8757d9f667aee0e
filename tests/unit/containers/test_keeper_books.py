"""The keeper's books: who reads them after its death knows what runs, whatever the last line looks like (X53)."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mesos_service import containers
from mesos_service.containers import keeper_books
from mesos_service.containers.keeper_books import Books
from mesos_service.containers.keeper_packets import VOICE
from mesos_service.containers.kept import KeeperLink, SpawnFailed
from mesos_service.containers.plan import Streams
from mesos_service.domain.errors import OperatingFault


def entry(pid: int, status: int | None = None) -> dict[str, Any]:  # Any: as the books have it
    return {"pid": pid, "start_ticks": 7, "boot_id": "b", "status": status}


def test_x53_who_reads_them_knows_what_was_kept(tmp_path: Path) -> None:
    path = str(tmp_path / "books")
    books = Books(path)
    for name, pid in (("one", 1), ("two", 2), ("three", 3)):
        books.write(name, entry(pid))
    books.write("two", entry(2, status=256))
    books.write("three", None)
    books.close()
    assert Books(path).entries == {"one": entry(1), "two": entry(2, 256)}


def test_x07_half_a_line_says_nothing_and_spoils_nothing(tmp_path: Path) -> None:
    path = tmp_path / "books"
    books = Books(str(path))
    books.write("one", entry(1))
    books.close()
    path.write_text(path.read_text() + 'no json\n["two", {"pi')
    after = Books(str(path))
    assert (after.entries, after.unreadable) == ({"one": entry(1)}, 1)
    after.write("two", entry(2))
    after.close()
    again = Books(str(path))
    assert (again.entries, again.unreadable) == ({"one": entry(1), "two": entry(2)}, 0)


def test_they_do_not_grow_with_what_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper_books, "BOOKS_LINES_MIN", 10)
    path = tmp_path / "books"
    books = Books(str(path))
    books.write("stays", entry(1))
    for number in range(100):
        books.write(f"{number}", entry(number))
        books.write(f"{number}", entry(number, status=0))
        books.write(f"{number}", None)
    assert len(path.read_text().splitlines()) <= 12
    assert Books(str(path)).entries == {"stays": entry(1)}
    books.close()


def test_a_write_that_fails_is_made_good_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "books"
    books = Books(str(path))
    (tmp_path / "books.new").mkdir()
    with pytest.raises(OSError):
        books.write("one", entry(1))
    (tmp_path / "books.new").rmdir()
    books.write("two", entry(2))
    books.close()
    assert Books(str(path)).entries == {"one": entry(1), "two": entry(2)}


@pytest.mark.parametrize(
    "line", ["5", "null", "[1, 2]", '["x", 5]', '[["x"], {}]', "[null, null]", '["x", {}, 1]', "\x00\x00", "\udcff"]
)
def test_x07_a_line_that_names_nothing_is_counted_and_left_out(tmp_path: Path, line: str) -> None:
    path = tmp_path / "books"
    books = Books(str(path))
    books.write("one", entry(1))
    books.close()
    with path.open("a", encoding="utf-8", errors="surrogateescape") as file:
        file.write(f"{line}\n")
    after = Books(str(path))
    assert (after.entries, after.unreadable) == ({"one": entry(1)}, 1)


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"pid": "1"},
        {**entry(1), "pid": None},
        {**entry(1), "status": "0"},
        {**entry(1), "start_ticks": [7]},
        entry(-1),
    ],
)
def test_x07_an_entry_that_makes_no_sense_counts_as_ended(
    tmp_path: Path, told: dict[str, Any]
) -> None:  # Any: as above
    """Whoever recovers goes on with all others."""
    (tmp_path / "containers.log").write_text(f"{json.dumps(['odd', told])}\n{json.dumps(['gone', entry(1, 256)])}\n")

    async def scenario() -> None:
        link = KeeperLink(tmp_path)
        found = {one.name: one for one in await link.recover()}
        assert found["odd"].exited.result() is None
        assert found["gone"].exited.result() == 256
        await link.close()

    asyncio.run(scenario())


def test_a_packet_that_makes_no_sense_does_not_cost_the_keeper_its_life(tmp_path: Path) -> None:
    """With it would go how everything ends that it keeps."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    streams = Streams(None, nothing, nothing)

    async def scenario() -> None:
        link = KeeperLink(tmp_path)
        sleep = ["/bin/sleep", "60"]
        one = await link.launch("one", sleep, {}, streams, gated=False, survives=True)
        before = link.pid
        assert link._connection is not None
        for packet in (b"{", b"5", b"[]", b"\xff", b'{"large": true}', b'{"do": "launch"}', b'{"do": "reap"}', b"null"):
            link._connection.send(packet)
        with pytest.raises(SpawnFailed):
            await link.launch("bad", [], {}, streams, gated=False, survives=True)
        other = await link.launch("two", sleep, {}, streams, gated=False, survives=True)
        assert link.pid == before
        for kept in (one, other):
            os.kill(kept.pid, signal.SIGKILL)
            assert await kept.exited == signal.SIGKILL
            link.reap(kept)
        await link.close()

    try:
        asyncio.run(asyncio.wait_for(scenario(), 60))
    finally:
        os.close(nothing)


def test_two_agents_do_not_share_a_keeper(tmp_path: Path) -> None:
    """The second would take the first for gone, and destroy what it runs as nobody's."""
    nothing = os.open(os.devnull, os.O_WRONLY)

    async def scenario() -> None:
        first, second = KeeperLink(tmp_path), KeeperLink(tmp_path)
        await first.recover()
        streams = Streams(None, nothing, nothing)
        kept = await first.launch("one", ["/bin/sleep", "60"], {}, streams, gated=False, survives=True)
        with pytest.raises(OperatingFault, match=f"Another agent keeps its containers in --runtime_dir={tmp_path}"):
            await second.recover()
        await second.close()
        os.kill(kept.pid, signal.SIGKILL)
        assert await kept.exited == signal.SIGKILL, "it is the first one's still"
        first.reap(kept)
        await first.close()
        await second.recover()
        await second.close()

    try:
        asyncio.run(asyncio.wait_for(scenario(), 60))
    finally:
        os.close(nothing)


def test_x53_who_had_not_said_that_it_began_when_its_agent_went_never_ran(tmp_path: Path) -> None:
    """It is ended, and the next agent is told so; taken for one that ran, it would be RUNNING first and FAILED then."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    streams = Streams(None, nothing, nothing)
    began = ["/bin/sh", "-c", f"exec {VOICE}>&-; exec sleep 60"]

    async def scenario() -> None:
        first, second = KeeperLink(tmp_path), KeeperLink(tmp_path)
        await first.launch("began", began, {}, streams, gated=False, survives=True, speaks=True)
        silent = first.launch("silent", ["/bin/sleep", "60"], {}, streams, gated=False, survives=True, speaks=True)
        launching = asyncio.create_task(silent)
        # What comes after it is there: so is it.
        await first.launch("later", ["/bin/sleep", "60"], {}, streams, gated=False, survives=True)
        launching.cancel()
        await asyncio.wait([launching])
        keeper_pid = first.pid
        assert keeper_pid is not None
        await first.close()
        found = {kept.name: kept for kept in await second.recover()}
        assert {name: kept.released for name, kept in found.items()} == {"began": True, "silent": False, "later": True}
        assert await found["silent"].exited == signal.SIGKILL
        for name in ("began", "later"):
            assert not found[name].exited.done()
            os.kill(found[name].pid, signal.SIGKILL)
            assert await found[name].exited == signal.SIGKILL
        for kept in found.values():
            second.reap(kept)
        await second.close()
        # It was the first one's child, and so is this process's.
        assert await asyncio.to_thread(os.waitpid, keeper_pid, 0) == (keeper_pid, 0)

    try:
        asyncio.run(asyncio.wait_for(scenario(), 60))
    finally:
        os.close(nothing)


FIRST_PROCESS = """#!{python}
import os, signal, socket, subprocess, time
listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
listener.bind("{folder}/socket")
listener.listen()
keeper = subprocess.Popen(
    ["{python}", "-I", "-S", "{keeper}", "{folder}/books"], close_fds=False,
    preexec_fn=lambda: (os.dup2(listener.fileno(), 3), os.set_inheritable(3, True)),
)
def heeds(name):
    lines = open(f"/proc/{{keeper.pid}}/status").read().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1], 16) >> (signal.SIGTERM - 1) & 1
while keeper.poll() is None and not heeds("SigIgn") and not heeds("SigCgt"):
    time.sleep(0.01)
if {hidden}:
    subprocess.run(["mount", "-t", "tmpfs", "none", "/proc"], check=True)
keeper.send_signal(signal.SIGTERM)
try:
    print(keeper.wait({seconds}))
except subprocess.TimeoutExpired:
    print("still there")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root: a first process of its own")
@pytest.mark.parametrize(
    ("first_process", "hidden", "says"),
    [
        ("systemd", False, "still there"),
        ("systemd-shutdown", False, "0"),
        # As to an agent that is not root where proc(5) is mounted with hidepid.
        ("systemd", True, "still there"),
    ],
)
def test_m_ag_33_it_ends_with_the_machine_and_with_no_service(
    tmp_path: Path, first_process: str, hidden: bool, says: str
) -> None:
    """M-AG-33: systemd sends SIGTERM both to stop a unit and to all that is left when the machine goes down."""
    keeper = Path(containers.__file__).with_name("keeper.py")
    seconds = 1.0 if says == "still there" else 60.0
    program = tmp_path / first_process
    given = {"python": sys.executable, "folder": tmp_path, "keeper": keeper, "hidden": hidden, "seconds": seconds}
    program.write_text(FIRST_PROCESS.format(**given))
    program.chmod(0o755)
    command = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout.strip()) == (0, says), done.stderr


@pytest.mark.parametrize("script", ["keeper", "enter_root"])
def test_what_is_installed_beside_it_takes_no_name_of_the_standard_library(tmp_path: Path, script: str) -> None:
    """A file `json.py` among installed packages would be executed as root, before everything."""
    installed = tmp_path / "site"
    shutil.copytree(Path(containers.__file__).parent, installed / "mesos_service" / "containers")
    (installed / "mesos_service" / "__init__.py").touch()
    for name in ("array", "json", "signal", "socket", "struct", "codecs"):
        (installed / f"{name}.py").write_text(f'open("{tmp_path}/{name}", "w")\n')
    program = installed / "mesos_service" / "containers" / f"{script}.py"
    ended = subprocess.run(
        [sys.executable, "-I", "-S", str(program)], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    # It was given nothing to do, and ends where it looks for that: all that it needs has been imported by then.
    assert ended.returncode == 1
    assert "in main" in ended.stderr or "in <module>\n    main()" in ended.stderr, ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["site"]
