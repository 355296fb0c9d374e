"""What is wrong with a file is said in so many words, and nothing is lost by it."""

# ruff: noqa: ASYNC221, ASYNC240 - these tests may block their own loop

from __future__ import annotations

import asyncio
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from asynctasq.driver import Ack
from asynctasq.errors import BackendRefused, DriverUnavailable, InvalidMessage, OutcomeUnknown
from asynctasq_drivers.sqlite import SqliteDriver, _session

from .conftest import Make, Open, message

pytestmark = pytest.mark.asyncio


@contextmanager
def locked_by_somebody_else(path: Path) -> Iterator[None]:
    """A connection of another thread holds the write lock."""
    begun, over = threading.Event(), threading.Event()

    def hold() -> None:
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        begun.set()
        over.wait(30)
        connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    begun.wait(30)
    try:
        yield
    finally:
        over.set()
        thread.join()


async def refused(make: Make, match: str, **options: object) -> None:
    driver = make(**options)
    with pytest.raises(BackendRefused, match=match):
        await driver.open()
    await driver.close()


async def works(driver: SqliteDriver, waiting: int = 0) -> None:
    """It takes what it held before, and what it is given now."""
    await driver.enqueue([message()])
    came = await driver.dequeue(["mail"], limit=100, wait=5)
    assert len(came) == waiting + 1
    assert (await driver.settle([Ack(each) for each in came])).lost == ()


async def test_a_locked_database_is_unavailable_and_then_works(opened: Open, path: Path) -> None:
    driver = await opened(busy_timeout=0.2)
    await driver.enqueue([message()])
    with locked_by_somebody_else(path):
        with pytest.raises(
            DriverUnavailable,
            match=r"locked it for (0\.[2-9]|[1-9]\d*\.\d) s \(sqlite_busy_timeout\)",
        ):
            await driver.enqueue([message()])
        with pytest.raises(DriverUnavailable):
            await driver.dequeue(["mail"], limit=1, wait=0)
        assert (await driver.stats(["mail"]))[0].pending == 1, "reading needs no lock"
    await works(driver, waiting=1)


async def test_a_locked_database_lets_an_empty_queue_be_waited_for(
    opened: Open, path: Path
) -> None:
    driver = await opened(busy_timeout=0.2)
    with locked_by_somebody_else(path):
        assert await driver.dequeue(["mail"], limit=1, wait=0.3) == ()


async def test_a_lock_that_ends_in_time_is_waited_for(opened: Open, path: Path) -> None:
    driver = await opened(busy_timeout=30)
    with locked_by_somebody_else(path):
        sending = asyncio.ensure_future(driver.enqueue([message()]))
        await asyncio.wait((sending,), timeout=0.2)
        assert not sending.done()
    await sending
    await works(driver, waiting=1)


async def test_a_statement_whose_error_was_forgotten_is_tried_again(path: Path) -> None:
    """Seen when many opened a file at once: CPython raises SystemError, and nothing was done."""
    session = _session.Session(path, 5.0, threading.Event())
    session.open("normal", create=True)
    failures = [SystemError("returned NULL without setting an exception")]

    def step() -> str:
        if failures:
            raise failures.pop()
        return "done"

    assert session.patiently(step) == "done"
    session.close()


async def test_a_driver_that_waits_for_a_lock_can_be_closed(make: Make, path: Path) -> None:
    driver = make(busy_timeout=600)
    await driver.open()
    with locked_by_somebody_else(path):
        sending = asyncio.ensure_future(driver.enqueue([message()]))
        await asyncio.sleep(0.05)
        async with asyncio.timeout(10):
            await driver.close()
        with pytest.raises(DriverUnavailable):
            await sending


async def test_a_full_file_is_refused_and_takes_more_once_there_is_room(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    # SQLite's own limit for the size of a file, on the driver's own connection.
    limit = "PRAGMA max_page_count = 40"
    monkeypatch.setattr(_session, "_SETTINGS", (*_session._SETTINGS, limit))
    driver = await opened()
    await driver.enqueue([message(bytes(1000))])
    with pytest.raises(BackendRefused, match="full: make room"):
        await driver.enqueue([message(bytes(300_000)), message()])
    assert (await driver.stats(["mail"]))[0].pending == 1, "none of a refused batch is stored"
    await works(driver, waiting=1)


async def test_a_full_file_fails_only_what_does_not_fit(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = "PRAGMA max_page_count = 40"
    monkeypatch.setattr(_session, "_SETTINGS", (*_session._SETTINGS, limit))
    driver = await opened()
    calls = [driver.enqueue([message(bytes(size))]) for size in (10, 300_000, 20)]
    small, large, also_small = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(large, BackendRefused)
    assert not isinstance(small, BaseException)
    assert not isinstance(also_small, BaseException)
    assert (await driver.stats(["mail"]))[0].pending == 2


async def test_a_commit_that_the_disk_fails_is_unknown(opened: Open, path: Path) -> None:
    driver = await opened()
    await driver.enqueue([message()])
    size = path.with_name("queue.db-wal").stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10_000, hard))
    try:
        new = message(bytes(100_000))
        with pytest.raises(OutcomeUnknown, match="the disk failed in a commit") as raised:
            await driver.enqueue([new])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert raised.value.ids == (new.id,)
    assert (await driver.enqueue([new])).stored == (new.id,)
    await works(driver, waiting=2)


