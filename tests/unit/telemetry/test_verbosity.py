"""Another verbosity of the log, for a while (M-OB-11)."""

from __future__ import annotations

import asyncio
import logging

from mesos_service.telemetry.verbosity import Verbosity


async def until_usual(verbosity: Verbosity) -> None:
    async with asyncio.timeout(60):
        while verbosity.level:  # noqa: ASYNC110 - a timer brings it about
            await asyncio.sleep(0.01)


def a_logger() -> logging.Logger:
    logger = logging.Logger("test", logging.WARNING)
    assert not logger.isEnabledFor(logging.DEBUG)
    return logger


def test_m_ob_11_it_comes_and_goes_by_itself() -> None:
    async def run() -> None:
        logger = a_logger()
        verbosity = Verbosity(logger)
        verbosity.set(2, 0.05)
        assert (verbosity.level, logger.level) == (2, logging.DEBUG)
        await until_usual(verbosity)
        assert logger.level == logging.WARNING

    asyncio.run(run())


def test_m_ob_11_the_last_word_counts_and_the_usual_level_is_kept() -> None:
    async def run() -> None:
        logger = a_logger()
        verbosity = Verbosity(logger)
        verbosity.set(1, 0.01)
        verbosity.set(3, 1e300)
        await asyncio.sleep(0.05)  # The first one's time is over, and changes nothing.
        assert (verbosity.level, logger.level) == (3, logging.DEBUG)
        verbosity.set(0, 60)
        assert (verbosity.level, logger.level) == (0, logging.WARNING)
        verbosity.set(1, -5)
        await until_usual(verbosity)
        assert logger.level == logging.WARNING

    asyncio.run(run())
