"""The least that must work, also with the oldest of everything that this package allows."""

from __future__ import annotations

from pathlib import Path

import pytest

import asynctasq
from asynctasq.worker import Worker

pytestmark = pytest.mark.smoke


@asynctasq.task(name="sqlite.smoke.double")
async def double(number: int) -> int:
    return 2 * number


@pytest.mark.asyncio
async def test_a_dispatched_task_runs_and_its_result_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asynctasq.init({"driver": "sqlite", "sqlite_path": "smoke.db"})
    async with Worker(["smoke"]) as worker:
        handle = await double(21).on_queue("smoke").dispatch()
        assert await handle.result(timeout=20) == 42
    assert worker.completed == 1
    await asynctasq.close()
    assert (tmp_path / "smoke.db").exists()
