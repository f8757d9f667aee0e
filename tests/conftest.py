"""Fixtures that several rooms of tests share, and options."""

import pytest

from tests.support.postgresql import make_postgresql as make_postgresql
from tests.support.postgresql import postgresql as postgresql
from tests.support.postgresql import postgresql_database as postgresql_database
from tests.support.postgresql import postgresql_url as postgresql_url
from tests.support.zookeeper import make_zookeeper as make_zookeeper
from tests.support.zookeeper import zookeeper as zookeeper


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of our own."""
    parser.addoption("--fault-seed", type=int, default=None, help="play this schedule of faults, and no other")
