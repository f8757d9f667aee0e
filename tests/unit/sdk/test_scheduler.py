"""A scheduler of the SDK against a master in small: calls as they should be, and a subscription that is kept."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any

import pytest

from mesos_service.http.held_stream import HeldStream
from mesos_service.sdk.errors import CallRefused, NotConnected, SubscriptionEnded, Unreachable
from mesos_service.sdk.scheduler import Scheduler
from mesos_service.sdk.subscription import Address, Backoff
from mesos_service.sdk.tasks import available, custom_executor, default_executor, launch, launch_group, resources, task
from mesos_service.wire.agents import MasterInfo
from mesos_service.wire.offers import Offer, OperationStatus
from mesos_service.wire.tasks import TaskStatus
from tests.unit.sdk.fake_server import Answer, FakeServer, Json, fake_master, subscribe_framework

OFFER: Json = {
    "id": {"value": "O1"},
    "framework_id": {"value": "F1"},
    "agent_id": {"value": "S1"},
    "hostname": "h",
    "resources": [
        {"name": "cpus", "type": "SCALAR", "scalar": {"value": 4.0}, "role": "*", "allocation_info": {"role": "*"}},
        {"name": "mem", "type": "SCALAR", "scalar": {"value": 4096.0}, "role": "*", "allocation_info": {"role": "*"}},
    ],
}
STATUS: Json = {
    "task_id": {"value": "t1"},
    "state": "TASK_RUNNING",
    "agent_id": {"value": "S1"},
    "uuid": "MDEyMzQ1Njc4OWFiY2RlZg==",
}


class Recording(Scheduler):
    """Remembers what it was told, in order."""

    def __init__(self, master: str, **options: Any) -> None:  # Any: passed on as it is.
        super().__init__("test", master, **options)
        self.told: list[tuple[object, ...]] = []
        self._news = asyncio.Event()

    def _tell(self, *what: object) -> None:
        self.told.append(what)
        self._news.set()

    async def heard(self, kind: str, count: int = 1) -> list[tuple[object, ...]]:
        async with asyncio.timeout(10):
            while True:
                found = [what for what in self.told if what[0] == kind]
                if len(found) >= count:
                    return found
                self._news.clear()
                await self._news.wait()

    async def subscribed(self, framework_id: str, master: MasterInfo | None) -> None:
        self._tell("subscribed", framework_id)

    async def disconnected(self, reason: str) -> None:
        self._tell("disconnected", reason)

    async def offers(self, offers: Sequence[Offer]) -> None:
        self._tell("offers", [offer.id.value for offer in offers])

    async def rescind(self, offer_id: str) -> None:
        self._tell("rescind", offer_id)

    async def update(self, status: TaskStatus) -> None:
        self._tell("update", status.task_id.value, status.state)

    async def message(self, agent_id: str, executor_id: str, data: bytes) -> None:
        self._tell("message", agent_id, executor_id, data)

    async def operation_status(self, status: OperationStatus) -> None:
        self._tell("operation_status", status.operation_id and status.operation_id.value, status.state)

    async def failure(self, agent_id: str | None, executor_id: str | None, status: int | None) -> None:
        self._tell("failure", agent_id, executor_id, status)

    async def error(self, message: str) -> None:
        self._tell("error", message)


@contextlib.asynccontextmanager
async def running(scheduler: Scheduler) -> AsyncIterator[asyncio.Task[None]]:
    task_ = asyncio.create_task(scheduler.run())
    try:
        yield task_
    finally:
        scheduler.stop()
        if not task_.done():
            await task_


def in_loop(test: Coroutine[object, object, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await test

    asyncio.run(bounded())


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


def test_a_broken_stream_is_renewed_under_the_same_id() -> None:
    async def test() -> None:
        async with fake_master() as master:
            scheduler = Recording(master.address, roles=["a", "b"])
            async with running(scheduler):
                await scheduler.heard("subscribed")
                await scheduler.suppress("a")
                master.end_stream()
                await scheduler.heard("subscribed", 2)
                await scheduler.decline("O1")
            again = (await master.called("SUBSCRIBE", 2))[1]
            assert again["framework_id"] == {"value": "F1"}
            assert again["subscribe"]["framework_info"]["id"] == {"value": "F1"}
            assert again["subscribe"]["suppressed_roles"] == ["a"]
            assert [what[0] for what in scheduler.told] == ["subscribed", "disconnected", "subscribed"]
            headers = next(headers for headers, call in master.calls if call["type"] == "DECLINE")
            assert headers.stream_id == "stream-2"

    in_loop(test())


def test_m_se_01_five_missed_heartbeats_end_a_subscription() -> None:
    def hurried(stream: HeldStream, call: Json) -> None:
        subscribe_framework(stream, call, heartbeat_seconds=0.02)

    async def test() -> None:
        async with fake_master() as master:
            master.on_subscribe = hurried
            scheduler = Recording(master.address)
            async with running(scheduler):
                await scheduler.heard("subscribed", 2)
            (_, reason), *_ = await scheduler.heard("disconnected")
            assert reason == f"{master.address} has been silent for 0.1 s"

    in_loop(test())


def test_m_se_01_a_call_that_nobody_answers_ends_a_subscription_too() -> None:
    """A handler that waits for a frozen master keeps events from being read, and so their absence from being seen."""

    class Declining(Recording):
        async def offers(self, offers: Sequence[Offer]) -> None:
            await self.decline(*offers)

    def hurried(stream: HeldStream, call: Json) -> None:
        subscribe_framework(stream, call, heartbeat_seconds=0.02)
        stream.write(json.dumps({"type": "OFFERS", "offers": {"offers": [OFFER]}}).encode())

    async def test() -> None:
        async with fake_master() as master:
            master.on_subscribe = hurried
            master.unanswered = {"DECLINE"}
            scheduler = Declining(master.address)
            async with running(scheduler):
                await master.called("DECLINE", 2)
            (_, reason), *_ = await scheduler.heard("disconnected")
            assert reason == f"{master.address} did not answer within 0.1 s"

    in_loop(test())


def test_m_se_01_waits_double_up_to_fifteen_seconds() -> None:
    backoff = Backoff(15.0)
    waits = [backoff.next() for _ in range(20)]
    assert 0.05 <= waits[0] <= 0.1
    assert all(7.5 <= wait <= 15.0 for wait in waits[8:])
    backoff.reset()
    assert backoff.next() <= 0.1


def test_a_redirect_leads_to_the_leader_and_calls_go_there() -> None:
    async def test() -> None:
        async with fake_master() as leader, fake_master() as standby:
            leader.path = "/master/api/v1/scheduler"
            where = {"Location": f"//{leader.address}/master/api/v1/scheduler"}
            standby.answers["SUBSCRIBE"] = Answer(307, headers=where)
            scheduler = Recording(standby.address)
            async with running(scheduler):
                await scheduler.heard("subscribed")
                assert scheduler.master == leader.address
                await scheduler.decline("O1")
            await leader.called("DECLINE")
            assert [call["type"] for _, call in standby.calls] == ["SUBSCRIBE"]

    in_loop(test())


def test_a_master_that_leads_no_more_is_left() -> None:
    async def test() -> None:
        async with fake_master() as old, fake_master() as new:
            scheduler = Recording(f"{old.address},{new.address}")
            async with running(scheduler):
                await scheduler.heard("subscribed")
                where = {"Location": f"//{new.address}/api/v1/scheduler"}
                old.answers = {"SUBSCRIBE": Answer(307, headers=where), "DECLINE": Answer(307, headers=where)}
                with pytest.raises(NotConnected, match="given up"):
                    await scheduler.decline("O1")
                await scheduler.heard("subscribed", 2)
                assert scheduler.master == new.address

    in_loop(test())


def test_a_dead_master_is_passed_over_for_one_that_answers() -> None:
    async def test() -> None:
        async with fake_master() as second:
            with socket.socket() as nobody:
                nobody.bind(("127.0.0.1", 0))
                scheduler = Recording(f"127.0.0.1:{nobody.getsockname()[1]},{second.address}")
                async with running(scheduler):
                    await scheduler.heard("subscribed")
                assert len(second.calls) == 1

    in_loop(test())


def test_masters_without_a_leader_are_asked_again() -> None:
    async def test() -> None:
        async with fake_master() as master:
            master.answers["SUBSCRIBE"] = Answer(503, "No leader")
            scheduler = Recording(master.address)
            async with running(scheduler):
                await master.called("SUBSCRIBE", 2)
                del master.answers["SUBSCRIBE"]
                await scheduler.heard("subscribed")

    in_loop(test())


def test_patience_ends_with_a_word_about_the_last_try() -> None:
    async def test() -> None:
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{nobody.getsockname()[1]}"
            with pytest.raises(Unreachable, match=f"{address} cannot be reached"):
                await Scheduler("test", address, patience_seconds=0).run()

    in_loop(test())


def test_a_refused_subscription_is_not_tried_again() -> None:
    async def test() -> None:
        async with fake_master() as master:
            master.answers["SUBSCRIBE"] = Answer(400, "Expecting 'framework_info' to be present")
            with pytest.raises(CallRefused, match="Expecting 'framework_info' to be present") as refused:
                await Scheduler("test", master.address).run()
            assert refused.value.status == 400
            assert len(master.calls) == 1

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


def test_x18_a_master_that_has_forgotten_the_framework_is_subscribed_with_again() -> None:
    async def test() -> None:
        async with fake_master() as master:
            master.answers["DECLINE"] = Answer(400, "Framework cannot be found")
            scheduler = Recording(master.address)
            async with running(scheduler):
                await scheduler.heard("subscribed")
                with pytest.raises(NotConnected):
                    await scheduler.decline("O1")
                await scheduler.heard("subscribed", 2)

    in_loop(test())


def test_x60_events_are_read_however_they_are_cut() -> None:
    async def test() -> None:
        server = FakeServer()

        def in_pieces(stream: HeldStream, call: Json) -> None:
            stream._frame = bytes  # What is written goes out as it is.
            event = json.dumps({"type": "SUBSCRIBED", "subscribed": {"framework_id": {"value": "F7"}}}).encode()
            for byte in b"%d\n%b" % (len(event), event):
                stream.write(bytes([byte]))

        server.on_subscribe = in_pieces
        await server.start()
        try:
            scheduler = Recording(server.address)
            async with running(scheduler):
                assert await scheduler.heard("subscribed") == [("subscribed", "F7")]
        finally:
            await server.stop()

    in_loop(test())


def test_what_is_no_recordio_is_left_for_a_new_subscription() -> None:
    async def test() -> None:
        async with fake_master() as master:
            scheduler = Recording(master.address)
            async with running(scheduler):
                await scheduler.heard("subscribed")
                master.streams[0]._frame = bytes
                master.streams[0].write(b"not a length\n")
                await scheduler.heard("subscribed", 2)

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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("h", Address("h", 5050)),
        ("h:1", Address("h", 1)),
        ("http://h:1", Address("h", 1)),
        ("[::1]:7", Address("::1", 7)),
    ],
)
def test_addresses(text: str, expected: Address) -> None:
    assert Address.parse(text, 5050) == expected


@pytest.mark.parametrize("text", ["", "h:x", "h:99999", "ftp://h", "zk://a:2181/mesos", "me@h:1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not host:port"):
        Address.parse(text, 5050)


def test_without_multi_role_there_is_one_role() -> None:
    assert Scheduler("old", "h", capabilities=(), roles=["a"]).framework_info.role == "a"
    with pytest.raises(ValueError, match="exactly one role"):
        Scheduler("old", "h", capabilities=(), roles=["a", "b"])
