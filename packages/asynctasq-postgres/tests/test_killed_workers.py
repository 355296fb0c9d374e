"""Workers as processes of their own, killed at any moment: each task ends."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from collections import defaultdict
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest

from asynctasq.driver import Message
from asynctasq_drivers.postgres import PostgresDriver

from .load import BODY, NAME, PATIENCE, driver_on, until
from .servers.own import server

PROGRAM = f"""
import asyncio, os, sys
import asynctasq
from asynctasq.worker import Worker

url, path = sys.argv[1:]
journal = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

@asynctasq.task(name={NAME!r})
async def note():
    os.write(journal, f"{{asynctasq.current().id}} {{os.getpid()}}\\n".encode())
    await asyncio.sleep(0.05)

asynctasq.init({{"driver": "postgres", "postgres_dsn": url, "max_losses": 100}})
asynctasq.run(Worker(["mail"], concurrency=4).run())
"""
TASKS = 800
KILLS = 8
LEASE = 2.0


class Crew:
    """Three workers at a time, and what they wrote down."""

    def __init__(self, url: str, folder: Path) -> None:
        self._words = (sys.executable, "-c", PROGRAM, url, "journal")
        self._folder = folder
        self._journal = folder / "journal"
        self._journal.touch()
        self.killed: set[int] = set()
        self.alive = [self._start() for _ in range(3)]

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._words, cwd=self._folder)

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """End one, and start another in its place."""
        self.alive.remove(process)
        self._end(process)
        self.alive.append(self._start())

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        assert process.poll() is None, "it ended by itself"
        process.kill()
        process.wait()
        self.killed.add(process.pid)

    def runs(self) -> dict[UUID, list[int]]:
        """The processes in which each task has run, in their order."""
        found: dict[UUID, list[int]] = defaultdict(list)
        for line in self._journal.read_text(encoding="utf-8").splitlines():
            id, pid = line.split()
            found[UUID(id)].append(int(pid))
        return found

    def count(self) -> int:
        """How many runs there were."""
        return sum(map(len, self.runs().values()))

    def has_run(self, known: int) -> bool:
        """Whether there are more by now."""
        return self.count() > known

    def at_work(self) -> list[subprocess.Popen[bytes]]:
        """Those that have run something, and not only started."""
        known = {pid for pids in self.runs().values() for pid in pids}
        return [process for process in self.alive if process.pid in known]

    def end(self) -> None:
        for process in self.alive:
            process.kill()
            process.wait()


@pytest.mark.once
@pytest.mark.concurrent
@pytest.mark.asyncio
async def test_tasks_end_however_often_workers_are_killed_and_each_further_run_has_a_reason(
    tmp_path: Path,
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    with server() as room:
        async with driver_on(room.url) as driver:
            crew = Crew(room.url, tmp_path)
            try:
                sent = await sent_while_workers_are_killed(driver, crew, random.Random(seed))
                await each_ends(driver, sent)
            finally:
                crew.end()
    runs = crew.runs()
    assert set(runs) == {message.id for message in sent}
    again = {id: pids for id, pids in runs.items() if len(pids) > 1}
    print(f"{len(again)} of {TASKS} tasks ran again after {KILLS} kills")
    assert again, "no kill has struck"
    without = [pids for pids in again.values() if not crew.killed.issuperset(pids[:-1])]
    assert not without, "ran again although its process lived"


async def sent_while_workers_are_killed(
    driver: PostgresDriver, crew: Crew, chance: random.Random
) -> list[Message]:
    sent = [Message(queue="mail", body=BODY, visibility_timeout=LEASE) for _ in range(TASKS)]
    share = TASKS // KILLS
    for number in range(KILLS):
        known = crew.count()
        await driver.enqueue(sent[number * share : (number + 1) * share])
        await until(partial(crew.has_run, known), "a worker is at work")
        await asyncio.sleep(chance.uniform(0, 0.3))  # when is the point; nothing is waited for
        crew.kill(chance.choice(crew.at_work()))
    return sent


async def each_ends(driver: PostgresDriver, sent: list[Message]) -> None:
    for message in sent:
        record = await driver.result(message.ref, PATIENCE)
        assert record, f"{message.id} is lost, or has not ended"
        assert record.state == "completed"
    (left,) = await driver.stats(["mail"])
    assert (left.pending, left.running, left.dead) == (0, 0, 0)
