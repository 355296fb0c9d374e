"""Each server does what it is for, to the plain client: so a failing test of the driver is its own.

A failure here is one of the servers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg
import psycopg
import pytest

from tools.backends import Room

from .servers import own
from .servers.own import ask, at, server
from .servers.pgbouncer import pgbouncer
from .servers.single import few_rights, tls, with_password
from .servers.standby import standby

ONCE = pytest.mark.once
ENDED = (
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)
"""By what is heard first: that it said so, that it hung up, or only the one of both so far."""
CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"


@asynccontextmanager
async def connected(dsn: str, **options: Any) -> AsyncGenerator[Any]:
    """By the client of the driver; the connection may have ended before."""
    connection = await asyncpg.connect(dsn, timeout=10, **options)
    try:
        yield connection
    finally:
        connection.terminate()


def table(room: Room) -> None:
    ask(room, "CREATE TABLE kept (n int)")


@ONCE
@pytest.mark.parametrize(
    ("stop", "crashed"),
    [(own.stop_fast, False), (own.stop_immediate, True), (Room.kill, True)],
    ids=["fast", "immediate", "killed"],
)
@pytest.mark.asyncio
async def test_a_server_that_stopped_has_ended_its_clients_and_kept_what_was_committed(
    stop: Any, crashed: bool
) -> None:
    with server() as room:
        table(room)
        async with connected(room.url) as client:
            await client.execute("INSERT INTO kept VALUES (1)")
            await client.execute("BEGIN; INSERT INTO kept VALUES (2)")
            await asyncio.to_thread(stop, room)
            with pytest.raises(ENDED):
                await client.fetch("SELECT 1")
        with pytest.raises(psycopg.OperationalError):
            ask(room, "SELECT 1")
        room.start()
        assert ask(room, "SELECT n FROM kept") == [1]
        log = (room.folder / "log").read_text(encoding="utf-8")
        assert ("not properly shut down" in log) is crashed


@pytest.mark.asyncio
async def test_a_paused_server_answers_nothing_and_then_all(postgres_server: Room) -> None:
    async with connected(postgres_server.url) as client:
        with own.paused(postgres_server):
            answer = asyncio.ensure_future(client.fetchval("SELECT 42"))
            with pytest.raises(psycopg.OperationalError, match="timeout"):
                await asyncio.to_thread(ask, postgres_server, "SELECT 1")
            assert not answer.done()
        assert await answer == 42


@pytest.mark.asyncio
async def test_every_client_can_be_ended() -> None:
    with server() as room:
        async with connected(room.url) as one, connected(at(room.url, "postgres")) as other:
            assert await asyncio.to_thread(own.terminate_all, room) == 2
            for client in (one, other):
                with pytest.raises(ENDED):
                    await client.fetch("SELECT 1")
        # Those who asked before may still be on their way out.
        own.wait_for(lambda: ask(room, CONNECTIONS) == [1], "nobody but who asks")


@ONCE
@pytest.mark.asyncio
async def test_a_standby_has_what_the_primary_has_and_takes_no_writes_until_it_replaces_it() -> (
    None
):
    with standby() as pair:
        table(pair.primary)
        ask(pair.primary, "INSERT INTO kept VALUES (1)")
        pair.wait_until_caught_up()
        assert ask(pair.standby, "SELECT n FROM kept") == [1]
        async with connected(pair.url, target_session_attrs="read-write") as client:
            assert await client.fetchval("SHOW port") == str(pair.primary.port)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            ask(pair.standby, "INSERT INTO kept VALUES (2)")
        pair.primary.kill()
        await asyncio.to_thread(pair.promote)
        async with connected(pair.url, target_session_attrs="read-write") as client:
            await client.execute("INSERT INTO kept VALUES (2)")
        assert ask(pair.standby, "SELECT n FROM kept") == [1, 2]


@ONCE
def test_a_standby_that_was_away_catches_up() -> None:
    with standby() as pair:
        table(pair.primary)
        pair.standby.stop()
        for number in range(3):  # which need more than one file of its log
            ask(pair.primary, f"INSERT INTO kept VALUES ({number})")
            ask(pair.primary, "SELECT pg_switch_wal()")
        ask(pair.primary, "CHECKPOINT")
        pair.standby.start()
        pair.wait_until_caught_up()
        assert ask(pair.standby, "SELECT n FROM kept") == [0, 1, 2]


@pytest.mark.asyncio
async def test_behind_pgbouncer_a_transaction_has_a_connection_and_a_client_has_none() -> None:
    with server() as room, pgbouncer(room, connections=2) as pool:
        async with AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(connected(pool.url, statement_cache_size=0))
                for _ in range(5)
            ]
            assert {await client.fetchval("SELECT 1") for client in clients} == {1}
            own.wait_for(lambda: ask(room, CONNECTIONS)[0] <= 3, "the pool, and who asks")
            own_pid = "SELECT pg_backend_pid()"
            async with clients[0].transaction():
                (mine,) = {await clients[0].fetchval(own_pid) for _ in range(3)}
                others = {await client.fetchval(own_pid) for client in clients[1:]}
            assert mine not in others
            assert len(others) == 1


@ONCE
def test_pgbouncer_finds_a_server_again_that_was_restarted() -> None:
    with server() as room, pgbouncer(room) as pool:
        table(room)
        room.kill()
        room.start()
        assert own.wait_for(lambda: ask(pool, "SELECT count(*) + 1 FROM kept"), "an answer") == [1]
        pool.stop()
        pool.start()
        assert ask(pool, "SELECT count(*) FROM kept") == [0]


@pytest.mark.asyncio
async def test_over_tls_a_certificate_is_checked_and_nobody_gets_in_without_tls() -> None:
    secure = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    with tls() as single:
        async with connected(single.url) as client:
            assert await client.fetchval(secure) is True
        assert ask(single.url, secure) == [True]
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError, match="no encryption"):
            await asyncpg.connect(single.other_url)
        host = single.url.replace("127.0.0.1", "localhost")  # whom the certificate does not name
        with pytest.raises(OSError, match=r"(?i)certificate verify failed"):
            await asyncpg.connect(host)
        assert ask(single.room, "SHOW ssl") == ["on"]


@pytest.mark.asyncio
async def test_a_server_that_wants_a_certificate_lets_nobody_in_without_one() -> None:
    with tls(clients=True) as single:
        async with connected(single.url) as client:
            assert await client.fetchval("SELECT current_user") == "app"
        assert ask(single.url, "SELECT 1") == [1]
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError, match="certificate"):
            await asyncpg.connect(single.other_url)


@pytest.mark.asyncio
async def test_a_password_lets_in_and_another_or_none_does_not() -> None:
    with with_password() as single:
        async with connected(single.url) as client:
            assert await client.fetchval("SELECT current_user") == "app"
        for password in ("not this", None):
            with pytest.raises((asyncpg.InvalidPasswordError, asyncpg.InternalClientError)):
                await asyncpg.connect(single.other_url, password=password)


def test_who_has_few_rights_uses_what_the_owner_made_and_makes_nothing() -> None:
    with few_rights() as single:
        ask(single.other_url, "CREATE TABLE kept (n int, id int GENERATED ALWAYS AS IDENTITY)")
        ask(single.url, "INSERT INTO kept VALUES (1)")
        ask(single.url, "UPDATE kept SET n = 2")
        assert ask(single.url, "DELETE FROM kept RETURNING n, id") == [(2, 1)]
        for denied in (
            "CREATE TABLE mine (n int)",
            "CREATE TEMP TABLE mine (n int)",
            "CREATE SCHEMA mine",
            "ALTER TABLE kept ADD m int",
            "DROP TABLE kept",
            "TRUNCATE kept",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                ask(single.url, denied)


@pytest.mark.asyncio
async def test_a_database_of_ones_own_is_empty_and_gone_at_the_end(postgres_server: Room) -> None:
    databases = "SELECT count(*) FROM pg_database"
    before = ask(postgres_server, databases)
    with own.database_of(postgres_server) as dsn:
        tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        assert ask(dsn, tables) == [0]
        client = await asyncpg.connect(dsn)
    assert ask(postgres_server, databases) == before
    client.terminate()


def test_the_one_that_tests_share_is_as_durable_as_by_default(postgres_server: Room) -> None:
    names = ("fsync", "synchronous_commit", "full_page_writes")
    assert {ask(postgres_server, f"SHOW {name}")[0] for name in names} == {"on"}
    assert ask(postgres_server, "SHOW max_connections") == ["200"]
