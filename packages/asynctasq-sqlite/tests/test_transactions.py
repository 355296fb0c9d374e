"""`enqueue_in` leaves the caller's connection as it was; nobody waits for himself."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from asynctasq.errors import BackendRefused, DriverUnavailable, Unsupported
from asynctasq_drivers.sqlite import SqliteDriver, _self_wait
from asynctasq_drivers.sqlite._self_wait import SelfWait

from .conftest import Make, Open, message
from .test_errors import locked_by_somebody_else, works

pytestmark = pytest.mark.asyncio


@pytest.fixture
def mine(path: Path, driver: SqliteDriver) -> Iterator[sqlite3.Connection]:
    """A connection of the test's, with the settings that sqlite3 gives."""
    connection = sqlite3.connect(path)
    yield connection
    connection.close()


async def test_the_applications_rows_and_the_message_are_one_commit(
    driver: SqliteDriver, mine: sqlite3.Connection
) -> None:
    mine.execute("CREATE TABLE customer (name TEXT)")
    for end in (mine.rollback, mine.commit):
        mine.execute("INSERT INTO customer VALUES ('Ada')")
        await driver.enqueue_in(mine, [message()])
        end()
        came = await driver.dequeue(["mail"], limit=10, wait=0)
        rows = mine.execute("SELECT count(*) FROM customer").fetchone()[0]
        assert (len(came), rows) == ((0, 0) if end == mine.rollback else (1, 1))


