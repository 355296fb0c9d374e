"""Workers as processes of their own, killed at any moment: each task ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.driver_tests.killed import tasks_end_and_each_further_run_has_a_reason

from .drivers import POSTGRES, opened
from .servers.own import server


@pytest.mark.once
@pytest.mark.concurrent
@pytest.mark.asyncio
async def test_tasks_end_however_often_workers_are_killed_and_each_further_run_has_a_reason(
    tmp_path: Path,
) -> None:
    with server() as room:
        async with opened(room.url) as driver:
            settings = POSTGRES.settings(room.url)
            await tasks_end_and_each_further_run_has_a_reason(driver, settings, tmp_path)
