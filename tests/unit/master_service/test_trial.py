"""Modules that have changed are tried in a process of their own before they take the place of what runs (N09)."""

from __future__ import annotations

import asyncio
import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mesos_service.domain.errors import ConfigurationError
from mesos_service.master.config import MasterConfig
from mesos_service.master.modules import changed, make_allocator, reload
from mesos_service.master.time_limit import Stopwatch
from mesos_service.master.trial import Candidate, hold_trial
from tests.support.leaping import leap, run_leaping
from tests.support.waiting import until
from tests.unit.core.master.world import World

ALLOCATOR = """
from mesos_service.plugins.loader import ALLOCATORS, load

class Mine(load(ALLOCATORS, "hierarchical")):
    name = "mine"
    version = {version}

    def allocate(self, now, random, *, agents, limit=None, observer=None):
        grants = super().allocate(now, random, agents=agents, limit=limit, observer=observer)
        {body}
"""
FILTER = """
from mesos_service.plugins.offer_filter import OfferFilter

class Own(OfferFilter):
    name = "own"

    def about_{what}):
        return None
"""
GOOD = "return grants"
HANGS = (
    "import signal; assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 10; "
    "signal.setitimer(signal.ITIMER_REAL, 1e-3); exec('while True: pass')"
)
"""For ever, so that the alarm of ten seconds rings; they are over at once, for whoever hangs and for nobody else."""


class Running:
    """A master's world, over a folder with one allocator and one filter that run."""

    def __init__(self, folder: Path, parameters: dict[str, str] | None = None) -> None:
        self.allocator = folder / "allocators" / "mine.py"
        self.filter = folder / "offer_filters" / "own.py"
        for file in (self.allocator, self.filter):
            file.parent.mkdir()
        self.write(GOOD, 1)
        self.filter.write_text(FILTER.format(what="free(self, free"))
        self.config = MasterConfig.model_validate(
            {"allocator": "mine", "modules_dir": str(folder), "offer_filters": "own"}
        )
        self.world = World(options=self.config.options())
        self.world.state.allocator = make_allocator(self.config)

    def write(self, body: str, version: int = 2) -> None:
        self.allocator.write_text(ALLOCATOR.format(body=body, version=version))

    def changed(self) -> list[Candidate]:
        return changed(self.config, self.world.state)

    def again(self) -> bool:
        """What a signal does."""
        tried = self.changed()
        if tried:
            asyncio.run(hold_trial(tried, 10.0))
        return reload(self.config, Stopwatch(), self.world.state, self.world.take, tried)

    @property
    def version(self) -> int:
        found: int = self.world.state.allocator.module.version  # type: ignore[attr-defined]
        return found

    def goes_on(self) -> None:
        self.world.agent()
        scheduler = self.world.framework()
        self.world.settle()
        assert scheduler.offers


@pytest.fixture
def running(tmp_path: Path) -> Running:
    return Running(tmp_path)


def test_n09_what_has_not_changed_is_not_tried_and_what_has_is_and_takes_over(running: Running) -> None:
    assert running.changed() == [] and not running.again()
    running.write(GOOD)
    (found,) = running.changed()
    assert found.listed.name == "mine" and found.listed.file == running.allocator
    assert running.again() and running.version == 2
    assert running.changed() == []
    running.goes_on()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return [*grants, *grants]", "allocate() offered what is not there"),
        ("return []", "allocate() offered []"),
        ("raise KeyError('lost')", "allocate(), line 10, raised KeyError: 'lost'."),
        (HANGS, "allocate(), line 10, did not come back within 10 s"),
        ("import os; os._exit(0)", "ended without an answer, with status 0"),
        ("import os; os.kill(0, 9)", "ended without an answer, with status -9"),
        ("return bytearray(1 << 40)", "raised MemoryError"),
        ("raise KeyError('two\\nlines \\udcff ' + 'x' * 10**6)", "raised KeyError: 'two\\nlines \\udcff xxx"),
        ("raise RuntimeError('two\\nlines \\udcff')", "raised RuntimeError: two lines ?."),
    ],
)
def test_n09_a_new_file_that_does_not_hold_what_its_kind_must_takes_nobodys_place(
    running: Running, body: str, said: str
) -> None:
    """Module, method and reason are said; the one before decides on, until a file is right."""
    running.write(body)
    running.filter.write_text(FILTER.format(what="agent(self, agent, now"))
    with pytest.raises(ConfigurationError) as refused:
        running.again()
    assert said in str(refused.value) and str(running.allocator) in str(refused.value)
    assert running.version == 1 and "about_free" in vars(running.world.state.options.offer_filters["own"])
    running.goes_on()
    running.write(GOOD, 3)
    assert running.again() and running.version == 3
    assert "about_agent" in vars(running.world.state.options.offer_filters["own"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("class {", "SyntaxError"),
        (HANGS, "was not imported within 10 s"),
        ("raise SystemExit(3)", "SystemExit"),
        ("", "has no allocator 'mine'"),
    ],
)
def test_n09_an_import_that_fails_fails_in_the_trial_and_not_in_the_master(
    running: Running, text: str, said: str
) -> None:
    running.allocator.write_text(text)
    tried = running.changed()
    with pytest.raises(ConfigurationError, match="mine") as refused:
        asyncio.run(hold_trial(tried, 10.0))
    assert said in str(refused.value)


