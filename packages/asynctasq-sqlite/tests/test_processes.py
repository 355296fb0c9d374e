"""Several processes at work on one file, killed at any moment."""

from __future__ import annotations

import asyncio
import random
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from asynctasq.driver import Delivery
from asynctasq_drivers.sqlite import SqliteDriver

from .conftest import Open, message

WORKER = """
import asyncio, os, sys
from asynctasq.driver import Ack, Context, Failure, Record, Retry
from asynctasq_drivers.sqlite import SqliteDriver, SqliteOptions

async def main():
    log = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    driver = SqliteDriver(SqliteOptions(sqlite_path=sys.argv[1]), Context())
    await driver.open()
    while True:
        came = await driver.dequeue(["mail"], limit=7, wait=5)
        again = [d for d in came if d.attempt == 1 and d.body[-1] % 3 == 0]
        done = [d for d in came if d not in again]
        await driver.settle([Retry(d, 0.0, Failure("Again")) for d in again])
        await driver.extend(done)
        records = [Record(d.ref, "completed", d.body, None) for d in done]
        answer = await driver.settle([Ack(d, r) for d, r in zip(done, records)])
        ended = [d for d in done if d not in answer.lost]
        os.write(log, "".join(f"{d.id}\\n" for d in ended).encode())

asyncio.run(main())
"""
MESSAGES = 600
KILLS = 8


def start(path: Path, log: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", WORKER, str(path), str(log)])


async def left(driver: SqliteDriver) -> int:
    (stats,) = await driver.stats(["mail"])
    assert stats.pending is not None
    assert stats.running is not None
    return stats.pending + stats.running


@pytest.mark.concurrent
@pytest.mark.asyncio
async def test_concurrent_workers_killed_at_any_moment_complete_each_message_once(
    opened: Open, path: Path, tmp_path: Path
) -> None:
    driver, log = await opened(synchronous="normal"), tmp_path / "log"
    sent = [message(b"%d" % n, visibility_timeout=0.5) for n in range(MESSAGES)]
    workers = [start(path, log) for _ in range(3)]
    try:
        for n in range(KILLS):
            share = len(sent) // KILLS
            await driver.enqueue(sent[n * share : (n + 1) * share])
            # Not an event: the moment is to be any.
            await asyncio.sleep(random.uniform(0.02, 0.5))
            victim = workers.pop(0)
            victim.send_signal(signal.SIGKILL)
            victim.wait()
            workers.append(start(path, log))
        async with asyncio.timeout(40):
            while await left(driver):
                await asyncio.sleep(0.05)
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    records = [await driver.result(m.ref, 0.0) for m in sent]
    assert [r and r.value for r in records] == [m.body for m in sent], "each ended, with its result"
    twice = [id for id, n in Counter(log.read_text().split()).items() if n > 1]
    assert not twice, "acknowledged twice"
    await driver.close()
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


TAKER = """
import asyncio, sys
from asynctasq.driver import Context
from asynctasq_drivers.sqlite import SqliteDriver, SqliteOptions

async def main():
    driver = SqliteDriver(SqliteOptions(sqlite_path=sys.argv[1]), Context())
    await driver.open()
    print("ready", flush=True)
    came = await driver.dequeue(["mail"], limit=1, wait=30)
    print(*(d.body.decode() for d in came), flush=True)
    await driver.close()

asyncio.run(main())
"""


@pytest.mark.asyncio
async def test_a_waiting_process_is_served_when_another_enqueues(opened: Open, path: Path) -> None:
    driver = await opened()
    command = (sys.executable, "-c", TAKER, str(path))
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    assert process.stdout
    assert await process.stdout.readline() == b"ready\n"
    await driver.enqueue([message(b"hello")])
    async with asyncio.timeout(20):
        assert await process.stdout.readline() == b"hello\n"
        assert await process.wait() == 0


@pytest.mark.concurrent
@pytest.mark.asyncio
async def test_concurrent_instances_of_a_process_share_the_work(opened: Open) -> None:
    drivers = [await opened(synchronous="normal") for _ in range(4)]
    sent = [message(b"%d" % n) for n in range(400)]
    taken: list[Delivery] = []

    async def take(driver: SqliteDriver) -> None:
        while len(taken) < len(sent):
            taken.extend(await driver.dequeue(["mail"], limit=9, wait=0.2))

    async with asyncio.timeout(30):
        await asyncio.gather(
            *map(take, drivers), *(drivers[0].enqueue(sent[n : n + 20]) for n in range(0, 400, 20))
        )
    assert Counter(d.id for d in taken) == {m.id: 1 for m in sent}
