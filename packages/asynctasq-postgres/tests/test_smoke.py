"""The least that must work, also with the oldest of everything that this package allows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import pytest_asyncio
from psycopg import sql

import asynctasq
from asynctasq.driver import Ack, Context, Message, Secret
from asynctasq.worker import Worker
from asynctasq_drivers.postgres import PostgresDriver, PostgresOptions
from tools.driver_tests.where import url

pytestmark = [pytest.mark.smoke, pytest.mark.asyncio]


@asynctasq.task(name="postgres.smoke.double")
async def double(number: int) -> int:
    return 2 * number


@pytest.fixture
def options() -> Iterator[dict[str, str]]:
    """Tables that nobody else uses, and that are gone at the end."""
    name = f"smoke_{uuid4().hex[:12]}"
    dead = f"{name}_dead"
    yield {
        "postgres_dsn": url("postgres"),
        "postgres_queue_table": name,
        "postgres_dead_letter_table": dead,
    }
    tables = (name, dead, *(f"{name}_{rest}" for rest in ("completed", "results", "migrations")))
    with psycopg.connect(url("postgres"), autocommit=True) as connection:
        for table in tables:
            connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(table)))


@pytest_asyncio.fixture
async def driver(options: dict[str, str]) -> AsyncIterator[PostgresDriver]:
    dsn = Secret(options["postgres_dsn"])
    opened = PostgresDriver(
        PostgresOptions(
            postgres_dsn=dsn,
            postgres_queue_table=options["postgres_queue_table"],
            postgres_dead_letter_table=options["postgres_dead_letter_table"],
        ),
        Context(),
    )
    await opened.open()
    yield opened
    await opened.close()


async def test_what_is_stored_is_taken_and_acknowledged(driver: PostgresDriver) -> None:
    queue = "smoke"
    message = Message(queue=queue, body=b"payload", visibility_timeout=60.0)
    assert not (await driver.enqueue([message])).failed
    (delivery,) = await driver.dequeue([queue], limit=10, wait=5.0)
    assert (delivery.id, delivery.body) == (message.id, b"payload")
    assert not (await driver.settle([Ack(delivery)])).lost
    (stats,) = await driver.stats([queue])
    assert (stats.pending, stats.running, stats.dead) == (0, 0, 0)


async def test_a_dispatched_task_runs_and_its_result_comes_back(
    options: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asynctasq.init({"driver": "postgres", "result_ttl": 60, **options})
    async with Worker(["smoke"]) as worker:
        handle = await double(21).on_queue("smoke").dispatch()
        assert await handle.result(timeout=20) == 42
    assert worker.completed == 1
    await asynctasq.close()
