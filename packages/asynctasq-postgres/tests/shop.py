"""A database with tasks and the rows that they leave there, and who works on it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any, Final
from uuid import UUID

import asynctasq

from .effects import POINT, SIGNAL
from .servers.own import ask

QUEUE: Final = "mail"
LEASE: Final = 1.0
"""Seconds: the shortest that can be configured."""
PATIENCE: Final = 30.0

_BY_HAND: Final = {"driver": "postgres", "max_losses": 1000}


async def until(reached: Callable[[], Any], what: str, seconds: float = PATIENCE) -> None:
    """Wait until something holds that no event tells."""
    deadline = monotonic() + seconds
    while not reached():
        assert monotonic() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.01)


class Shop:
    """What is in one database."""

    def __init__(self, dsn: str, log: Path) -> None:
        self.dsn = dsn
        self._log = log

    def init(self, **options: Any) -> None:
        """Configure this process for it."""
        asynctasq.init({**_BY_HAND, "postgres_dsn": self.dsn, **options})

    def at(self, dsn: str) -> Shop:
        """Another one."""
        return Shop(dsn, self._log)

    def told(self) -> str:
        """What processes have logged."""
        return self._log.read_text(encoding="utf-8")

    def effects(self) -> Counter[tuple[str, UUID]]:
        """How often each step of each task was done."""
        return Counter(tuple(row) for row in ask(self.dsn, "SELECT step, task FROM effects"))

    def tasks(self) -> int:
        """How many are left, waiting or running or dead."""
        both = "(SELECT count(*) FROM task_queue) + (SELECT count(*) FROM dead_letter_queue)"
        (count,) = ask(self.dsn, f"SELECT {both}")
        return int(count)

    def completed(self) -> set[UUID]:
        """Those that were kept."""
        return set(ask(self.dsn, "SELECT id FROM task_queue_completed"))

    def interrupted(self) -> int:
        """How many of those ended in a worker that was not their first."""
        (count,) = ask(
            self.dsn, "SELECT count(*) FROM task_queue_completed WHERE deliveries > attempt"
        )
        return int(count)

    def has_done_more_than(self, count: int) -> bool:
        """Whether there are more effects."""
        return self.effects().total() > count

    async def emptied(self) -> None:
        """Wait until no task is left."""
        await until(lambda: self.tasks() == 0, "no task is left")

    @contextmanager
    def worker(
        self, point: str = "", how: str = "SIGKILL", **options: Any
    ) -> Generator[subprocess.Popen[bytes]]:
        """`asynctasq worker` as a process, which sends itself this signal at this point."""
        given = {**_BY_HAND, "postgres_dsn": self.dsn, **options}
        variables = {f"ASYNCTASQ_{name.upper()}": str(value) for name, value in given.items()}
        if point:
            variables |= {POINT: point, SIGNAL: how}
        words = ["--app", "effects", "--queues", QUEUE, "--concurrency", "4", "--no-screen"]
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "asynctasq", "worker", *words],
                cwd=Path(__file__).parent,
                env={**os.environ, **variables},
                stderr=log,
            )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def once(step: str, ids: Iterable[UUID]) -> Counter[tuple[str, UUID]]:
    """The effects where each of these had one."""
    return Counter((step, id) for id in ids)
