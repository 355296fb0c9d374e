"""What a driver leaves behind: nothing that keeps a process alive, a lock held, a file growing."""

# ruff: noqa: ASYNC221, ASYNC222 - these tests may block their own loop

from __future__ import annotations

import asyncio
import gc
import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from asynctasq.driver import Ack, Context, DeadLetter, Failure, Record
from asynctasq.errors import DriverClosed

from .conftest import Make, Open, message
from .test_errors import locked_by_somebody_else, works

ABANDONED = """
import asyncio, sys
from asynctasq.driver import Context, Message
from asynctasq_drivers.sqlite import SqliteDriver, SqliteOptions

driver = SqliteDriver(SqliteOptions(sqlite_path=sys.argv[1]), Context())

async def main():
    await driver.open()
    await driver.enqueue([Message(queue="mail", body=b"", visibility_timeout=60.0)])
    waiting = asyncio.ensure_future(driver.dequeue(["other"], limit=1, wait=600))
    await asyncio.sleep(0.01)

asyncio.run(main())
"""


@pytest.mark.asyncio
async def test_a_driver_that_nobody_closes_keeps_no_process_alive(opened: Open, path: Path) -> None:
    subprocess.run([sys.executable, "-c", ABANDONED, str(path)], timeout=30, check=True)
    await works(await opened(), waiting=1)


def threads() -> set[threading.Thread]:
    return {each for each in threading.enumerate() if each.name == "asynctasq-sqlite"}


def test_a_driver_whose_loop_is_closed_ends_its_thread(make: Make) -> None:
    before, driver = threads(), make()

    async def wait() -> None:
        await driver.open()
        waiting = asyncio.ensure_future(driver.dequeue(["mail"], limit=1, wait=600))
        await asyncio.wait((waiting,), timeout=0.02)

    asyncio.run(wait())
    for thread in threads() - before:
        thread.join(10)
        assert not thread.is_alive()


def test_a_driver_that_is_forgotten_ends_its_thread(make: Make) -> None:
    before = threads()
    asyncio.run(make().open())
    gc.collect()
    for thread in threads() - before:
        thread.join(10)
        assert not thread.is_alive()


def test_a_closed_driver_can_be_closed_from_another_loop(make: Make, path: Path) -> None:
    driver = make()
    asyncio.run(driver.open())
    asyncio.run(driver.close())
    with pytest.raises(DriverClosed):
        asyncio.run(driver.enqueue([message()]))


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.asyncio
async def test_a_forked_child_is_told_to_make_its_own_driver(opened: Open) -> None:
    driver = await opened()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            said = b"it was used"
            driver.enqueue([message()]).send(None)
        except BaseException as error:
            said = f"{type(error).__name__}: {error}".encode()
        os.write(writing, said)
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    told = os.read(reading, 1000).decode()
    os.close(reading)
    assert "DriverClosed" in told
    assert "make another in the child" in told
    await works(driver)


@pytest.mark.asyncio
async def test_what_a_cancelled_dequeue_took_is_released_although_the_file_is_locked(
    make: Make, opened: Open, path: Path
) -> None:
    first, second = make(), await opened()
    await first.open()
    await second.enqueue([message()])
    with locked_by_somebody_else(path):
        taking = asyncio.ensure_future(first.dequeue(["mail"], limit=1, wait=30))
        await asyncio.wait((taking,), timeout=0.1)
        taking.cancel()
        closing = asyncio.ensure_future(first.close())
        await asyncio.wait((taking, closing), timeout=0.1)
    await closing
    await works(second, waiting=1)


@pytest.mark.asyncio
async def test_the_log_beside_the_file_does_not_grow_without_bound(
    opened: Open, path: Path
) -> None:
    driver = await opened(synchronous="normal")
    for _ in range(30):
        await driver.enqueue([message(bytes(10_000)) for _ in range(100)])
        came = await driver.dequeue(["mail"], limit=100, wait=0)
        await driver.settle([Ack(each) for each in came])
    assert path.with_name("queue.db-wal").stat().st_size < 20_000_000, "30 MB went through it"


