"""The least that must work, also with the oldest of everything that this package allows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import asynctasq
from asynctasq.config import Config
from asynctasq.worker import Worker

pytestmark = pytest.mark.smoke


@asynctasq.task(name="smoke.double")
async def double(number: int) -> int:
    return 2 * number


@pytest.mark.asyncio
async def test_a_dispatched_task_runs_and_its_result_comes_back(clean: Path) -> None:
    asynctasq.init({"driver": "memory"})
    async with Worker(["smoke"]) as worker:
        handle = await double(21).on_queue("smoke").dispatch()
        assert await handle.result(timeout=20) == 42
    assert worker.completed == 1
    await asynctasq.close()


def test_options_are_read_from_a_file(clean: Path) -> None:
    (clean / ".env").write_text("ASYNCTASQ_DRIVER=memory\nASYNCTASQ_RESULT_TTL=90\n")
    assert (Config.get().driver, Config.get().result_ttl) == ("memory", 90.0)


def test_the_command_line_lists_what_is_installed(clean: Path) -> None:
    command = [sys.executable, "-m", "asynctasq", "drivers"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=50, check=True)
    (line,) = (line for line in ran.stdout.splitlines() if line.startswith("memory"))
    assert "asynctasq-core" in line