READ_ONLY = """
import asyncio, os, sys
from asynctasq.driver import Context
from asynctasq.errors import BackendRefused
from asynctasq_drivers.sqlite import SqliteDriver, SqliteOptions

async def main():
    if os.geteuid() == 0:  # permissions do not bind root
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    driver = SqliteDriver(SqliteOptions(sqlite_path=sys.argv[1]), Context())
    try:
        await driver.open()
    except BackendRefused as error:
        print(error)

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("folder_mode", "file_mode", "said"),
    [
        (0o777, 0o444, "its file is read-only"),
        (0o777, 0o000, "its file is read-only, or cannot be read"),
        (0o555, 0o666, "its folder is read-only"),
        (0o700, 0o666, "this user must be allowed to enter its folders"),
    ],
)
async def test_who_may_not_write_is_refused_and_leaves_nothing_behind(
    make: Make, folder_mode: int, file_mode: int, said: str
) -> None:
    folder = Path(tempfile.mkdtemp(prefix="asynctasq-"))
    file = folder / "queue.db"
    driver = make(path=str(file))
    await driver.open()
    await driver.close()
    before = sorted(folder.iterdir())
    file.chmod(file_mode)
    folder.chmod(folder_mode)
    try:
        ran = subprocess.run(
            [sys.executable, "-c", READ_ONLY, str(file)],
            capture_output=True,
            text=True,
            timeout=50,
            check=True,
        )
        left = sorted(folder.iterdir())
    finally:
        folder.chmod(0o777)
        shutil.rmtree(folder)
    assert left == before
    assert said in ran.stdout, ran.stderr


async def test_a_file_that_is_no_database_is_refused_and_left_alone(make: Make, path: Path) -> None:
    path.write_bytes(b"minutes of the meeting " * 100)
    await refused(make, "not an SQLite database")
    assert path.read_bytes() == b"minutes of the meeting " * 100


async def test_a_folder_is_refused(make: Make, tmp_path: Path) -> None:
    await refused(make, "that is a folder", path=str(tmp_path))


async def test_a_folder_that_is_missing_is_named(make: Make, tmp_path: Path) -> None:
    await refused(make, f"no folder {tmp_path / 'gone'}", path=str(tmp_path / "gone" / "queue.db"))


async def test_a_damaged_file_is_refused(make: Make, path: Path) -> None:
    driver = make()
    await driver.open()
    await driver.enqueue([message(bytes(50_000))])
    await driver.close()
    with path.open("r+b") as file:
        file.seek(100)
        file.write(random.Random(1).randbytes(20_000))
    await refused(make, "the database is damaged|not an SQLite database")


async def test_an_sqlite_that_is_too_old_is_refused(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    await refused(make, "3.35 or newer is needed")


async def test_after_a_refused_open_it_can_be_opened(make: Make, path: Path) -> None:
    path.write_bytes(b"minutes of the meeting " * 100)
    driver = make()
    for _ in range(2):
        with pytest.raises(BackendRefused):
            await driver.open()
    path.unlink()
    await driver.open()
    await works(driver)
    await driver.close()


@pytest.mark.parametrize("replaced", [False, True])
async def test_a_file_that_was_removed_or_replaced_takes_nothing_more(
    opened: Open, path: Path, replaced: bool
) -> None:
    driver = await opened()
    waiting = asyncio.ensure_future(driver.dequeue(["mail"], limit=1, wait=60))
    await asyncio.sleep(0.02)
    path.rename(path.with_name("moved.db"))
    if replaced:
        path.touch()
    with pytest.raises(BackendRefused, match="removed or replaced"):
        await driver.enqueue([message()])
    with pytest.raises(BackendRefused, match="removed or replaced"):
        await waiting


async def test_what_no_column_can_hold_is_refused_alone(driver: SqliteDriver) -> None:
    bad, good = message(attempt=2**70), message()
    calls = [driver.enqueue([bad]), driver.enqueue([good])]
    refused, stored = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(refused, InvalidMessage)
    assert not isinstance(stored, BaseException)
    await works(driver, waiting=1)
