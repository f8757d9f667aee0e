"""Reads that masters and agents have alike, asked of a small application."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping

import httpx
from fastapi import APIRouter, FastAPI

from mesos_service.http.common_reads import add_common_reads
from tests.contract.asgi import transport


def test_m_om_03_the_loop_does_not_write_prometheus_text() -> None:
    """Of 300 frameworks that takes 0.2 s; what is told is of one moment."""
    numbers = {"master/tasks_running": 1.0}
    seen: list[tuple[bool, Mapping[str, float]]] = []

    async def run() -> httpx.Response:
        here = threading.get_ident()

        def exposition(snapshot: Mapping[str, float]) -> bytes:
            seen.append((threading.get_ident() == here, snapshot))
            return b"written\n"

        router, application = APIRouter(), FastAPI()
        add_common_reads(router, lambda _: {}, lambda _: dict(numbers), exposition)
        application.include_router(router)
        async with httpx.AsyncClient(transport=transport(application), base_url="http://one") as client:
            return await client.get("/metrics", headers={"Accept-Encoding": "identity"})

    answer = asyncio.run(run())
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"written\n", "8")
    assert seen == [(False, numbers)]
