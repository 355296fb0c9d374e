"""Numbers that a long life makes large: places, receipts and counts go beyond 32 bits."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from asynctasq.driver import Ack, Message, Release
from asynctasq_drivers.sqlite import SqliteDriver

BEYOND = 2**40


def grown(path: Path, statement: str) -> None:
    """Let the file be as if it had seen very many tasks."""
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement, {"number": BEYOND})
    connection.close()


def message() -> Message:
    return Message(queue="mail", body=b"payload", visibility_timeout=60.0)


@pytest.mark.asyncio
async def test_a_file_that_has_seen_more_than_32_bits_of_tasks_takes_more(
    driver: SqliteDriver, path: Path
) -> None:
    grown(path, "INSERT INTO sqlite_sequence (name, seq) VALUES ('asynctasq_task', :number)")
    await driver.enqueue([message(), message()])
    first, second = await driver.dequeue(["mail"], limit=2, wait=0)
    assert (await driver.extend([first, second])).lost == ()
    assert (await driver.settle([Ack(first), Release(second)])).lost == ()
    (again,) = await driver.dequeue(["mail"], limit=2, wait=0)
    assert again.id == second.id
    assert (await driver.settle([Ack(second)])).lost == (second,)
    page = await driver.list("running", "mail", 10)
    assert [task.ref.id for task in page.tasks] == [again.id]


@pytest.mark.asyncio
async def test_a_task_that_was_handed_out_more_often_than_32_bits_can_tell(
    driver: SqliteDriver, path: Path
) -> None:
    await driver.enqueue([message()])
    grown(path, "UPDATE asynctasq_task SET receipt = :number, deliveries = :number")
    (held,) = await driver.dequeue(["mail"], limit=1, wait=0)
    assert held.deliveries == BEYOND + 1
    assert (await driver.settle([Ack(held)])).lost == ()
