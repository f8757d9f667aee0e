"""Fixtures that several rooms of tests share."""

from tests.support.zookeeper import make_zookeeper as make_zookeeper
from tests.support.zookeeper import zookeeper as zookeeper
