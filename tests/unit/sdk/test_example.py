"""A useful scheduler takes fewer than sixty lines (A66), and the one we show works."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from tests.unit.sdk.fake_server import Json, fake_master
from tests.unit.sdk.recording import OFFER, in_loop

EXAMPLE = Path(__file__).parents[3] / "examples" / "run_lines.py"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("run_lines", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a66_it_is_short() -> None:
    assert len(EXAMPLE.read_text().splitlines()) < 60


def test_a66_it_runs_every_line_and_tries_failed_ones_again(
    example: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    async def test() -> None:
        async with fake_master() as master:
            launched: list[str] = []

            def on_call(call: Json) -> None:
                if call["type"] == "REVIVE":
                    master.send({"type": "OFFERS", "offers": {"offers": [OFFER]}})
                if call["type"] != "ACCEPT":
                    return
                for info in call["accept"]["operations"][0]["launch"]["task_infos"]:
                    task_id = info["task_id"]["value"]
                    launched.append(task_id)
                    failed = info["command"]["value"] == "false" and task_id != "1.3"
                    state = "TASK_FAILED" if failed else "TASK_FINISHED"
                    told = {"task_id": {"value": task_id}, "state": state, "message": "as it is"}
                    master.send({"type": "UPDATE", "update": {"status": told}})

            master.on_call = on_call
            scheduler = example.RunLines(master.address, ["true", "false"])

            run = asyncio.create_task(scheduler.run())
            await master.called("SUBSCRIBE")
            master.send({"type": "OFFERS", "offers": {"offers": [OFFER]}})
            await run
            assert launched == ["0.1", "1.1", "1.2", "1.3"]
            assert [call["type"] for _, call in master.calls][-1] == "TEARDOWN"

    in_loop(test())
    assert sorted(capsys.readouterr().out.splitlines()) == [
        "TASK_FINISHED as it is: false",
        "TASK_FINISHED as it is: true",
    ]
