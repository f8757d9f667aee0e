"""A scheduler of the SDK against a master in small: its calls, and what it does with events."""

from __future__ import annotations

import asyncio

import pytest

from mesos_service.sdk.errors import CallRefused, NotConnected, SubscriptionEnded
from mesos_service.sdk.scheduler import Scheduler
from mesos_service.sdk.tasks import available, custom_executor, default_executor, launch, launch_group, resources, task
from mesos_service.wire.agents import MasterInfo
from mesos_service.wire.offers import Offer
from tests.unit.sdk.fake_server import Answer, fake_master
from tests.unit.sdk.recording import OFFER, STATUS, Recording, in_loop, running


def test_m_sc_01_it_subscribes_as_its_defaults_say() -> None:
    async def test() -> None:
        async with fake_master() as master:
            scheduler = Recording(master.address, roles=["a", "b"], suppressed_roles=["b"], user="me")
            async with running(scheduler):
                await scheduler.heard("subscribed")
            headers, call = master.calls[0]
            assert headers.stream_id is None
            assert (headers.content_type, headers.accept) == ("application/json", "application/json")
            info = call["subscribe"]["framework_info"]
            assert "framework_id" not in call
            assert "id" not in info
            assert "role" not in info
            assert info["roles"] == ["a", "b"]
            assert info["user"] == "me"
            assert info["failover_timeout"] == 604800.0
            assert [one["type"] for one in info["capabilities"]] == ["PARTITION_AWARE", "MULTI_ROLE"]
            assert call["subscribe"]["suppressed_roles"] == ["b"]
            assert scheduler.framework_id == "F1"

    in_loop(test())


def test_m_se_02_to_06_every_event_reaches_its_handler() -> None:
    async def test() -> None:
        async with fake_master() as master:
            scheduler = Recording(master.address)
            async with running(scheduler) as run:
                await scheduler.heard("subscribed")
                master.send({"type": "HEARTBEAT"})
                master.send({"type": "OFFERS", "offers": {"offers": [OFFER]}})
                master.send({"type": "RESCIND", "rescind": {"offer_id": {"value": "O1"}}})
                refused = {"operation_id": {"value": "op"}, "state": "OPERATION_ERROR"}
                master.send({"type": "UPDATE_OPERATION_STATUS", "update_operation_status": {"status": refused}})
                master.send({"type": "FAILURE", "failure": {"agent_id": {"value": "S1"}}})
                master.send(
                    {
                        "type": "FAILURE",
                        "failure": {"agent_id": {"value": "S1"}, "executor_id": {"value": "e"}, "status": 1792},
                    }
                )
                message = {"agent_id": {"value": "S1"}, "executor_id": {"value": "e"}, "data": "aGk="}
                master.send({"type": "MESSAGE", "message": message})
                master.send({"type": "SOMETHING_NEW", "something_new": {"x": 1}})
                master.send({"type": "ERROR", "error": {"message": "Framework has been removed"}})
                with pytest.raises(SubscriptionEnded, match="Framework has been removed"):
                    await run
            assert scheduler.told == [
                ("subscribed", "F1"),
                ("offers", ["O1"]),
                ("rescind", "O1"),
                ("operation_status", "op", "OPERATION_ERROR"),
                ("failure", "S1", None, None),
                ("failure", "S1", "e", 1792),
                ("message", "S1", "e", b"hi"),
                ("error", "Framework has been removed"),
            ]

    in_loop(test())


def test_m_se_03_updates_are_acknowledged_once_handled_and_only_with_a_uuid() -> None:
    async def test() -> None:
        async with fake_master() as master:
            scheduler = Recording(master.address)
            async with running(scheduler):
                await scheduler.heard("subscribed")
                without = {name: value for name, value in STATUS.items() if name != "uuid"}
                master.send({"type": "UPDATE", "update": {"status": without}})
                master.send({"type": "UPDATE", "update": {"status": STATUS}})
                (call,) = await master.called("ACKNOWLEDGE")
            assert call["framework_id"] == {"value": "F1"}
            assert call["acknowledge"] == {
                "agent_id": {"value": "S1"},
                "task_id": {"value": "t1"},
                "uuid": "MDEyMzQ1Njc4OWFiY2RlZg==",
            }
            headers = next(headers for headers, call in master.calls if call["type"] == "ACKNOWLEDGE")
            assert headers.stream_id == "stream-1"

    in_loop(test())