class Odd(sqlite3.Connection):
    """A connection whose owner has made all of it his own."""

    def cursor(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("the owner's cursors are his")


async def test_the_connections_own_settings_matter_not_and_stay(
    driver: SqliteDriver, path: Path
) -> None:
    connection = sqlite3.connect(path, timeout=1.5, factory=Odd)
    connection.row_factory = lambda cursor, row: {"row": len(row)}
    connection.text_factory = lambda text: pytest.fail("text")
    before = connection.row_factory, connection.text_factory, connection.isolation_level
    await driver.enqueue_in(connection, [message()])
    connection.commit()
    assert before == (connection.row_factory, connection.text_factory, connection.isolation_level)
    timeout = sqlite3.Cursor(connection).execute("PRAGMA busy_timeout").fetchone()
    assert timeout == (1500,)
    connection.close()
    await works(driver, waiting=1)


@pytest.mark.parametrize("level", ["", "DEFERRED", "IMMEDIATE", "EXCLUSIVE"])
async def test_the_transaction_begins_as_the_connection_would(
    driver: SqliteDriver, path: Path, level: Any
) -> None:
    connection = sqlite3.connect(path, isolation_level=level)
    await driver.enqueue_in(connection, [message()])
    assert connection.in_transaction
    connection.rollback()
    await driver.enqueue_in(connection, [message()])
    connection.commit()
    connection.close()
    await works(driver, waiting=1)


BY_ITSELF: dict[str, Any] = (
    {"autocommit": True} if sys.version_info >= (3, 12) else {"isolation_level": None}
)


@pytest.mark.parametrize("settings", [{"isolation_level": None}, BY_ITSELF], ids=["old", "new"])
async def test_without_a_transaction_one_is_asked_for(
    driver: SqliteDriver, path: Path, settings: dict[str, Any]
) -> None:
    connection = sqlite3.connect(path, **settings)
    with pytest.raises(Unsupported, match="execute BEGIN first"):
        await driver.enqueue_in(connection, [message()])
    connection.execute("BEGIN")
    await driver.enqueue_in(connection, [message()])
    connection.execute("COMMIT")
    connection.close()
    await works(driver, waiting=1)


async def test_a_connection_that_is_always_in_a_transaction_joins(
    driver: SqliteDriver, path: Path
) -> None:
    always: dict[str, Any] = {"autocommit": False} if sys.version_info >= (3, 12) else {}
    connection = sqlite3.connect(path, **always)
    for end in (connection.rollback, connection.commit):
        await driver.enqueue_in(connection, [message()])
        end()
    connection.close()
    await works(driver, waiting=1)


async def test_a_connection_to_another_file_is_refused(
    driver: SqliteDriver, tmp_path: Path
) -> None:
    for name in (str(tmp_path / "other.db"), ":memory:"):
        connection = sqlite3.connect(name)
        with pytest.raises(Unsupported, match="another file"):
            await driver.enqueue_in(connection, [message()])
        connection.close()
        with pytest.raises(Unsupported, match="closed"):
            await driver.enqueue_in(connection, [message()])


async def test_a_connection_of_another_thread_is_refused(driver: SqliteDriver, path: Path) -> None:
    with ThreadPoolExecutor(1) as thread:
        connection = thread.submit(sqlite3.connect, path).result()
        with pytest.raises(Unsupported, match="thread"):
            await driver.enqueue_in(connection, [message()])
        thread.submit(connection.close).result()


async def test_the_same_file_by_another_name_is_the_same(
    driver: SqliteDriver, path: Path, tmp_path: Path
) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(path)
    connection = sqlite3.connect(link)
    await driver.enqueue_in(connection, [message()])
    connection.commit()
    connection.close()
    await works(driver, waiting=1)


async def test_a_batch_is_stored_whole_or_not_and_the_rest_stays(
    driver: SqliteDriver, mine: sqlite3.Connection
) -> None:
    mine.execute("CREATE TABLE customer (name TEXT)")
    mine.execute("INSERT INTO customer VALUES ('Ada')")
    many = [message() for _ in range(150)]
    with pytest.raises(Exception, match="too large"):
        await driver.enqueue_in(mine, [*many, message(attempt=2**70)])
    mine.commit()
    assert mine.execute("SELECT count(*) FROM customer").fetchone() == (1,)
    assert await driver.dequeue(["mail"], limit=10, wait=0) == ()


async def test_a_dispatch_that_would_wait_for_its_own_transaction_is_an_error_at_once(
    opened: Open, mine: sqlite3.Connection
) -> None:
    driver = await opened(busy_timeout=30)
    mine.execute("BEGIN IMMEDIATE")
    start = monotonic()
    with pytest.raises(BackendRefused, match=r"dispatch\(connection=\.\.\.\)"):
        await driver.enqueue([message()])
    assert monotonic() - start < 15, "it waited for the time-out"
    await driver.enqueue_in(mine, [message()])
    mine.commit()
    await works(driver, waiting=1)


async def test_a_file_that_is_ready_is_opened_within_a_transaction(
    opened: Open, mine: sqlite3.Connection
) -> None:
    mine.execute("BEGIN IMMEDIATE")
    driver = await opened(busy_timeout=30)
    await driver.enqueue_in(mine, [message()])
    mine.commit()
    await works(driver, waiting=1)


async def test_a_file_that_is_not_ready_is_to_be_prepared_before_the_transaction(
    make: Make, path: Path
) -> None:
    driver, connection = make(busy_timeout=30), sqlite3.connect(path)
    connection.execute("BEGIN IMMEDIATE")
    with pytest.raises(BackendRefused, match="asynctasq migrate"):
        await driver.open()
    connection.rollback()
    await driver.open()
    await works(driver)
    connection.close()
    await driver.close()


async def test_a_worker_waits_for_the_transaction_of_its_own_task(
    opened: Open, mine: sqlite3.Connection
) -> None:
    driver = await opened(busy_timeout=30)
    await driver.enqueue([message()])
    mine.execute("BEGIN IMMEDIATE")
    taking = asyncio.ensure_future(driver.dequeue(["mail"], limit=1, wait=0))
    await asyncio.wait((taking,), timeout=0.4)
    assert not taking.done()
    with pytest.raises(BackendRefused, match="wait for itself"):
        await driver.enqueue([message()])
    mine.commit()
    assert len(await taking) == 1


async def test_the_transaction_of_another_thread_is_waited_for(opened: Open, path: Path) -> None:
    driver = await opened(busy_timeout=30)
    with locked_by_somebody_else(path):
        sending = asyncio.ensure_future(driver.enqueue([message()]))
        await asyncio.wait((sending,), timeout=0.4)
        assert not sending.done()
    await sending
    await works(driver, waiting=1)


async def test_what_was_seen_in_one_wait_refuses_nobody_in_the_next(
    path: Path, mine: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    self_wait = SelfWait(asyncio.get_running_loop(), path)
    mine.execute("BEGIN IMMEDIATE")
    assert not await asyncio.to_thread(self_wait.is_found)  # who asked gives up before it is seen
    await asyncio.sleep(0)
    mine.commit()
    monkeypatch.setattr(_self_wait, "monotonic", lambda: monotonic() + 60)
    assert not await asyncio.to_thread(self_wait.is_found)
    mine.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr(_self_wait, "monotonic", lambda: monotonic() + 60.2)
    async with asyncio.timeout(20):
        while not await asyncio.to_thread(self_wait.is_found):
            await asyncio.sleep(0.02)


async def test_waiting_for_the_lock_in_a_transaction_leaves_the_loop_free(
    opened: Open, path: Path, mine: sqlite3.Connection
) -> None:
    driver = await opened(busy_timeout=0.2)
    with locked_by_somebody_else(path), pytest.raises(DriverUnavailable):
        async with asyncio.timeout(20):
            await driver.enqueue_in(mine, [message()])
    await driver.enqueue_in(mine, [message()])
    mine.commit()
    await works(driver, waiting=1)


async def test_a_transaction_that_read_before_another_wrote_is_told_to_begin_anew(
    driver: SqliteDriver, mine: sqlite3.Connection
) -> None:
    mine.isolation_level = None
    mine.execute("BEGIN")
    mine.execute("SELECT count(*) FROM asynctasq_task").fetchall()
    await driver.enqueue([message()])
    with pytest.raises(BackendRefused, match="BEGIN IMMEDIATE"):
        await driver.enqueue_in(mine, [message()])
    mine.execute("ROLLBACK")
    await works(driver, waiting=1)
