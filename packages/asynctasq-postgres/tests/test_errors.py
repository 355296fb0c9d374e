"""What PostgreSQL refuses is said in so many words, and nothing is lost by it."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from asynctasq.errors import (
    BackendRefused,
    ConfigError,
    DriverError,
    DriverUnavailable,
    InvalidMessage,
    OutcomeUnknown,
)
from asynctasq_drivers.postgres import _exchange
from tools.backends import Room

from .drivers import made, message, opened, pending, taken, works
from .servers.own import HOST, ask, at, server, wait_for
from .servers.pgbouncer import pgbouncer
from .servers.single import few_rights, tls, with_password

pytestmark = pytest.mark.asyncio


async def refused(dsn: str, kind: type[DriverError], words: str, **options: object) -> DriverError:
    """Assert that it cannot be opened: that error, with these words."""
    driver = made(dsn, **options)
    try:
        with pytest.raises(kind, match=words) as raised:
            await driver.open()
    finally:
        await driver.close()
    return raised.value


def told(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)) + repr(error)


@pytest.mark.parametrize("user", ["app:wrong-1", "app", "nobody:wrong-1"])
async def test_who_is_not_let_in_is_told_the_option_and_no_password(user: str) -> None:
    with with_password() as single:
        dsn = single.url.replace("app:secret", user)
        error = await refused(dsn, BackendRefused, "postgres_dsn")
        assert "wrong-1" not in told(error)
        assert dsn not in told(error)


async def test_a_database_that_is_not_there_is_refused(database: str) -> None:
    await refused(at(database, "nowhere"), BackendRefused, "no such database: see postgres_dsn")


async def test_a_schema_that_is_not_there_is_refused(database: str) -> None:
    error = await refused(
        database, BackendRefused, "no such schema: make it first", queue_table="nowhere.task_queue"
    )
    assert "nowhere" in str(error)
    assert ask(database, "SELECT count(*) FROM pg_class WHERE relname LIKE 'task_queue%%'") == [0]


async def test_who_may_make_no_tables_is_refused_until_somebody_has_made_them() -> None:
    with few_rights() as single:
        await refused(single.url, BackendRefused, "permission denied.*asynctasq migrate .*--sql")
        await made(single.other_url).migrate()
        async with opened(single.url) as driver:
            await works(driver)


@pytest.mark.parametrize("right", ["INSERT", "SELECT"])
async def test_a_right_that_is_taken_away_is_refused_with_where_rights_are_told(right: str) -> None:
    with few_rights() as single:
        await made(single.other_url).migrate()
        async with opened(single.url) as driver:
            sent = message()
            ask(single.room, f"REVOKE {right} ON task_queue, dead_letter_queue FROM app")
            with pytest.raises(BackendRefused, match="lacks a right: the README tells which"):
                await driver.enqueue([sent])
            ask(single.room, f"GRANT {right} ON task_queue, dead_letter_queue TO app")
            assert (await driver.stats(["mail"]))[0].pending == 0
            await works(driver)


async def test_without_auto_migrate_pending_steps_are_refused_with_what_to_run(
    database: str,
) -> None:
    said = r"migrations are pending \(1 tasks.*run `asynctasq migrate --driver postgres`.*--sql"
    await refused(database, BackendRefused, said, auto_migrate=False)
    await made(database).migrate()
    async with opened(database, auto_migrate=False) as driver:
        await works(driver)


@pytest.mark.parametrize("auto_migrate", [True, False])
async def test_a_newer_schema_is_refused_and_left_as_it_is(
    database: str, auto_migrate: bool
) -> None:
    await made(database).migrate()
    ask(database, "INSERT INTO task_queue_migrations VALUES (999, 'new', 'dead_letter_queue')")
    newer = "schema has version 999.*install the newer one"
    await refused(database, BackendRefused, newer, auto_migrate=auto_migrate)
    for ask_for in (made(database).migrate, made(database).pending_migrations):
        with pytest.raises(BackendRefused, match=newer):
            await ask_for()


async def test_tables_of_somebody_else_are_refused_and_left_as_they_are(database: str) -> None:
    ask(database, "CREATE TABLE task_queue (theirs text)")
    await refused(database, BackendRefused, '"task_queue" already exists')
    assert ask(database, "SELECT count(*) FROM pg_class WHERE relname = 'dead_letter_queue'") == [0]


async def test_another_table_of_dead_tasks_than_before_is_refused(database: str) -> None:
    await made(database).migrate()
    said = "dead tasks are in .*dead_letter_queue.*postgres_dead_letter_table says"
    await refused(database, BackendRefused, said, dead_letter_table="other_dead")


async def test_a_table_that_is_dropped_meanwhile_is_refused(database: str) -> None:
    async with opened(database) as driver:
        ask(database, "DROP TABLE task_queue")
        with pytest.raises(BackendRefused, match="a table is missing: run `asynctasq migrate`"):
            await driver.enqueue([message()])


async def test_a_server_that_is_not_there_is_unavailable_and_may_come() -> None:
    with server() as room:
        await asyncio.to_thread(room.stop)
        driver = made(room.url)
        with pytest.raises(DriverUnavailable, match="cannot be reached"):
            await driver.open()
        await asyncio.to_thread(room.start)
        await driver.open()
        await works(driver)
        await driver.close()


@pytest.mark.parametrize("place", ["nowhere.invalid", "%2Fnowhere"])
async def test_a_place_that_is_not_there_is_unavailable(place: str) -> None:
    await refused(f"postgresql://app@{place}/shop", DriverUnavailable, "cannot be reached")


async def test_a_database_that_cannot_be_written_to_is_unavailable(database: str) -> None:
    name = database.rpartition("/")[2]
    ask(database, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    await refused(database, DriverUnavailable, "none of its servers can be written to")


async def test_a_server_that_cannot_be_written_to_meanwhile_is_unavailable_until_it_can() -> None:
    with server() as room:
        async with opened(room.url) as driver:
            sent = message()
            unavailable = pytest.raises(DriverUnavailable, match=r"can(not)? be written to")
            with setting(room, "default_transaction_read_only", "on"), unavailable:
                await driver.enqueue([sent])
            await driver.enqueue([sent])
            assert (await taken(driver)).id == sent.id


@contextmanager
def setting(room: Room, name: str, value: str) -> Iterator[None]:
    """Of the whole server, its open connections too."""
    (before,) = ask(room, f"SHOW {name}")
    _set(room, f"ALTER SYSTEM SET {name} = '{value}'", name, value)
    try:
        yield
    finally:
        _set(room, f"ALTER SYSTEM RESET {name}", name, before)


def _set(room: Room, statement: str, name: str, value: str) -> None:
    with psycopg.connect(room.url, autocommit=True) as connection:
        connection.execute(statement.encode())
        connection.execute("SELECT pg_reload_conf()")
    wait_for(lambda: ask(room, f"SHOW {name}") == [value], f"{name} = {value}")


async def test_without_tls_there_it_is_unavailable_and_with_a_wrong_name_refused() -> None:
    with tls() as single, server() as plain:
        await refused(f"{plain.url}?sslmode=require", DriverUnavailable, "SSL")
        other_name = single.url.replace(HOST, "localhost")
        await refused(other_name, BackendRefused, r"by postgres_dsn: .*certificate verify failed")
        await refused(single.other_url, BackendRefused, r"not let in: see postgres_dsn, and pg_hba")
        async with opened(single.url) as driver:
            await works(driver)
    with tls(clients=True) as single:
        await refused(single.other_url, BackendRefused, r"certificate.*pg_hba\.conf")
        missing = single.url.replace("client.pem", "nowhere.pem")
        await refused(missing, DriverUnavailable, "a certificate or key, that postgres_dsn names")
        async with opened(single.url) as driver:
            await works(driver)


async def test_a_password_may_stand_in_a_file(tmp_path: Path) -> None:
    with with_password() as single:
        passwords = tmp_path / "pgpass"
        passwords.write_text(f"{HOST}:{single.room.port}:*:app:secret\n", encoding="ascii")
        passwords.chmod(0o600)
        async with opened(f"{single.other_url}?passfile={passwords}") as driver:
            await works(driver)


async def test_by_its_socket_a_server_is_reached(database: str, postgres_server: Room) -> None:
    (folders,) = ask(postgres_server, "SHOW unix_socket_directories")
    name, port = database.rpartition("/")[2], postgres_server.port
    dsn = f"postgresql://postgres@/{name}?host={folders.split(',')[0]}&port={port}"
    async with opened(dsn) as driver:
        await works(driver)


async def test_who_waits_too_long_for_a_lock_is_unavailable_and_nothing_is_stored(
    database: str,
) -> None:
    async with opened(f"{database}?lock_timeout=50ms") as driver:
        with psycopg.connect(database) as other:
            other.execute("LOCK TABLE task_queue IN SHARE MODE")
            with pytest.raises(DriverUnavailable, match="lock timeout"):
                await driver.enqueue([message()])
        assert await pending(driver) == 0
        await works(driver)


@pytest.mark.parametrize("mode", ["transaction", "session"])
async def test_behind_pgbouncer_the_option_is_named(mode: str) -> None:
    with server() as room, pgbouncer(room, 4, mode) as pool:
        await refused(at(pool.url, "test"), DriverUnavailable, "set postgres_pgbouncer")
        async with opened(at(pool.url, "test"), pgbouncer=True) as driver:
            await works(driver)


async def test_a_standby_that_is_waited_for_makes_it_unknown_and_it_is_stored_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent = message()
    with server() as room:
        async with opened(room.url) as driver:
            with setting(room, "synchronous_standby_names", "nobody"):
                monkeypatch.setattr(_exchange, "ANSWER", 0.5)
                with pytest.raises(OutcomeUnknown) as raised:
                    await driver.enqueue([sent])
                assert raised.value.ids == (sent.id,)
            monkeypatch.undo()
            stored = "SELECT count(*) FROM task_queue"  # once its process has heard of the setting
            await asyncio.to_thread(wait_for, lambda: ask(room, stored) == [1], "it is stored")
            assert (await driver.enqueue([sent])).stored == (sent.id,)
            assert await pending(driver) == 1


@pytest.mark.parametrize("option", ["synchronous_commit", "fsync"])
async def test_who_may_lose_what_was_accepted_is_warned(
    option: str, caplog: pytest.LogCaptureFixture
) -> None:
    with server("-c", f"{option}=off") as room:
        async with opened(room.url):
            assert "a crash of the server loses tasks that were accepted" in caplog.text
    assert "off" in caplog.text


async def test_without_any_setting_nobody_is_warned(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(database) as driver:
        await works(driver)
    assert not [each for each in caplog.records if each.name.startswith("asynctasq")]


@pytest.mark.parametrize(
    "name",
    [
        "select",
        "User",
        'say "hi"',
        "x'; DROP TABLE kept; --",
        'x"; DROP TABLE kept; --',
        "{dead}",
        "$1",
        "%s",
        "a b",
        "back\\slash",
        "größe",
        "x" * 46,
    ],
)
async def test_whatever_a_table_is_called_it_is_only_a_name(database: str, name: str) -> None:
    ask(database, "CREATE TABLE kept (n int)")
    async with opened(database, queue_table=name, dead_letter_table=f"dead {name}"[:46]) as driver:
        await works(driver)
    tables = ask(database, "SELECT relname::text FROM pg_class WHERE relname::text = %s", name)
    assert tables == [name]
    assert ask(database, "SELECT count(*) FROM kept") == [0]


@pytest.mark.parametrize("name", ["x" * 47, "ö" * 24, f"{'s' * 64}.x", "x\x7f"])
@pytest.mark.parametrize("option", ["queue_table", "dead_letter_table"])
async def test_a_name_that_postgres_would_cut_is_refused(option: str, name: str) -> None:
    with pytest.raises(ConfigError, match=rf"postgres_{option}: .* at most 46 bytes"):
        made("postgresql://host", **{option: name})


async def test_one_table_cannot_be_both() -> None:
    with pytest.raises(ConfigError, match="postgres_dead_letter_table: 'task_queue' is the table"):
        made("postgresql://host", dead_letter_table="task_queue")


async def test_more_than_can_be_sent_is_refused_before_that(database: str) -> None:
    async with opened(database) as driver:
        with pytest.raises(InvalidMessage, match=r"500,?000,?000"):
            await driver.enqueue([message(), message(bytes(500_000_001))])
        with pytest.raises(InvalidMessage, match="headers that are no text"):
            await driver.enqueue([message(), message(headers={"name": "\ud800"})])
        assert await pending(driver) == 0
        await works(driver)


async def test_no_password_and_no_dsn_is_in_an_error_a_repr_or_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    with with_password() as single:
        for dsn in (
            single.url,
            at(single.url, "nowhere"),
            single.url.replace("secret", "secret-2"),
            f"{single.url}?sslmode=require",
            f"{single.url}?sslmode=nonsense",
            f"{single.url}?nonsense=1",
            f"{single.url}?target_session_attrs=standby",
            single.url.replace(f":{single.room.port}", ":1"),
        ):
            driver = made(dsn)
            said.append(f"{driver!r} {driver._options!r} {driver._options}")
            with suppress(DriverError):
                try:
                    await driver.open()
                    await works(driver)
                    ask(single.url, "DROP TABLE task_queue_results")
                    await works(driver)
                except DriverError as error:
                    said.append(told(error))
                    raise
            await driver.close()
    assert len(said) > 14
    text = " ".join((*said, caplog.text))
    assert "secret" not in text
    assert "postgresql://app" not in text