def test_acknowledging_can_be_left_to_the_framework() -> None:
    async def test() -> None:
        async with fake_master() as master:
            scheduler = Recording(master.address, acknowledge_automatically=False)
            async with running(scheduler):
                await scheduler.heard("subscribed")
                master.send({"type": "UPDATE", "update": {"status": STATUS}})
                await scheduler.heard("update")
                await scheduler.reconcile()
                await master.called("RECONCILE")
            assert not [call for _, call in master.calls if call["type"] == "ACKNOWLEDGE"]

    in_loop(test())


def test_m_sc_02_who_is_torn_down_hears_so_though_the_stream_ends_before_the_answer_comes() -> None:
    """A master sends both at once, on two connections."""

    async def test() -> None:
        async with fake_master() as master:
            scheduler = Recording(master.address)
            async with running(scheduler) as run:
                await scheduler.heard("subscribed")
                master.unanswered = {"TEARDOWN"}
                subscription = scheduler._subscription
                assert subscription is not None
                ending = asyncio.ensure_future(scheduler.teardown())
                await master.called("TEARDOWN")
                master.end_stream()
                async with asyncio.timeout(60):
                    while subscription._stream._exchanges:  # noqa: ASYNC110 - nobody tells
                        await asyncio.sleep(0)
                    for _ in range(20):
                        await asyncio.sleep(0)
                assert not run.done()
                master.thaw()
                await ending
                await run
            assert not [one for one in scheduler.told if one[0] == "disconnected"]

    in_loop(test())


def test_m_sc_every_call_is_spelled_as_mesos_reads_it() -> None:
    async def test() -> None:
        async with fake_master() as master:
            scheduler = Recording(master.address, roles=["a", "b"])
            async with running(scheduler):
                await scheduler.heard("subscribed")
                info = task("t1", "S1", "cpus:1;mem:32", "echo hi", environment={"A": "b"}, kill_grace_seconds=2)
                await scheduler.accept(["O1"], [launch(info)], refuse_seconds=0, traceparent="00-ab-cd-01")
                pod = task("t2", "S1", "cpus:1", ["/bin/echo", "hi"], max_completion_seconds=0.5)
                await scheduler.accept(["O2"], [launch_group(default_executor("e", "cpus:0.1"), pod)])
                await scheduler.decline("O3", "O4", refuse_seconds=60)
                await scheduler.decline("O5")
                await scheduler.suppress("a")
                await scheduler.suppress()
                await scheduler.revive("b")
                await scheduler.kill("t1")
                await scheduler.kill("t1", "S1", grace_seconds=1.5)
                await scheduler.shutdown_executor("e", "S1")
                await scheduler.reconcile("t1", ("t2", "S1"))
                await scheduler.send("S1", "e", b"hi")
                await scheduler.request()
                await scheduler.teardown()
            assert all(call["framework_id"] == {"value": "F1"} for _, call in master.calls[1:])
            assert master.calls[1][0].traceparent == "00-ab-cd-01"
            said = [{key: call[key] for key in call if key != "framework_id"} for _, call in master.calls[1:]]
            launched, grouped = said[0]["accept"], said[1]["accept"]
            assert launched["offer_ids"] == [{"value": "O1"}]
            assert launched["filters"] == {"refuse_seconds": 0.0}
            (operation,) = launched["operations"]
            assert operation["type"] == "LAUNCH"
            (sent,) = operation["launch"]["task_infos"]
            assert sent["name"] == "t1"
            assert sent["agent_id"] == {"value": "S1"}
            assert sent["kill_policy"] == {"grace_period": {"nanoseconds": 2_000_000_000}}
            assert sent["command"]["shell"] is True
            assert sent["command"]["value"] == "echo hi"
            assert sent["command"]["environment"]["variables"] == [{"name": "A", "type": "VALUE", "value": "b"}]
            assert {one["name"]: one["scalar"]["value"] for one in sent["resources"]} == {"cpus": 1.0, "mem": 32.0}
            assert "filters" not in grouped
            group = grouped["operations"][0]["launch_group"]
            assert group["executor"]["type"] == "DEFAULT"
            (member,) = group["task_group"]["tasks"]
            assert member["command"]["shell"] is False
            assert member["command"]["arguments"] == ["/bin/echo", "hi"]
            assert member["max_completion_time"] == {"nanoseconds": 500_000_000}
            assert said[2:] == [
                {
                    "type": "DECLINE",
                    "decline": {"offer_ids": [{"value": "O3"}, {"value": "O4"}], "filters": {"refuse_seconds": 60.0}},
                },
                {"type": "DECLINE", "decline": {"offer_ids": [{"value": "O5"}]}},
                {"type": "SUPPRESS", "suppress": {"roles": ["a"]}},
                {"type": "SUPPRESS", "suppress": {}},
                {"type": "REVIVE", "revive": {"roles": ["b"]}},
                {"type": "KILL", "kill": {"task_id": {"value": "t1"}}},
                {
                    "type": "KILL",
                    "kill": {
                        "task_id": {"value": "t1"},
                        "agent_id": {"value": "S1"},
                        "kill_policy": {"grace_period": {"nanoseconds": 1_500_000_000}},
                    },
                },
                {"type": "SHUTDOWN", "shutdown": {"executor_id": {"value": "e"}, "agent_id": {"value": "S1"}}},
                {
                    "type": "RECONCILE",
                    "reconcile": {
                        "tasks": [
                            {"task_id": {"value": "t1"}},
                            {"task_id": {"value": "t2"}, "agent_id": {"value": "S1"}},
                        ]
                    },
                },
                {
                    "type": "MESSAGE",
                    "message": {"agent_id": {"value": "S1"}, "executor_id": {"value": "e"}, "data": "aGk="},
                },
                {"type": "REQUEST", "request": {}},
                {"type": "TEARDOWN"},
            ]

    in_loop(test())


