"""``mesos-service registry``: what an operator does by hand, and how masters are told where the registry is."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesos_service.cli.main import run
from mesos_service.domain.errors import ConfigurationError
from mesos_service.master.config import MasterConfig
from mesos_service.registrar.interface import Deposed
from mesos_service.registrar.store import SqlStore
from mesos_service.registrar.url import FILE_NAME, file_url, parse_url

SECONDS = 30.0
ZK = "zk://127.0.0.1:2181/mesos"


@pytest.fixture(autouse=True)
def no_registry_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MESOS_REGISTRY", raising=False)


def take(url: str, election: int) -> None:
    store = SqlStore(parse_url(url))
    try:
        store.take(election, f"master-{election}", SECONDS)
    finally:
        store.close()


def test_elections_are_forgotten_and_a_new_ensemble_counts_from_the_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = file_url(tmp_path)
    take(url, 700)
    with pytest.raises(Deposed, match="registry forget-elections"):
        take(url, 3)

    assert run(["registry", "forget-elections", f"--registry={url}"]) == 0
    assert "has forgotten election 700 of master-700" in capsys.readouterr().out
    assert run(["registry", "forget-elections", f"--registry={url}"]) == 0
    assert "knew of no election" in capsys.readouterr().out
    take(url, 3)


@pytest.mark.parametrize(
    ("registry", "status", "sentence"),
    [
        ("in_memory", 2, "what is in memory is gone with its master"),
        ("replicated_log", 2, "Mesos' replicated log is not kept here"),
        ("sqlite:////no/such/directory/registry.sqlite", 1, "cannot be opened"),
    ],
)
def test_a_registry_that_cannot_be_told_to_forget(
    registry: str, status: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["registry", "forget-elections", f"--registry={registry}"]) == status
    assert sentence in capsys.readouterr().err


def test_a_registry_that_was_never_taken_is_left_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["registry", "forget-elections", f"--registry={file_url(tmp_path)}"]) == 1
    assert "no master has ever taken it" in capsys.readouterr().err


def test_masters_that_contend_are_not_started_without_a_word_on_their_registry(tmp_path: Path) -> None:
    """Each would otherwise begin with an empty one, and the agents of the leader before would be unknown."""
    with pytest.raises(ConfigurationError, match=r"^--zk: masters that contend share one registry.*--registry="):
        MasterConfig.load({"zk": ZK, "work_dir": str(tmp_path)})
    assert MasterConfig.load({"zk": ZK, "registry": "in_memory"}).registry == "in_memory"


def test_a_master_alone_keeps_its_registry_in_its_work_directory(tmp_path: Path) -> None:
    config = MasterConfig.load({"work_dir": str(tmp_path)})
    assert config.registry == file_url(tmp_path) and config.registry.endswith(FILE_NAME)
    assert MasterConfig.load({}).registry == "in_memory"
