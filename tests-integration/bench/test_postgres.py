"""The floor of the postgres driver, on a server of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tools.backends import private
from tools.benchmarks import floors
from tools.benchmarks.children import ask
from tools.benchmarks.orders import Count, Counted, Paced, Step

pytestmark = pytest.mark.once

FILE = floors.find()["postgres"]
FLOOR: Any = floors.load(FILE)
LEFT = "SELECT count(*) FROM pg_class WHERE relname LIKE 'floor%'"


@pytest.fixture(scope="module")
def url(startable: None) -> Iterator[str]:
    # Autovacuum comes when it likes, and is counted.
    with private("postgres", "-c", "autovacuum=off") as server:
        yield server.url


@pytest.fixture
def client(url: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def seen(url: str) -> int:
    return int(asyncio.run(FLOOR.commands({"postgres_dsn": url})))


@pytest.mark.parametrize("name", sorted(FLOOR.FLOORS))
def test_it_does_as_many_as_it_is_asked_for_and_leaves_nothing(
    url: str, client: psycopg.Connection[tuple[int]], name: str, tmp_path: Path
) -> None:
    step = Step(file=str(FILE), name=name, count=250, seconds=30)
    assert ask(step, {"postgres_dsn": url}, tmp_path, Paced).count == 250
    assert client.execute(LEFT).fetchone() == (0,)


def test_one_that_runs_out_of_time_leaves_nothing(
    url: str, client: psycopg.Connection[tuple[int]], tmp_path: Path
) -> None:
    step = Step(file=str(FILE), name="noop", count=1_000, seconds=0)
    assert ask(step, {"postgres_dsn": url}, tmp_path, Paced).count == 100
    assert client.execute(LEFT).fetchone() == (0,)


def test_a_place_has_tables_of_its_own_whichever_way_leads_there(url: str, tmp_path: Path) -> None:
    tables = ("postgres_queue_table", "postgres_dead_letter_table")
    here, there, far = (
        FLOOR.options(tmp_path / folder, way)
        for folder, way in (("here", url), ("there", url), ("here", "postgresql://far/test"))
    )
    assert len({place[table] for place in (here, there) for table in tables}) == 4
    assert [far[table] for table in tables] == [here[table] for table in tables]
    assert (here["postgres_dsn"], far["postgres_dsn"]) == (url, "postgresql://far/test")


def test_commands_are_the_statements_of_clients(
    url: str, client: psycopg.Connection[tuple[int]]
) -> None:
    before = seen(url)
    for number in range(3):
        client.execute("SELECT %s", (number,))
    client.close()  # which is when it tells of them at the latest
    limit = time.monotonic() + 20
    while seen(url) < before + 3:
        assert time.monotonic() < limit
        time.sleep(0.02)
    assert seen(url) == before + 3


def test_what_was_before_is_not_told_as_if_it_were_now(
    url: str, client: psycopg.Connection[tuple[int]], tmp_path: Path
) -> None:
    for number in range(20):
        client.execute("SELECT %s", (number,))
    order = Count(file=str(FILE), seconds=11.0)  # in which a connection at rest tells of them
    assert ask(order, {"postgres_dsn": url}, tmp_path, Counted).count == 0