def test_n09_a_filter_that_filters_nothing_is_refused_by_name(running: Running) -> None:
    running.filter.write_text(FILTER.format(what="nothing(self"))
    with pytest.raises(ConfigurationError, match=r"offer filter 'own' .*neither about_agent\(\) nor about_free\(\)"):
        running.again()


def test_n09_the_whole_trial_is_bounded_and_nothing_that_a_module_began_is_left(
    running: Running, tmp_path: Path
) -> None:
    noted = tmp_path / "child"
    running.write(
        f"import os, time; child = os.fork(); open({str(noted)!r}, 'a').write(f'{{os.getpid()}} '); time.sleep(1e9)"
    )
    tried = running.changed()

    def both() -> list[int]:
        found = [int(one) for one in noted.read_text().split()] if noted.exists() else []
        return found if len(found) == 2 else []

    async def body() -> list[int]:
        trial = asyncio.ensure_future(hold_trial(tried, 10.0, whole=60.0))
        found = await asyncio.to_thread(until, "the module has a child", both)
        leap(60.0)
        with pytest.raises(ConfigurationError, match=r"did not come to its end within 60 s"):
            await trial
        return found

    processes = run_leaping(body())

    def lives(process: int) -> bool:
        try:
            return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
        except OSError:
            return False

    until("all that it began has ended", lambda: not any(map(lives, processes)))


def test_n09_where_no_process_can_be_begun_that_is_said(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    running.write(GOOD)
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with pytest.raises(ConfigurationError, match=r"mine.py cannot be tried: .*No such file"):
        running.again()
    assert running.version == 1


@contextmanager
def bounded(which: int, most: int) -> Iterator[None]:
    """This process, and those that it begins, may have no more of it."""
    before = resource.getrlimit(which)
    resource.setrlimit(which, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(which, before)


def test_n09_where_no_file_can_be_opened_any_more_that_is_said_and_later_it_is_tried(running: Running) -> None:
    running.write(GOOD)
    tried = running.changed()

    async def body() -> None:
        with bounded(resource.RLIMIT_NOFILE, 3):
            await hold_trial(tried, 10.0)

    with pytest.raises(ConfigurationError, match=r"mine.py cannot be tried: .*Too many open files"):
        asyncio.run(body())
    assert running.version == 1
    assert running.again() and running.version == 2


def test_n09_a_trial_writes_no_file_and_is_held_on_a_full_disk(running: Running) -> None:
    running.write(GOOD)
    tried = running.changed()

    async def body() -> None:
        with bounded(resource.RLIMIT_FSIZE, 0):
            await hold_trial(tried, 10.0)

    asyncio.run(body())
    assert running.again() and running.version == 2


def test_n09_the_loop_is_free_while_a_module_is_tried(running: Running) -> None:
    running.write(HANGS)
    tried = running.changed()

    async def body() -> int:
        trial = asyncio.ensure_future(hold_trial(tried, 10.0))
        turns = 0
        while not trial.done():
            turns += 1
            await asyncio.sleep(0)
        with pytest.raises(ConfigurationError, match="did not come back"):
            trial.result()
        return turns

    assert asyncio.run(body()) > 100


def test_n09_a_file_that_changes_once_more_is_refused_until_it_was_tried(running: Running) -> None:
    running.write(GOOD, 2)
    tried = running.changed()
    running.write(GOOD, 3)
    with pytest.raises(ConfigurationError, match="changed once more while it was read"):
        asyncio.run(hold_trial(tried, 10.0))
    with pytest.raises(ConfigurationError, match="'mine' was changed once more while it was tried"):
        reload(running.config, Stopwatch(), running.world.state, running.world.take, tried)
    assert running.version == 1
    assert running.again() and running.version == 3, "it was imported before, and is tried all the same"


def test_m_mo_01_n09_a_module_of_a_manifest_is_tried_with_its_parameters(tmp_path: Path) -> None:
    """Without them it could not even be made."""
    file = tmp_path / "slack.py"
    text = (
        "from pydantic import BaseModel\nfrom mesos_service.plugins.loader import ALLOCATORS, load\n"
        "class Parameters(BaseModel):\n    slack: float\n"
        "class Slack(load(ALLOCATORS, 'hierarchical')):\n    name = 'org_example_Slack'\n    Config = Parameters\n"
        "    version = {version}\n"
        "    def allocate(self, now, random, **how):\n        assert self.config.slack == 0.25\n"
        "        return super().allocate(now, random, **how)\n"
    )
    file.write_text(text.format(version=1))
    module = {"name": "org_example_Slack", "parameters": [{"key": "slack", "value": "0.25"}]}
    manifest = json.dumps({"libraries": [{"file": str(file), "modules": [module]}]})
    config = MasterConfig.model_validate({"allocator": "org_example_Slack", "modules": manifest, "offer_filters": ""})
    world = World(options=config.options())
    world.state.allocator = make_allocator(config)
    file.write_text(text.format(version=2))
    tried = changed(config, world.state)
    assert [dict(one.listed.parameters) for one in tried] == [{"slack": "0.25"}]
    asyncio.run(hold_trial(tried, 10.0))
    assert reload(config, Stopwatch(), world.state, world.take, tried)
    assert world.state.allocator.module.version == 2  # type: ignore[attr-defined]


def test_n09_a_trial_does_not_look_for_the_service_where_the_master_stands(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of that name in the working directory is somebody else's."""
    other = tmp_path / "elsewhere" / "mesos_service"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("raise SystemExit('not this one')")
    monkeypatch.chdir(other.parent)
    running.write(GOOD)
    assert running.again() and running.version == 2
