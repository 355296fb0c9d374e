"""Every statement finds its rows through an index, however many are waiting."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from asynctasq_drivers.sqlite._schema import MIGRATIONS
from asynctasq_drivers.sqlite._statements import sql

ASKED: dict[str, Any] = {
    "queue": "mail",
    "id": b"0" * 16,
    "now": 10**15,
    "expires": None,
    "limit": 100,
    "most": 100,
    "after": 0,
    "last": 1000,
    "state": 4,
    "seqs": json.dumps([1, 2, 3]),
}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    """A file with many tasks in each state, and statistics that could mislead the planner."""
    connection = sqlite3.connect(tmp_path_factory.mktemp("plans") / "queue.db")
    for step in MIGRATIONS:
        connection.executescript(step.sql)
    row = (Path(__file__).parent / "filled.sql").read_text(encoding="utf-8")
    connection.executescript(row)
    yield connection
    connection.close()


@pytest.fixture(params=[False, True], ids=["as it is", "analysed"])
def analysed(request: pytest.FixtureRequest, filled: sqlite3.Connection) -> sqlite3.Connection:
    """With and without ANALYZE, which whoever owns the file may run."""
    if request.param:
        filled.execute("ANALYZE")
    else:
        filled.execute("DROP TABLE IF EXISTS sqlite_stat1")
    return filled


def plan(connection: sqlite3.Connection, name: str) -> list[str]:
    statement = sql(name)
    given = ("x",) * statement.count("?") or ASKED
    return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", given)]


VERBS = sorted(p.stem for p in (Path(sql.__code__.co_filename).parent / "sql").glob("*.sql"))


@pytest.mark.parametrize("verb", VERBS)
def test_no_statement_reads_or_sorts_what_is_waiting(
    analysed: sqlite3.Connection, verb: str
) -> None:
    steps = plan(analysed, verb)
    sorting = [step for step in steps if "TEMP B-TREE" in step]
    reading = [step for step in steps if step.startswith("SCAN asynctasq")]
    assert not sorting, "\n".join(steps)
    assert not reading, "\n".join(steps)


@pytest.mark.parametrize("verb", ["take", "promote", "next_due"])
def test_the_order_of_hand_outs_comes_from_the_index(
    analysed: sqlite3.Connection, verb: str
) -> None:
    steps = [step for step in plan(analysed, verb) if "asynctasq_task_line" in step]
    assert steps
    assert all("queue=? AND state=?" in step for step in steps), steps


@pytest.mark.parametrize("queue", ["mail", "other", "nobody"])
def test_taking_costs_the_same_with_many_waiting(filled: sqlite3.Connection, queue: str) -> None:
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    filled.set_progress_handler(count, 1)  # called for each instruction of SQLite's machine
    filled.execute(sql("take"), {**ASKED, "queue": queue, "limit": 10}).fetchall()
    filled.set_progress_handler(None, 0)
    assert steps < 500, f"{steps} instructions for ten of 10,000 messages"