@pytest.mark.asyncio
async def test_what_has_expired_is_swept_from_the_file(
    opened: Open, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asynctasq_drivers.sqlite._desk.SWEEP", 0.0)
    context = Context(keep_completed_tasks=True, completed_ttl=0.01, dead_ttl=0.01)
    driver = await opened(context)
    await driver.enqueue([message() for _ in range(300)])
    came = await driver.dequeue(["mail"], limit=300, wait=0)
    done = [Ack(d, Record(d.ref, "completed", b"", 0.01)) for d in came[:200]]
    dead = [DeadLetter(d, Failure("E"), Record(d.ref, "dead", b"", None)) for d in came[200:]]
    await driver.settle([*done, *dead])
    connection = sqlite3.connect(path)
    async with asyncio.timeout(20):
        while True:
            await driver.enqueue([message(queue="other")])
            counts = [
                connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                for table in ("asynctasq_task WHERE queue = 'mail'", "asynctasq_record")
            ]
            if counts == [0, 0]:
                break
            await asyncio.sleep(0.005)
    connection.close()


@pytest.mark.parametrize(
    ("keep_for", "kept"), [(60.0, 60), (7200.0, 3600), (None, 3600)], ids=["less", "more", "none"]
)
@pytest.mark.asyncio
async def test_a_record_is_kept_no_longer_than_its_task(
    opened: Open, path: Path, keep_for: float | None, kept: int
) -> None:
    driver = await opened(Context(keep_completed_tasks=True, completed_ttl=3600))
    await driver.enqueue([message()])
    (held,) = await driver.dequeue(["mail"], limit=1, wait=0)
    await driver.settle([Ack(held, Record(held.ref, "completed", b"value", keep_for))])
    rows = "SELECT expires - finished_at FROM asynctasq_record JOIN asynctasq_task USING (id)"
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute(rows).fetchall() == [(kept * 1_000_000,)]


@pytest.mark.asyncio
async def test_an_id_whose_task_has_expired_is_new_before_it_is_swept(opened: Open) -> None:
    driver = await opened(Context(dead_ttl=0.01))
    sent = message()
    await driver.enqueue([sent])
    (first,) = await driver.dequeue(["mail"], limit=1, wait=0)
    await driver.settle([DeadLetter(first, Failure("E"))])
    while await driver.get(sent.ref) is not None:
        await asyncio.sleep(0.002)
    await driver.enqueue([sent])
    (again,) = await driver.dequeue(["mail"], limit=1, wait=0)
    assert (again.id, again.deliveries) == (sent.id, 1)
    assert (await driver.settle([Ack(first)])).lost == (first,), "a receipt of its former life"
    assert (await driver.settle([Ack(again)])).lost == ()


@pytest.mark.asyncio
async def test_a_receipt_means_nothing_for_what_came_later(opened: Open) -> None:
    driver, sent = await opened(), message(visibility_timeout=0.05)
    await driver.enqueue([sent])
    (lost,) = await driver.dequeue(["mail"], limit=1, wait=0)
    (again,) = await driver.dequeue(["mail"], limit=1, wait=10)
    await driver.settle([Ack(again)])
    await driver.enqueue([sent])  # the only task there is: its row could look the same
    (new,) = await driver.dequeue(["mail"], limit=1, wait=0)
    for stale in (lost, again):
        assert (await driver.settle([Ack(stale)])).lost == (stale,)
    assert (await driver.settle([Ack(new)])).lost == ()


@pytest.mark.asyncio
async def test_a_relative_path_is_that_of_where_it_was_opened(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    driver = await opened(path="here.db")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    await works(driver)
    assert (tmp_path / "here.db").exists()
    assert not (elsewhere / "here.db").exists()
