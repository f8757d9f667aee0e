"""Reads that masters and agents have alike, asked of a small application."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx
from fastapi import APIRouter, FastAPI

from mesos_service.http.answers import empty_answer
from mesos_service.http.common_reads import PROMETHEUS, add_common_reads
from mesos_service.http.large import LargeAnswers, LargeText
from tests.contract.asgi import transport


def test_n17_prometheus_reads_at_once_are_one_and_made_in_turns() -> None:
    """Of 300 frameworks the text takes 0.2 s: each of a hundred who ask at once had one of his own."""
    begun: list[int] = []
    others = 0

    def text() -> Iterator[bytes]:
        begun.append(others)
        for number in range(100):
            yield b"mesos_a %d\n" % number

    async def run() -> list[httpx.Response]:
        nonlocal others
        answers = LargeAnswers(at_once_max=1)
        router, application = APIRouter(), FastAPI()
        add_common_reads(
            router, lambda _: {}, lambda _: empty_answer(), lambda _: LargeText(answers, "p", PROMETHEUS, text)
        )
        application.include_router(router)
        async with httpx.AsyncClient(transport=transport(application), base_url="http://one") as client:
            asking = [asyncio.ensure_future(client.get("/metrics")) for _ in range(100)]
            while not all(one.done() for one in asking):
                others += 1
                await asyncio.sleep(0)
            assert answers.unsent_bytes == 0
            return [one.result() for one in asking]

    found = asyncio.run(run())
    assert {(one.status_code, one.headers["content-type"]) for one in found} == {(200, PROMETHEUS[1].decode())}
    whole = b"".join(b"mesos_a %d\n" % number for number in range(100))
    assert {one.content for one in found} == {whole}
    # Those who come while it is made get the next one.
    assert len(begun) <= 3
    assert others > 100, "others had their turns meanwhile"
