"""``asynctasq migrate`` on PostgreSQL: shown, checked, applied by us or by somebody with rights."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from asynctasq.errors import BackendRefused

from .drivers import made, opened, works
from .servers.own import ask, program
from .servers.single import Single, few_rights

TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
THOSE_TABLES = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'"
STEPS = "   1  tasks\n   2  upkeep\n"
ODD = ("--postgres-queue-table", 'it\'s a \\ "queue" {dead}')


@pytest.fixture(scope="module")
def rights() -> Iterator[Single]:
    with few_rights() as single:
        yield single


@pytest.fixture
def single(rights: Single) -> Single:
    """Its schema is empty."""
    for table in ask(rights.room, THOSE_TABLES):
        ask(rights.room, f"DROP TABLE {table}")
    return rights


def run(folder: Path, url: str, *flags: str) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "asynctasq", "migrate", "--driver", "postgres", *flags]
    ran = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "ASYNCTASQ_POSTGRES_DSN": url},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    return ran.returncode, ran.stdout, ran.stderr


def migrate(folder: Path, url: str, *flags: str) -> tuple[int, str]:
    code, shown, errors = run(folder, url, *flags)
    assert errors == ""
    return code, shown


def by_psql(url: str, sql: str) -> None:
    command = [program("psql"), "--no-psqlrc", "--quiet", "--single-transaction"]
    words = [*command, "--set", "ON_ERROR_STOP=1", "--dbname", url]
    ran = subprocess.run(words, input=sql, capture_output=True, text=True, timeout=50, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


@pytest.mark.parametrize("flag", ["--check", "--sql"])
def test_looking_changes_nothing(tmp_path: Path, database: str, flag: str) -> None:
    code, shown = migrate(tmp_path, database, flag)
    assert code == (flag == "--check")
    assert ('CREATE TABLE "task_queue"' in shown) == (flag == "--sql")
    assert "upkeep" in shown
    assert ask(database, TABLES) == [0]


def test_what_was_applied_is_pending_no_more(tmp_path: Path, database: str) -> None:
    code, shown = migrate(tmp_path, database)
    assert (code, shown) == (0, f"{STEPS}{STEPS.count(chr(10))} step(s) applied\n")
    for again in ((), ("--check",)):
        assert migrate(tmp_path, database, *again) == (0, "the schema is up to date\n")
    assert migrate(tmp_path, database, "--sql") == (0, "")


def test_only_what_is_pending_is_shown(tmp_path: Path, database: str) -> None:
    migrate(tmp_path, database)
    ask(database, "DELETE FROM task_queue_migrations WHERE version > 1")
    code, shown = migrate(tmp_path, database, "--check", "--json")
    assert (code, [step["version"] for step in json.loads(shown)][:1]) == (1, [2])
    assert migrate(tmp_path, database, "--json") == (0, shown)
    assert migrate(tmp_path, database, "--json") == (0, "[]\n")


@pytest.mark.asyncio
@pytest.mark.parametrize("names", [{}, ODD], ids=["usual names", "odd names"])
async def test_the_sql_that_is_shown_does_all_by_hand(
    tmp_path: Path, single: Single, names: dict[str, str]
) -> None:
    flags = [f"--postgres-{option.replace('_', '-')}={name}" for option, name in names.items()]
    code, shown = migrate(tmp_path, single.url, "--sql", *flags)
    assert code == 0
    by_psql(single.other_url, shown)
    assert migrate(tmp_path, single.url, "--check", *flags) == (0, "the schema is up to date\n")
    for auto_migrate in (True, False):
        async with opened(single.url, auto_migrate=auto_migrate, **names) as driver:
            await works(driver)


@pytest.mark.asyncio
async def test_who_may_not_make_tables_is_told_how_they_are_made(
    tmp_path: Path, single: Single
) -> None:
    wanted = r"`asynctasq migrate --driver postgres --sql`"
    driver = made(single.url)
    for call in (driver.open, driver.migrate):
        with pytest.raises(BackendRefused, match=wanted):
            await call()
    await driver.close()
    code, shown, errors = run(tmp_path, single.url)
    assert (code, shown) == (1, "")
    assert "`asynctasq migrate --driver postgres --sql`" in errors
    assert "Traceback" not in errors


def test_a_newer_schema_is_refused(tmp_path: Path, database: str) -> None:
    migrate(tmp_path, database)
    ask(database, "INSERT INTO task_queue_migrations VALUES (999, 'later', 'dead_letter_queue')")
    for flags in ((), ("--check",), ("--sql",)):
        code, shown, errors = run(tmp_path, database, *flags)
        assert (code, shown) == (1, "")
        assert "version 999" in errors
        assert "install the newer" in errors
        assert "Traceback" not in errors
