"""The proxy does to connections what it says, to the plain clients, and nothing else."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import psycopg
import pytest

from tools.backends import Room

from .servers.own import ask, server, wait_for
from .servers.proxy import Proxy, proxy
from .servers.single import tls

LOST = (asyncpg.ConnectionDoesNotExistError, asyncpg.InterfaceError, OSError)
READY = b"Z\0\0\0\5I"
INSERT = "INSERT INTO kept VALUES ($1)"


@asynccontextmanager
async def connected(dsn: str) -> AsyncGenerator[Any]:
    """By the client of the driver; the connection may have ended before."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        yield connection
    finally:
        connection.terminate()


@pytest.fixture
def between(database: str) -> Iterator[Proxy]:
    """One in front of a database with the table `kept`."""
    ask(database, "CREATE TABLE kept (n int)")
    with proxy(database) as made:
        yield made


def kept(database: str) -> list[Any]:
    return ask(database, "SELECT n FROM kept ORDER BY n")


@pytest.mark.asyncio
async def test_it_cuts_connections_and_refuses_new_ones_until_it_is_healed(between: Proxy) -> None:
    for _ in range(2):
        async with connected(between.url) as client:
            assert await client.fetchval("SELECT 1") == 1
            between.cut()
            with pytest.raises(LOST):
                await client.fetchval("SELECT 1")
            with pytest.raises(ConnectionRefusedError):
                await asyncpg.connect(between.url)
            between.heal()


@pytest.mark.asyncio
@pytest.mark.parametrize("prepared", [False, True], ids=["fresh", "prepared before"])
async def test_it_loses_the_answer_of_a_statement_that_has_run(
    between: Proxy, database: str, prepared: bool
) -> None:
    for number in (1, 2):
        async with connected(between.url) as client:
            if prepared:
                await client.execute(INSERT, 0)
            between.lose_replies(to=b"INSERT")
            assert await client.fetchval("SELECT 42") == 42, "another statement"
            with pytest.raises(LOST):
                await client.execute(INSERT, number)
            assert between.lost == number
            assert number in await asyncio.to_thread(kept, database)
    async with connected(between.url) as client:
        await client.execute(INSERT, 3)
    assert between.lost == 2


@pytest.mark.asyncio
async def test_to_prepare_a_statement_is_not_to_run_it(between: Proxy, database: str) -> None:
    async with connected(between.url) as client:
        between.lose_replies(to=b"INSERT")
        statement = await client.prepare(INSERT)
        assert between.lost == 0
        assert kept(database) == []
        with pytest.raises(LOST):
            await statement.fetch(1)
        assert kept(database) == [1]


@pytest.mark.asyncio
async def test_it_loses_the_answer_of_a_commit(between: Proxy, database: str) -> None:
    async with connected(between.url) as client:
        between.lose_replies(to=b"COMMIT")
        transaction = client.transaction()
        await transaction.start()
        await client.execute(INSERT, 1)
        with pytest.raises(LOST):
            await transaction.commit()
    assert kept(database) == [1]
    between.lose_replies(to=b"COMMIT")
    with pytest.raises(psycopg.OperationalError), psycopg.connect(between.url) as other:
        other.execute("INSERT INTO kept VALUES (2)")
    assert kept(database) == [1, 2]
    assert between.lost == 2


@pytest.mark.asyncio
async def test_a_statement_whose_answer_is_lost_in_a_transaction_is_undone(
    between: Proxy, database: str
) -> None:
    async with connected(between.url) as client:
        await client.execute("BEGIN")
        between.lose_replies(to=b"INSERT")
        with pytest.raises(LOST):
            await client.execute(INSERT, 1)
    assert between.lost == 1
    assert kept(database) == []


@pytest.mark.asyncio
async def test_many_rows_that_are_sent_together_are_lost_together(
    between: Proxy, database: str
) -> None:
    async with connected(between.url) as client:
        between.lose_replies(to=b"INSERT")
        with pytest.raises(LOST):
            await client.executemany(INSERT, [(n,) for n in range(500)])
    assert kept(database) == list(range(500))


def _until(peer: socket.socket, end: bytes = b"") -> bytes:
    """What it says, to those bytes or to its end."""
    heard = b""
    while (more := peer.recv(65_536)) and not (end and (heard + more).endswith(end)):
        heard += more
    return heard + more


