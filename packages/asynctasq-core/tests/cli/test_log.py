"""The log of ``asynctasq worker``: harmless, never waited for, and not in the way of another."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from .test_worker import start


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


CHATTY = """
import logging
from asynctasq import task

@task
async def speak() -> None:
    logging.warning("\\x1b[31mred \\x1b]0;title\\x07 [bold]x[/bold]")

speak().dispatch_sync()
"""


def test_nothing_in_its_log_moves_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(CHATTY)
    with start(tmp_path, "--app", "shop", "--driver", "memory", "--max-tasks", "1") as process:
        _, errors = process.communicate(timeout=20)
    assert r"WARNING \x1b[31mred \x1b]0;title\x07 [bold]x[/bold]" in errors
    assert "\x1b" not in errors


LOGS_ELSEWHERE = """
import logging
from asynctasq import memory, task

logging.basicConfig(filename="shop.log", level=logging.INFO, format="%(levelname)s %(message)s")

@task
async def nothing() -> None: ...

async def refuse(self):
    raise ValueError("a bug")

memory.MemoryDriver.open = refuse
"""


def test_an_application_that_logs_elsewhere_finds_there_why_its_worker_ended(
    tmp_path: Path,
) -> None:
    (tmp_path / "shop.py").write_text(LOGS_ELSEWHERE)
    with start(tmp_path, "--app", "shop", "--driver", "memory") as process:
        _, errors = process.communicate(timeout=20)
    assert errors.count("\n") == 1
    assert errors.startswith("asynctasq: ValueError: a bug (")
    log = (tmp_path / "shop.log").read_text()
    assert "CRITICAL ValueError: a bug (" in log
    assert "Traceback (most recent call last):" in log


FORGES = """
import logging
from asynctasq import task

@task
async def log() -> None:
    logging.warning("one\\n2026-01-01 00:00:00,000 1 INFO forged")

log().dispatch_sync()
"""


def test_no_text_looks_like_another_record(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(FORGES)
    with start(tmp_path, "--app", "shop", "--driver", "memory", "--max-tasks", "1") as process:
        _, errors = process.communicate(timeout=20)
    assert [line for line in errors.splitlines() if "forged" in line] == [
        "    2026-01-01 00:00:00,000 1 INFO forged"
    ]


UNREAD = """
import asyncio, logging, time
import asynctasq
from asynctasq import task
from asynctasq.driver import Context, TaskRef
from asynctasq.memory import MemoryDriver

async def look(at):
    driver = MemoryDriver(None, Context())
    await driver.open()
    seen = await driver.get(TaskRef(at.queue, at.id))
    await driver.close()
    return seen.due_at - time.time(), seen.deliveries

@task(visibility_timeout=2)
async def say() -> None:
    for number in range(3000):
        logging.warning("%s %s", number, "x" * 100)
    open("said", "w").close()

@task(visibility_timeout=2)
def hold() -> None:
    open("gate").close()
    left, deliveries = asyncio.run(look(asynctasq.current()))
    with open("seen", "w") as file:
        file.write(f"{left} {deliveries}\\n")

hold().dispatch_sync()
say().dispatch_sync()
"""


def test_a_log_that_nobody_reads_stops_neither_tasks_nor_leases_nor_signals(
    tmp_path: Path,
) -> None:
    (tmp_path / "shop.py").write_text(UNREAD)
    os.mkfifo(tmp_path / "gate")
    seen = tmp_path / "seen"
    with start(tmp_path, "--app", "shop", "--driver", "memory") as process:
        until(lambda: (tmp_path / "said").exists())
        time.sleep(2.5)  # longer than a lease that is not renewed
        with (tmp_path / "gate").open("w"):
            until(lambda: seen.exists() and seen.read_text().endswith("\n"))
        left, deliveries = seen.read_text().split()
        assert float(left) > 0
        assert deliveries == "1"  # else it was lost, and taken anew by the same worker
        process.terminate()
        until(lambda: process.poll() is not None)
        assert process.returncode == 0
