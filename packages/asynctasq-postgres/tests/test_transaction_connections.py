"""What a task does with the connection of its `transaction()` ends with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any, TypeAlias

import pytest
import pytest_asyncio

import asynctasq
from asynctasq.errors import TaskFailed
from asynctasq.worker import Worker
from asynctasq_drivers.postgres._exchange import ALIVE, SETTINGS
from tools.backends import Room

from .effects import leave
from .servers.own import ask
from .shop import QUEUE, Shop, until

pytestmark = pytest.mark.asyncio

Use: TypeAlias = Callable[[Any], Awaitable[Any]]
uses: dict[str, Use] = {}


@asynctasq.task(name="postgres.connections.use", queue=QUEUE, max_attempts=1)
async def use(key: str, fails: bool) -> str:
    async with asynctasq.transaction() as connection:
        await leave(connection, "use")
        answer = await uses[key](connection)
        if fails:
            raise ZeroDivisionError
        return str(answer)


@pytest_asyncio.fixture
async def worker(shop: Shop) -> AsyncIterator[Worker]:
    """One whose transactions have one and the same connection."""
    shop.init(postgres_min_pool_size=1, postgres_max_pool_size=1)
    async with Worker([QUEUE], concurrency=1) as running:
        yield running


@pytest.fixture(scope="module")
def other(postgres_server: Room) -> Iterator[None]:
    """A role that a user may take on."""
    ask(postgres_server, "CREATE ROLE other SUPERUSER")
    yield
    ask(postgres_server, "DROP ROLE other")


async def answer(what: Use, *, fails: bool = False) -> str:
    """What a task got by that."""
    uses[str(id(what))] = what
    handle = await use(str(id(what)), fails).dispatch()
    return await handle.result(timeout=20)


def asking(sql: str) -> Use:
    """The value of a query."""

    async def fetch(connection: Any) -> Any:
        return await connection.fetchval(sql)

    return fetch


def doing(*statements: str) -> Use:
    """Run them."""

    async def execute(connection: Any) -> Any:
        for statement in statements:
            await connection.execute(statement)

    return execute


PID = asking("SELECT pg_backend_pid()")
LOCKS = "FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
LEFT_BEHIND = {
    "SET": ("SET work_mem = '7MB'", "SHOW work_mem"),
    "SET LOCAL": ("SET LOCAL work_mem = '7MB'", "SHOW work_mem"),
    "SET search_path": ("SET search_path = public, pg_catalog", "SHOW search_path"),
    "a setting": (
        "SELECT set_config('own.tenant', '7', false)",
        "SELECT nullif(current_setting('own.tenant', true), '')",
    ),
    "SET ROLE": ("SET ROLE other", "SELECT current_user"),
    "SET SESSION AUTHORIZATION": ("SET SESSION AUTHORIZATION other", "SELECT session_user"),
    "a temporary table": ("CREATE TEMPORARY TABLE own (n int)", "SELECT to_regclass('own')"),
    "a temporary sequence": ("CREATE TEMPORARY SEQUENCE own", "SELECT to_regclass('own')"),
    "PREPARE": (
        'PREPARE "my own" AS SELECT 1',
        "SELECT count(*) FROM pg_prepared_statements WHERE from_sql",
    ),
    "a cursor": ("DECLARE own CURSOR WITH HOLD FOR SELECT 1", "SELECT count(*) FROM pg_cursors"),
    "LISTEN": ("LISTEN own", "SELECT count(*) FROM pg_listening_channels()"),
    "a lock": ("SELECT pg_advisory_lock(7)", f"SELECT count(*) {LOCKS}"),
}


@pytest.mark.usefixtures("worker", "other")
@pytest.mark.parametrize("fails", [False, True], ids=["", "fails"])
@pytest.mark.parametrize("name", LEFT_BEHIND)
async def test_nothing_is_left_behind_for_the_next_one(name: str, fails: bool) -> None:
    statement, question = LEFT_BEHIND[name]
    first, before = await answer(PID), await answer(asking(question))
    if fails:
        with pytest.raises(TaskFailed, match="ZeroDivisionError"):
            await answer(doing(statement), fails=True)
    else:
        await answer(doing(statement))
    assert await answer(asking(question)) == before
    assert await answer(PID) == first, "it is another connection"


async def test_what_a_listener_hears_later_is_not_told_to_it(shop: Shop, worker: Worker) -> None:
    heard: list[str] = []

    async def listen(connection: Any) -> None:
        await connection.add_listener("own", lambda *told: heard.append(told[-1]))

    async def listen_again(connection: Any) -> None:
        await connection.add_listener("own", lambda *told: heard.append(f"again: {told[-1]}"))

    await answer(listen)
    ask(shop.dsn, "NOTIFY own, 'once'")
    await answer(listen_again)
    ask(shop.dsn, "NOTIFY own, 'twice'")
    await answer(doing("SELECT 1", "SELECT 1"))
    assert heard == []


async def test_the_same_temporary_table_can_be_made_by_each(worker: Worker) -> None:
    async def count(connection: Any) -> Any:
        await connection.execute("CREATE TEMPORARY TABLE own (n int)")
        await connection.execute("INSERT INTO own SELECT generate_series(1, $1::int)", 5)
        await connection.copy_records_to_table("own", records=[(6,), (7,)])
        prepared = await connection.prepare("SELECT sum(n) FROM own WHERE n > $1")
        return await prepared.fetchval(1)

    assert [await answer(count) for _ in range(3)] == ["27"] * 3


async def test_a_block_in_the_block_is_a_savepoint(shop: Shop, worker: Worker) -> None:
    async def nest(connection: Any) -> None:
        with suppress(ZeroDivisionError):
            async with connection.transaction():
                await leave(connection, "taken back")
                raise ZeroDivisionError
        async with connection.transaction():
            await leave(connection, "kept")

    await answer(nest)
    assert sorted(step for step, _ in shop.effects()) == ["kept", "use"]


@pytest.mark.parametrize("name", ["COMMIT", "ROLLBACK"])
async def test_who_ends_the_transaction_himself_is_told_and_acknowledges_nothing(
    shop: Shop, worker: Worker, name: str
) -> None:
    with pytest.raises(TaskFailed, match="leave COMMIT and ROLLBACK to the end"):
        await answer(doing(name))
    await until(lambda: worker.failed == 1, "it has failed")
    assert ask(shop.dsn, "SELECT count(*) FROM dead_letter_queue") == [1]
    assert shop.effects().total() == (1 if name == "COMMIT" else 0)
    assert await answer(asking("SELECT 7")) == "7"


async def test_who_closes_the_connection_himself_is_told_and_acknowledges_nothing(
    shop: Shop, worker: Worker
) -> None:
    async def close(connection: Any) -> None:
        await connection.close()

    with pytest.raises(TaskFailed, match="ended in its block"):
        await answer(close)
    await until(lambda: worker.failed == 1, "it has failed")
    assert shop.effects() == {}
    assert await answer(asking("SELECT 7")) == "7"


async def test_a_statement_that_still_runs_at_the_end_of_the_block_acknowledges_nothing(
    shop: Shop, worker: Worker
) -> None:
    async def leave_running(connection: Any) -> None:
        running.append(asyncio.ensure_future(connection.execute("SELECT pg_sleep(1)")))
        await asyncio.sleep(0)

    running: list[asyncio.Future[Any]] = []
    with pytest.raises(TaskFailed, match="another operation is in progress"):
        await answer(leave_running)
    await asyncio.wait(running)
    running[0].exception()
    await until(lambda: worker.failed == 1, "it has failed")
    assert shop.effects() == {}
    assert await answer(asking("SELECT 7")) == "7"


@pytest.mark.usefixtures("worker")
async def test_a_connection_is_as_the_user_has_configured_the_database(shop: Shop) -> None:
    for name, ours in SETTINGS.items():
        if name in ALIVE:
            continue
        (configured,) = ask(shop.dsn, f"SHOW {name}")
        assert await answer(asking(f"SHOW {name}")) == configured
        assert configured != ours or name == "default_transaction_isolation"
