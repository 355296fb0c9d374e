"""The README is walked as it stands: every command shows what it says, also those of psql."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools import tour

from .drivers import made
from .page import LOOK, PAGE, QUERIES, RIGHTS, TOUR, reader
from .servers.own import ask

LINE = re.compile(r"-{3,}(\+-{3,})*")
"""Of a table of psql: as wide as what stands in it."""


MINUTES = re.compile(r"\b\d+ min\b")


def likeness(text: str) -> str:
    """Whether an age is told in seconds or in minutes depends on how fast the machine is."""
    return tour.likeness(MINUTES.sub("0 s", LINE.sub("---", text)))


@pytest.mark.concurrent
@pytest.mark.timeout(180)
def test_every_command_shows_what_the_page_says(tmp_path: Path) -> None:
    parts = [tour.steps(part) for part in (TOUR, RIGHTS, LOOK)]
    assert sum(map(len, parts)) > 50
    with reader(tmp_path) as somebody:
        for steps in parts:
            shown = [*map(likeness, somebody.walk(steps))]
            for step, found in zip(steps, shown, strict=True):
                assert found == likeness(step.shown), step.command


def test_every_file_of_the_tour_is_used_there() -> None:
    commands = " ".join(step.command for step in tour.steps(TOUR))
    for name in tour.files(TOUR):
        assert name in (".env",) or name in commands


@pytest.mark.asyncio
async def test_every_query_of_the_page_is_understood(database: str) -> None:
    driver = made(database)
    await driver.migrate()
    queries = [
        part["text"] for part in re.finditer(r"```sql\n(?P<text>.*?)```", QUERIES, re.DOTALL)
    ]
    each = [query for text in queries for query in text.split(";") if query.strip()]
    assert len(each) == 5
    for query in each:
        ask(database, query)


def columns(database: str, table: str) -> list[str]:
    return ask(
        database,
        "SELECT attname::text FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0",
        table,
    )


@pytest.mark.asyncio
async def test_every_table_and_column_is_in_the_tables_of_the_page(database: str) -> None:
    await made(database).migrate()
    there = ask(
        database,
        "SELECT relname::text FROM pg_class WHERE relkind = 'r' "
        "AND relnamespace = 'public'::regnamespace",
    )
    where = PAGE.partition("\n## What is where\n")[2].partition("\n## ")[0]
    rows = [row for row in where.splitlines() if row.startswith("| `")]
    told = [name for row in rows for name in re.findall("`([^`]+)`", row.split("|")[1])]
    assert sorted(told) == sorted([*there, *columns(database, "task_queue")])


@pytest.mark.parametrize("dsn", re.findall(r"^\| `(postgresql://[^`]+)` \|", PAGE, re.MULTILINE))
def test_every_dsn_of_the_page_is_accepted(dsn: str) -> None:
    made(dsn)
