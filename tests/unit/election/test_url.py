"""Reading where an ensemble is; passwords stay where they are (M-HA-01)."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesos_service.agent.config import AgentConfig
from mesos_service.domain.errors import ConfigurationError
from mesos_service.election.url import ZooKeeperUrl, read_url
from mesos_service.master.config import MasterConfig


def test_servers_path_and_credentials_are_told_apart() -> None:
    url = ZooKeeperUrl.parse("zk://mesos:s:e@cret@h1:2182,[::1]:2183, h3/a/b/")
    assert url.hosts == (("h1", 2182), ("::1", 2183), ("h3", 2181))
    assert (url.path, url.user, url.password) == ("/a/b", "mesos", "s:e@cret")
    assert url.servers == "h1:2182,[::1]:2183,h3:2181"
    assert str(url) == "zk://mesos:***@h1:2182,[::1]:2183,h3:2181/a/b"
    assert "cret" not in repr(url)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("http://h:2181/mesos", "begins with zk://"),
        ("zk://h:2181", "the path is missing"),
        ("zk://h:2181/", "the path is missing"),
        ("zk:///mesos", "no server is named"),
        ("zk://user@h:2181/mesos", "not of the form user:password"),
        ("zk://:hunter2@h:2181/mesos", "not of the form user:password"),
        ("zk://u:hunter2@h:99999/mesos", "port of a server"),
        ("zk://u:hunter2@h:2181:1/x//y", "'/x//y' is no path"),
        ("zk://u:hunter2@h/a/../b", "'/a/../b' is no path"),
        ("zk://u:hunter2@a b:2181/mesos", "host:port"),
    ],
)
def test_what_is_no_such_url_is_refused_without_repeating_it(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as caught:
        ZooKeeperUrl.parse(text)
    assert "hunter2" not in str(caught.value)
    for load in (lambda: MasterConfig.load({"zk": text}), lambda: AgentConfig.load({"master": text, "work_dir": "w"})):
        with pytest.raises(ConfigurationError) as refused:
            load()
        assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("scheme", ["zk://file://", "file://"])
def test_a_url_may_be_in_a_file_which_others_cannot_read(scheme: str, tmp_path: Path) -> None:
    """As in Mesos: whoever may list processes would see a password on the command line."""
    file = tmp_path / "zk"
    file.write_text("zk://u:hunter2@h:2181/mesos\n")
    config = MasterConfig.load({"zk": f"{scheme}{file}", "registry": "in_memory"})
    url = config.zookeeper()
    assert url is not None
    assert url.password == "hunter2"
    assert config.as_flags()["zk"] == "zk://u:***@h:2181/mesos"
    agent = AgentConfig.load({"master": f"{scheme}{file}", "work_dir": str(tmp_path)})
    assert agent.as_flags()["master"] == "zk://u:***@h:2181/mesos"
    with pytest.raises(ValueError, match="cannot read /nowhere"):
        read_url(f"{scheme}/nowhere")


def test_without_a_flag_there_is_no_election() -> None:
    """M-HA-15: one command, and nothing else has to run."""
    assert MasterConfig.load({}).zookeeper() is None