def test_a_refused_call_is_the_callers_affair_and_the_subscription_lives() -> None:
    async def test() -> None:
        async with fake_master() as master:
            scheduler = Recording(master.address)
            async with running(scheduler):
                with pytest.raises(NotConnected):
                    await scheduler.revive()
                await scheduler.heard("subscribed")
                master.answers["KILL"] = Answer(400, "Failed to validate scheduler::Call: no")
                with pytest.raises(CallRefused, match="no"):
                    await scheduler.kill("t")
                await scheduler.revive()
            assert len(master.streams) == 1

    in_loop(test())


def test_an_error_in_a_handler_ends_the_run() -> None:
    class Broken(Scheduler):
        async def subscribed(self, framework_id: str, master: MasterInfo | None) -> None:
            raise KeyError("a mistake of the framework")

    async def test() -> None:
        async with fake_master() as master:
            with pytest.raises(KeyError, match="a mistake"):
                await Broken("test", master.address).run()

    in_loop(test())


def test_offers_are_declined_by_default() -> None:
    async def test() -> None:
        async with fake_master() as master:
            scheduler = Scheduler("test", master.address)
            async with running(scheduler):
                await master.called("SUBSCRIBE")
                master.send({"type": "OFFERS", "offers": {"offers": [OFFER]}})
                (call,) = await master.called("DECLINE")
                assert call["decline"]["offer_ids"] == [{"value": "O1"}]

    in_loop(test())


def test_what_an_offer_holds_can_be_reckoned_with() -> None:
    import msgspec

    offer = msgspec.convert(OFFER, Offer)
    held = available(offer)
    assert (held.scalar("cpus"), held.scalar("mem")) == (4000, 4_096_000)
    assert str(custom_executor("e", "./run", "cpus:0.1").type) == "CUSTOM"
    with pytest.raises(ValueError, match="cpus"):
        resources("cpus:-1")


def test_without_multi_role_there_is_one_role() -> None:
    assert Scheduler("old", "h", capabilities=(), roles=["a"]).framework_info.role == "a"
    with pytest.raises(ValueError, match="exactly one role"):
        Scheduler("old", "h", capabilities=(), roles=["a", "b"])
