"""The schema: made once, whoever comes first; refused where it is not the one that we know."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from asynctasq.errors import BackendRefused
from asynctasq_drivers.sqlite._schema import NEWEST

from .conftest import Make, message
from .test_errors import locked_by_somebody_else, works

OPEN = """
import asyncio, sys
from asynctasq.driver import Context, Message
from asynctasq_drivers.sqlite import SqliteDriver, SqliteOptions

async def main():
    driver = SqliteDriver(SqliteOptions(sqlite_path=sys.argv[1]), Context())
    sys.stdin.read(1)
    await driver.open()
    await driver.enqueue([Message(queue="mail", body=b"", visibility_timeout=1.0)])
    await driver.close()

print("ready", flush=True)
asyncio.run(main())
"""


@pytest.mark.concurrent
def test_five_concurrent_processes_make_one_schema(make: Make, path: Path) -> None:
    command = [sys.executable, "-c", OPEN, str(path)]
    pipe = subprocess.PIPE
    started = [
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for _ in range(5)
    ]
    for process in started:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin
        process.stdin.write("x")
        process.stdin.flush()
    for process in started:
        _, errors = process.communicate(timeout=50)
        assert process.returncode == 0, errors
    connection = sqlite3.connect(path)
    versions = connection.execute("SELECT version FROM asynctasq_schema").fetchall()
    count = connection.execute("SELECT count(*) FROM asynctasq_task").fetchone()
    connection.close()
    assert (versions, count) == ([(NEWEST,)], (5,))


@pytest.mark.asyncio
async def test_who_waited_while_another_migrated_applies_nothing(make: Make, path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = wal")
    connection.close()
    with locked_by_somebody_else(path):
        both = [asyncio.ensure_future(make().migrate()) for _ in range(2)]
        await asyncio.wait(both, timeout=0.3)  # each has seen by now that steps are pending
    applied = [[step.version for step in steps] for steps in await asyncio.gather(*both)]
    assert sorted(applied) == [[], [1]]


@pytest.mark.asyncio
async def test_a_newer_schema_is_refused(make: Make, path: Path) -> None:
    driver = make()
    await driver.migrate()
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO asynctasq_schema VALUES (?, 'later', '')", (NEWEST + 1,))
    connection.commit()
    connection.close()
    for call in (driver.open, driver.migrate, driver.pending_migrations):
        with pytest.raises(BackendRefused, match=f"version {NEWEST + 1}.*install the newer"):
            await call()


@pytest.mark.asyncio
async def test_without_auto_migrate_nothing_is_made(make: Make, path: Path) -> None:
    driver = make(auto_migrate=False)
    with pytest.raises(BackendRefused, match="asynctasq migrate --driver sqlite"):
        await driver.open()
    assert not path.exists()  # noqa: ASYNC240 - a test may block its own loop
    sqlite3.connect(path).close()
    path.touch()  # noqa: ASYNC240
    with pytest.raises(BackendRefused, match="asynctasq migrate --driver sqlite"):
        await driver.open()
    assert len(await driver.pending_migrations()) == NEWEST
    assert len(await driver.migrate()) == NEWEST
    await driver.open()
    await works(driver)
    await driver.close()


@pytest.mark.asyncio
async def test_the_file_of_an_application_stays_its_own(make: Make, path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.executescript(
        "CREATE TABLE task (id); INSERT INTO task VALUES (1);"
        "PRAGMA user_version = 7; PRAGMA application_id = 9;"
    )
    driver = make()
    await driver.open()
    await driver.enqueue([message()])
    await driver.close()
    theirs = [
        connection.execute(query).fetchone()[0]
        for query in ("PRAGMA user_version", "PRAGMA application_id", "SELECT id FROM task")
    ]
    connection.close()
    assert theirs == [7, 9, 1]