def test_what_was_asked_for_at_once_but_before_is_answered(between: Proxy, database: str) -> None:
    parts = urlsplit(between.url)
    words = f"user\0postgres\0database\0{parts.path[1:]}\0\0".encode()
    between.lose_replies(to=b"INSERT")
    with socket.create_connection(("127.0.0.1", parts.port or 0), timeout=5) as peer:
        peer.sendall(struct.pack("!ii", len(words) + 8, 3 << 16) + words)
        _until(peer, READY)
        queries = (b"SELECT 42\0", b"INSERT INTO kept VALUES (1)\0", b"SELECT 43\0")
        peer.sendall(b"".join(b"Q" + struct.pack("!i", len(q) + 4) + q for q in queries))
        heard = _until(peer)
    assert b"42" in heard
    assert heard.endswith(READY)
    assert heard.count(READY) == 1
    assert kept(database) == [1]
    assert between.lost == 1


@pytest.mark.asyncio
async def test_a_large_answer_passes_as_it_is(between: Proxy) -> None:
    async with connected(between.url) as client:
        assert await client.fetchval("SELECT repeat('x', 3000000)") == "x" * 3_000_000
        assert len(await client.fetch("SELECT generate_series(1, 50000)")) == 50_000
        assert await client.fetchval("SELECT length($1)", "y" * 3_000_000) == 3_000_000


@pytest.mark.asyncio
async def test_it_delays_both_directions(between: Proxy) -> None:
    async with connected(between.url) as client:
        await client.fetchval("SELECT 1")
        between.delay = 0.05
        start = time.monotonic()
        await client.fetchval("SELECT 1")
        assert time.monotonic() - start >= 0.1


@pytest.mark.asyncio
async def test_what_it_swallows_is_never_answered_and_old_connections_end_when_it_is_healed(
    between: Proxy, database: str
) -> None:
    async with connected(between.url) as client:
        await client.execute(INSERT, 1)
        between.swallow()
        lost = asyncio.ensure_future(client.execute(INSERT, 2))
        with pytest.raises(TimeoutError):
            await asyncpg.connect(between.url, timeout=0.2)
        assert not lost.done()
        between.heal()
        with pytest.raises(LOST):
            await lost
    async with connected(between.url) as client:
        await client.execute(INSERT, 3)
    assert kept(database) == [1, 3]


@pytest.mark.asyncio
async def test_a_client_that_leaves_while_all_is_swallowed_holds_its_locks_until_it_is_healed(
    between: Proxy, database: str
) -> None:
    held = "SELECT count(*) FROM pg_locks WHERE relation = %s::regclass AND mode ~ 'AccessExcl'"
    async with connected(between.url) as client:
        await client.execute("BEGIN; LOCK TABLE kept")
        between.swallow()
    await asyncio.sleep(0.1)
    assert ask(database, held, "kept") == [1]
    between.heal()
    wait_for(lambda: ask(database, held, "kept") == [0], "no lock")


@pytest.mark.asyncio
async def test_tls_passes_through_it_unread() -> None:
    with tls() as single, proxy(single.url) as between:
        between.lose_replies(to=b"SELECT")
        async with connected(between.url) as client:
            assert await client.fetchval("SELECT 42") == 42
            between.cut()
            with pytest.raises(LOST):
                await client.fetchval("SELECT 42")


@pytest.mark.parametrize("clients", [1, 2, 3])
def test_it_leaves_nobody_hanging_who_connects_while_it_is_cut(
    postgres_server: Room, clients: int
) -> None:
    for _ in range(20):
        with proxy(postgres_server.url) as between:
            place = ("127.0.0.1", urlsplit(between.url).port or 0)
            callers = [socket.create_connection(place, timeout=5) for _ in range(clients)]
        for caller in callers:
            with caller, suppress(ConnectionResetError):
                assert caller.recv(1) == b"", "accepted, and then forgotten"


def test_in_front_of_a_server_that_is_gone_it_ends_connections_unless_it_swallows_all() -> None:
    with server() as room, proxy(room.url) as between:
        room.kill()
        place = ("127.0.0.1", urlsplit(between.url).port or 0)
        with socket.create_connection(place, 5) as caller:
            assert caller.recv(1) == b""
        between.swallow()
        with socket.create_connection(place, 0.2) as caller, pytest.raises(TimeoutError):
            caller.recv(1)


def test_the_one_that_tests_share_leads_to_each_ones_database(
    postgres_proxy: Proxy, database: str
) -> None:
    name = "SELECT current_database()"
    assert ask(postgres_proxy.to(database), name) == ask(database, name)
    assert ask(postgres_proxy.url, name) == ["test"]
