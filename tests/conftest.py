"""Fixtures that several rooms of tests share, and options."""

import logging
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.support.kernel import by_stretches as by_stretches
from tests.support.kernel import compiled_kernel as compiled_kernel
from tests.support.postgresql import make_postgresql as make_postgresql
from tests.support.postgresql import postgresql as postgresql
from tests.support.postgresql import postgresql_database as postgresql_database
from tests.support.postgresql import postgresql_url as postgresql_url
from tests.support.zookeeper import make_zookeeper as make_zookeeper
from tests.support.zookeeper import zookeeper as zookeeper

# How long one example takes says something of the machine, and nothing of the code.
settings.register_profile(
    "untimed",
    parent=settings.get_profile(settings.get_current_profile_name()),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("untimed")

# Servers of tests are on this machine, whatever proxy it reaches others by.
for _name in ("no_proxy", "NO_PROXY"):
    os.environ[_name] = ",".join(filter(None, (os.environ.get(_name), "127.0.0.1,localhost,::1")))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of our own."""
    parser.addoption("--fault-seed", type=int, default=None, help="play this schedule of faults, and no other")


@pytest.fixture(autouse=True)
def _loggers_as_they_were() -> Iterator[None]:
    """Undo what a test does to the root logger and to ours.

    A main that runs in the test's process sets up logging to the standard error of that moment, which pytest closes
    with the test: every later test of that worker would find complaints in its own, and none of its log records. And a
    benchmark wants to hear of errors only.
    """
    root, ours = logging.getLogger(), logging.getLogger("mesos_service")
    handlers, level, our_level = list(root.handlers), root.level, ours.level
    yield
    ours.setLevel(our_level)
    # pytest puts handlers of its own there for each phase of a test: those that it has by now are kept.
    kept = [handler for handler in root.handlers if type(handler).__module__.startswith("_pytest.")]
    root.handlers[:] = [*kept, *(handler for handler in handlers if handler not in kept)]
    root.setLevel(level)
