"""What a task does with the connection of its `transaction()` ends with it."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import pytest
import pytest_asyncio

import asynctasq
from asynctasq.errors import TaskFailed
from asynctasq.worker import Worker

from .effects import leave
from .servers.own import ask
from .shop import QUEUE, Shop, once

pytestmark = pytest.mark.asyncio

Use: TypeAlias = Callable[[Any], Awaitable[Any]]
uses: dict[str, Use] = {}


@asynctasq.task(name="postgres.connections.use", queue=QUEUE, max_attempts=1)
async def use(key: str) -> str:
    async with asynctasq.transaction() as connection:
        await leave(connection, "use")
        return str(await uses[key](connection))


@pytest_asyncio.fixture
async def worker(shop: Shop) -> AsyncIterator[Worker]:
    """One whose transactions have one and the same connection."""
    shop.init(postgres_min_pool_size=1, postgres_max_pool_size=1)
    async with Worker([QUEUE], concurrency=1) as running:
        yield running


async def answer(what: Use, *, times: int = 1) -> str:
    """What a task got by that."""
    uses[str(id(what))] = what
    handle = await use(str(id(what))).dispatch()
    return await handle.result(timeout=20)


def asking(sql: str) -> Use:
    """The value of a query."""

    async def fetch(connection: Any) -> Any:
        return await connection.fetchval(sql)

    return fetch


def doing(sql: str) -> Use:
    """Run it."""

    async def execute(connection: Any) -> Any:
        return await connection.execute(sql)

    return execute


PID = asking("SELECT pg_backend_pid()")
LEFT_BEHIND = {
    "SET": ("SET work_mem = '7MB'", "SHOW work_mem"),
    "SET LOCAL": ("SET LOCAL work_mem = '7MB'", "SHOW work_mem"),
    "set_config": (
        "SELECT set_config('own.tenant', '7', false)",
        "SELECT current_setting('own.tenant', true)",
    ),
    "SET search_path": ("SET search_path = pg_catalog", "SHOW search_path"),
    "SET ROLE": ("SET ROLE pg_monitor", "SELECT current_user"),
    "SET SESSION AUTHORIZATION": ("SET SESSION AUTHORIZATION pg_monitor", "SELECT session_user"),
    "a temporary table": ("CREATE TEMPORARY TABLE own (n int)", "SELECT to_regclass('own')"),
    "PREPARE": (
        "PREPARE own AS SELECT 1",
        "SELECT count(*) FROM pg_prepared_statements WHERE from_sql",
    ),
    "a cursor": ("DECLARE own CURSOR WITH HOLD FOR SELECT 1", "SELECT count(*) FROM pg_cursors"),
    "LISTEN": ("LISTEN own", "SELECT count(*) FROM pg_listening_channels()"),
    "a lock": (
        "SELECT pg_advisory_lock(7)",
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
    ),
    "a sequence's value": (
        "CREATE TEMPORARY SEQUENCE own; SELECT nextval('own')",
        "SELECT to_regclass('own')",
    ),
}


@pytest.mark.parametrize("name", LEFT_BEHIND)
async def test_nothing_is_left_behind_for_the_next_one(worker: Worker, name: str) -> None:
    statement, question = LEFT_BEHIND[name]
    first, before = await answer(PID), await answer(asking(question))
    await answer(doing(statement))
    assert await answer(asking(question)) == before
    assert await answer(PID) == first, "it is another connection"
