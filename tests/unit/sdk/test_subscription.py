"""How a scheduler of the SDK finds its master, and keeps its subscription where streams break and masters go."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence

import pytest

from mesos_service.http.held_stream import HeldStream
from mesos_service.sdk.errors import CallRefused, NotConnected, Unreachable
from mesos_service.sdk.scheduler import Scheduler
from mesos_service.sdk.subscription import Address, Backoff
from mesos_service.wire.offers import Offer
from tests.unit.sdk.fake_server import Answer, FakeServer, Json, fake_master, subscribe_framework
from tests.unit.sdk.recording import OFFER, Recording, in_loop, running


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
            # There may be others on a machine that stands still, on which it is silent before it is called.
            reasons = [reason for _, reason in await scheduler.heard("disconnected")]
            assert f"{master.address} did not answer within 0.1 s" in reasons

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
