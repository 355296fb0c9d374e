"""A standby is no place for tasks; once it is promoted, whoever knows of it goes on there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from time import monotonic
from urllib.parse import urlsplit

import pytest

from asynctasq.driver import Context, Message, Secret
from asynctasq.errors import DriverUnavailable
from asynctasq_drivers.postgres import PostgresDriver, PostgresOptions, _client
from tools.backends import Room

from .load import again, driver_on, under_load
from .servers.own import ask, at, wait_for
from .servers.proxy import proxy
from .servers.standby import Pair, standby

pytestmark = pytest.mark.asyncio
LEASE = 4.0
COUNT = "SELECT count(*) FROM task_queue"


def message() -> Message:
    return Message(queue="mail", body=b"", visibility_timeout=60.0)


def set_on(room: Room, name: str, value: str) -> None:
    """For good, and for all connections, from their next statement on."""
    ask(room, f"ALTER SYSTEM SET {name} = '{value}'")
    ask(room, "SELECT pg_reload_conf()")
    # Who lets in new ones with it has told all others.
    wait_for(lambda: ask(room, f"SHOW {name}") == [value], f"{name} = {value}")


@pytest.fixture(scope="module")
def lasting() -> Iterator[Pair]:
    """A pair of which both stay what they are."""
    with standby() as pair:
        yield pair


async def opened_and_used(driver: PostgresDriver) -> None:
    """A standby that was asked for by name is found out at the first word that it has to store."""
    await driver.open()
    await driver.enqueue([message()])


async def test_a_standby_is_refused_with_the_reason_and_a_hint(lasting: Pair) -> None:
    async with driver_on(lasting.primary.url):
        await asyncio.to_thread(lasting.wait_until_caught_up)
    for more in ("", "?target_session_attrs=any", "?target_session_attrs=prefer-standby"):
        options = PostgresOptions(postgres_dsn=Secret(lasting.standby.url + more))
        driver = PostgresDriver(options, Context())
        with pytest.raises(DriverUnavailable, match=r"can(not)? be written to"):
            await opened_and_used(driver)
        await driver.close()


async def test_of_several_servers_the_one_is_used_that_can_be_written_to(lasting: Pair) -> None:
    async with driver_on(lasting.url) as driver:
        sent = message()
        await driver.enqueue([sent])
        (held,) = await driver.dequeue(["mail"], limit=2, wait=0)
        assert held.id == sent.id


async def test_a_server_in_silence_does_not_hide_the_others(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_client, "CONNECT", 2.0)
    with proxy(database) as silent:
        silent.swallow()
        place = urlsplit(silent.url).netloc.rpartition("@")[2]
        async with driver_on(database.replace("@", f"@{place},")) as driver:
            assert (await driver.enqueue([message()])).stored


async def test_a_database_that_is_read_only_by_default_is_unavailable_until_it_is_not(
    database: str,
) -> None:
    async with driver_on(database) as driver:
        set_to = f"ALTER DATABASE {database.rpartition('/')[2]} SET default_transaction_read_only"
        other = at(database, "postgres")
        await asyncio.to_thread(ask, other, f"{set_to} = on")
        await driver.enqueue([message()])  # on the connection of before
        sql = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s"
        await asyncio.to_thread(ask, other, sql, database.rpartition("/")[2])
        told: list[DriverUnavailable] = []
        for _ in range(3):
            with pytest.raises(DriverUnavailable, match="written to") as raised:
                await driver.enqueue([message()])
            told.append(raised.value)
        await asyncio.to_thread(ask, other, f"{set_to} = off")
        await driver.enqueue([message()])
        assert len(await driver.dequeue(["mail"], limit=9, wait=0)) == 2


@pytest.mark.once
@pytest.mark.concurrent
async def test_what_a_standby_had_ends_after_it_has_taken_the_place_of_the_primary() -> None:
    with standby() as pair:
        # So that whatever is confirmed is there too; the copy of the settings was made before.
        await asyncio.to_thread(set_on, pair.primary, "synchronous_standby_names", "*")
        async with under_load(pair.url, lease=LEASE) as load:
            killed = monotonic()
            await asyncio.to_thread(pair.primary.kill)
            await asyncio.to_thread(pair.promote)
            promoted = monotonic()
            await load.goes_on(1)
            print(
                f"promoted {promoted - killed:.3f} s after the kill, "
                f"consuming again {monotonic() - promoted:.3f} s after that"
            )
            await load.ends()
            print(f"{len(load.run_again())} of {len(load.confirmed)} tasks ran again")
            for times in load.run_again().values():
                assert times[0] > killed - 1


async def test_a_connection_to_who_became_a_standby_is_given_up_for_the_new_primary() -> None:
    """As after a switch-over: the old primary lives on, and refuses what its clients say."""
    with standby() as pair:
        async with driver_on(pair.url) as driver:
            await driver.enqueue([message()])
            await asyncio.to_thread(pair.wait_until_caught_up)
            await asyncio.to_thread(pair.promote)
            await asyncio.to_thread(set_on, pair.primary, "default_transaction_read_only", "on")
            with pytest.raises(DriverUnavailable, match="cannot be written to"):
                await driver.enqueue([message()])
            await again(lambda: driver.enqueue([message()]))
            assert await asyncio.to_thread(ask, pair.standby, COUNT) == [2], "before, and now"
