"""Calls that come too fast wait for their turn, or are refused (M-AL-28)."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from mesos_service.master.rate_limits import RateLimit, RateLimiter, RateLimits, parse_rate_limits


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def limiter(qps: float, capacity: int | None = None, clock: Clock | None = None) -> RateLimiter:
    return RateLimiter(RateLimits({"slow": RateLimit(qps, capacity), "free": RateLimit()}), clock or time.monotonic)


def test_m_al_28_a_principal_has_so_many_calls_a_second() -> None:
    clock = Clock()
    limits = limiter(10.0, clock=clock)
    gone = 0
    for _ in range(1000):
        gone += limits.may_go("slow")
        clock.now += 0.01
    assert gone in (99, 100, 101), "in ten seconds"


def test_m_al_28_nothing_is_saved_up() -> None:
    clock = Clock()
    limits = limiter(10.0, clock=clock)
    assert limits.may_go("slow")
    clock.now += 3600.0
    assert [limits.may_go("slow") for _ in range(3)] == [True, False, False]


def test_m_al_28_others_are_not_limited_unless_all_are_together() -> None:
    clock = Clock()
    alone = limiter(1.0, clock=clock)
    assert all(alone.may_go(one) for one in ("free", "other", None) for _ in range(5))
    shared = RateLimiter(RateLimits({"free": RateLimit()}, RateLimit(1.0)), clock)
    assert [shared.may_go(one) for one in ("one", "other", None)] == [True, False, False]
    assert all(shared.may_go("free") for _ in range(5))


def test_m_al_28_who_waits_is_served_in_order_and_on_time() -> None:
    async def scenario() -> None:
        limits = limiter(50.0)
        begun, order = time.monotonic(), []
        assert limits.may_go("slow")

        async def call(number: int) -> None:
            assert await limits.turn("slow") is None
            order.append(number)

        await asyncio.gather(*(call(number) for number in range(10)))
        assert order == list(range(10))
        assert time.monotonic() - begun >= 10 / 50
        assert limits.unprocessed("slow") == 0

    asyncio.run(scenario())


def test_m_al_28_no_more_wait_than_the_capacity_allows() -> None:
    async def scenario() -> None:
        limits = limiter(0.001, 2)
        assert limits.may_go("slow")
        waiting = [asyncio.create_task(limits.turn("slow")) for _ in range(2)]
        await asyncio.sleep(0)
        assert limits.unprocessed("slow") == 2
        assert await limits.turn("slow") == "capacity(2) exceeded"
        assert not limits.may_go("slow"), "nobody passes those who wait"
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert limits.unprocessed("slow") == 1, "what was refused is never processed"

    asyncio.run(scenario())


def test_m_al_28_nobody_waits_for_a_master_that_ends() -> None:
    async def scenario() -> None:
        limits = limiter(1e-9, 3)
        assert limits.may_go("slow")
        waiting = [asyncio.create_task(limits.turn("slow")) for _ in range(3)]
        await asyncio.sleep(0)
        limits.close()
        async with asyncio.timeout(60):
            assert await asyncio.gather(*waiting, limits.turn("slow")) == [None] * 4
        assert limits.may_go("slow") and limits.unprocessed("slow") == 0

    asyncio.run(scenario())


def test_m_al_28_limits_are_read_as_mesos_writes_them() -> None:
    text = json.dumps(
        {
            "limits": [{"principal": "foo", "qps": 55.5, "capacity": 100000}, {"principal": "baz"}],
            "aggregate_default_qps": 333,
            "aggregate_default_capacity": 1000000,
        }
    )
    assert parse_rate_limits(text) == RateLimits(
        {"foo": RateLimit(55.5, 100000), "baz": RateLimit()}, RateLimit(333.0, 1000000)
    )
    assert parse_rate_limits("{}") == RateLimits()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("qps=5", "written in JSON"),
        ("[]", "an object with a list"),
        ('{"limits": {}}', "an object with a list"),
        ('{"limits": [{"qps": 1}]}', "needs a 'principal'"),
        ('{"limits": [7]}', "needs a 'principal'"),
        ('{"limits": [{"principal": "a"}, {"principal": "a"}]}', "'a' has two"),
        ('{"limits": [{"principal": "a", "qps": 0}]}', "'qps' of principal 'a' must be a number above 0"),
        ('{"limits": [{"principal": "a", "qps": NaN}]}', "'qps' of principal 'a'"),
        ('{"limits": [{"principal": "a", "qps": "1"}]}', "'qps' of principal 'a'"),
        ('{"limits": [{"principal": "a", "qps": 1' + "0" * 400 + "}]}", "'qps' of principal 'a'"),
        ('{"limits": [{"principal": "a", "qps": 1, "capacity": -1}]}', "'capacity' of principal 'a'"),
        ('{"limit": []}', "have no 'limit'; there are limits, aggregate"),
        ('{"limits": [{"principal": "a", "qsp": 1}]}', "the limit of principal 'a' has no 'qsp'"),
        ('{"limits": [], "limits": [{"principal": "a", "qps": 1}]}', "name 'limits' twice"),
        ('{"limits": [{"principal": "a", "qps": 5, "qps": 50}]}', "name 'qps' twice"),
        ('{"aggregate_default_qps": -5}', "'aggregate_default_qps' for all others"),
    ],
)
def test_m_al_28_what_are_none_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_rate_limits(text)
