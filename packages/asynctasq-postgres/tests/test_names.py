"""Tables may be called whatever PostgreSQL can call a table; nothing that is a name is ever SQL."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Final

import psycopg
import pytest

from asynctasq.driver import QUEUE_NAME, Ack, Context, DeadLetter, Failure, Retry, TaskState
from asynctasq.errors import ConfigError, InvalidMessage
from asynctasq_drivers.postgres import PostgresDriver
from asynctasq_drivers.postgres._names import LONGEST, ROOM

from .drivers import made, message, opened, record, taken, works
from .servers.own import ask

ODD: Final = [
    "Upper Case",
    "select",
    'quo"ted',
    "it's",
    "back\\slash",
    'x"; DROP TABLE victim; --',
    "x'; DROP TABLE victim; --",
    "{dead}",
    "{queue} {table} {nothing}",
    "$1 $$ $tag$",
    "50% %s %(queue)s",
    "a:queue ::uuid[] :queue",
    "/* -- */",
    "Größe 列 🐘",
    "x" * (LONGEST - ROOM),
    "é" * ((LONGEST - ROOM) // 2),
]
STATES: Final[tuple[TaskState, ...]] = ("pending", "scheduled", "running", "dead", "completed")
FAILURE: Final = Failure("ValueError", "no", "Traceback")


async def every_verb(driver: PostgresDriver, url: str) -> None:
    """Each statement runs."""
    await works(driver)
    with psycopg.connect(url) as mine:
        await driver.enqueue_in(mine, [message()])
    delivery = await taken(driver)
    await driver.extend([delivery])
    await driver.settle([Retry(delivery, 0.0, FAILURE)])
    await driver.settle([DeadLetter(await taken(driver), FAILURE)])
    assert await driver.retry_dead([delivery.ref]) == (delivery.ref,)
    delivery = await taken(driver)
    await driver.store([record(delivery)])
    async with driver.transaction() as connection:
        assert await driver.settle_in(connection, Ack(delivery, record(delivery)))
    stored = await driver.get(delivery.ref)
    assert stored
    assert stored.state == "completed"
    for state in STATES:
        assert all(task.state == state for task in (await driver.list(state, None, 10)).tasks)
    assert await driver.delete([delivery.ref]) == (delivery.ref,)
    await driver.enqueue([message(), message(delay=60.0)])
    (mail,) = await driver.stats()
    assert (mail.queue, mail.pending, mail.scheduled, mail.dead) == ("mail", 1, 1, 0)
    assert (await driver.purge("mail")).count == 2


@pytest.fixture
def victim(database: str) -> str:
    """A database with a table that an injected statement would drop."""
    ask(database, "CREATE TABLE victim ()")
    return database


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ODD)
async def test_a_table_may_have_any_name(victim: str, stack: AsyncExitStack, name: str) -> None:
    schema, dead = name[::-1], f"d{name[1:]}"
    quoted = schema.replace('"', '""')
    ask(victim, f'CREATE SCHEMA "{quoted}"')
    for place in ("", f"{schema}."):
        tables = {"queue_table": place + name, "dead_letter_table": place + dead}
        kept = Context(keep_completed_tasks=True)
        await every_verb(await stack.enter_async_context(opened(victim, kept, **tables)), victim)
    found = "SELECT schemaname FROM pg_tables WHERE tablename = %s"
    assert {*ask(victim, found, name)} == {*ask(victim, found, dead)} == {"public", schema}
    assert ask(victim, found, "victim") == ["public"]


@pytest.mark.asyncio
async def test_a_queue_may_not(victim: str) -> None:
    """And where it is only asked for, it is a value."""
    illegal = [name for name in ODD if not QUEUE_NAME.fullmatch(name)]
    assert len(illegal) > 10
    async with opened(victim) as driver:
        for queue in illegal:
            with pytest.raises(InvalidMessage, match="queue"):
                await driver.enqueue([message(queue=queue)])
            with psycopg.connect(victim) as mine, pytest.raises(InvalidMessage, match="queue"):
                await driver.enqueue_in(mine, [message(queue=queue)])
            assert await driver.dequeue([queue], limit=1, wait=0.0) == ()
            assert await driver.result(message(queue=queue).ref, 0.0) is None
            assert (await driver.purge(queue)).count == 0
        await works(driver)
    assert ask(victim, "SELECT count(*) FROM victim") == [0]


@pytest.mark.asyncio
async def test_names_that_differ_in_their_last_byte_are_two(
    database: str, stack: AsyncExitStack
) -> None:
    """PostgreSQL cuts what is too long, and what is named after a table is longer."""
    drivers = [
        await stack.enter_async_context(
            opened(database, queue_table=ending.rjust(46, "q"), dead_letter_table=ending * 46)
        )
        for ending in ("a", "b")
    ]
    for driver in drivers:
        await driver.enqueue([message()])
    for driver in drivers:
        (stats,) = await driver.stats()
        assert stats.pending == 1
    longest = "SELECT max(length(relname)) FROM pg_class WHERE relname ~ '^(q|aaa|bbb)'"
    assert ask(database, longest) == [63]


@pytest.mark.parametrize("option", ["queue_table", "dead_letter_table"])
@pytest.mark.parametrize(
    "name", ["x" * 47, "é" * 24, "a.b.c", ".a", "a.", "", "nul\0", "line\n", "a" * 64 + ".b"]
)
def test_what_postgresql_would_cut_or_misread_is_refused(option: str, name: str) -> None:
    with pytest.raises(ConfigError, match=f"postgres_{option}.*at most 46 bytes"):
        made("postgresql://nowhere", **{option: name})


@pytest.mark.asyncio
async def test_the_search_path_of_a_caller_does_not_matter(
    database: str, stack: AsyncExitStack
) -> None:
    for schema in ("ours", "theirs"):
        ask(database, f"CREATE SCHEMA {schema}")
    ours, theirs = [
        await stack.enter_async_context(opened(f"{database}?search_path={schema}"))
        for schema in ("ours", "theirs")
    ]
    with psycopg.connect(database) as mine:
        mine.execute("SET search_path = theirs, pg_catalog")
        mine.execute("CREATE TEMPORARY TABLE task_queue (LIKE ours.task_queue)")
        await ours.enqueue_in(mine, [sent := message()])
    assert (await taken(ours)).id == sent.id
    assert await theirs.dequeue(["mail"], limit=1, wait=0.0) == ()
    with psycopg.connect(database) as mine:
        mine.execute("SET search_path = ''")
        await theirs.enqueue_in(mine, [sent := message()])
    assert (await taken(theirs)).id == sent.id
