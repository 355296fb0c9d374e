"""What Redis refuses is said in so many words, and nothing is lost by it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from redis.asyncio import Redis

from asynctasq.driver import Ack, DeadLetter, Failure, Release, Retry, Secret
from asynctasq.errors import BackendRefused, DriverUnavailable, OutcomeUnknown
from asynctasq_drivers.redis import RedisDriver, _scripts
from asynctasq_drivers.redis._lifecycle import _judge
from asynctasq_drivers.redis._wakes import Wakes
from tools.backends import Room

from .drivers import made, message, opened, pending, record, taken, works
from .servers.own import ask, server
from .servers.proxy import proxy
from .servers.replicated import replicated
from .servers.single import with_user

pytestmark = pytest.mark.asyncio
FAILURE = Failure("ValueError", "no")


@contextmanager
def full(room: Room) -> Iterator[None]:
    """Its memory is: whatever may take some is refused."""
    ask(room, "CONFIG", "SET", "maxmemory", 1)
    try:
        yield
    finally:
        ask(room, "CONFIG", "SET", "maxmemory", 0)


async def filled(driver: RedisDriver) -> None:
    """A dead task, a running one whose lease has ended, one scheduled and six that are ready."""
    await driver.enqueue([message()])
    await driver.settle([DeadLetter(await taken(driver), FAILURE)])
    await driver.enqueue([message(visibility_timeout=0.01)])
    await taken(driver)
    await asyncio.sleep(0.02)
    await driver.enqueue([message() for _ in range(6)] + [message(delay=600)])


async def test_full_memory_refuses_what_is_new_whole_and_says_what_to_do() -> None:
    with server() as room:
        async with opened(room.url) as driver:
            await driver.enqueue([message()])
            with full(room):
                for batch in ([message()], [message(), message(delay=5)], [message(queue="new")]):
                    with pytest.raises(BackendRefused, match=r"full: raise maxmemory, or let"):
                        await driver.enqueue(batch)
            stored = await driver.stats()
            assert sum(s.pending or 0 for s in stored) == 1
            assert sum(s.scheduled or 0 for s in stored) == 0
            assert ask(room, "HLEN", "queue:{mail}:messages") == 1
            await driver.settle([Ack(await taken(driver))])
            await works(driver)


async def test_what_is_stored_drains_although_the_memory_is_full() -> None:
    with server() as room:
        async with opened(room.url) as driver:
            await filled(driver)
            with full(room):
                (dead,) = (await driver.list("dead", "mail", 10)).tasks
                assert await driver.retry_dead([dead.ref]) == (dead.ref,)
                lost, a, b, c, d = await driver.dequeue(["mail"], limit=5, wait=0)
                assert not (await driver.extend([lost, a, b, c, d])).lost
                outcomes = [
                    Ack(a, record(a)),
                    Retry(b, 0, FAILURE),
                    Release(c),
                    DeadLetter(d, FAILURE),
                ]
                assert not (await driver.settle([Ack(lost), *outcomes])).lost
                assert await driver.result(a.ref, 0) == record(a)
                assert await driver.delete([d.ref]) == (d.ref,)
                left = await driver.dequeue(["mail"], limit=10, wait=0)
                assert len(left) == 5
                assert not (await driver.settle([Ack(each) for each in left])).lost
                assert (await driver.purge("mail")).count == 1
            (stats,) = await driver.stats(["mail"])
            assert (stats.pending, stats.scheduled, stats.running, stats.dead) == (0, 0, 0, 0)
            await works(driver)


async def _not_heard(_: Wakes) -> bool:
    return False


@pytest.mark.parametrize("deaf", [False, True])
async def test_with_full_memory_work_and_results_can_be_waited_for(
    deaf: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if deaf:  # as all are on Redis 8, which lets nobody begin to listen then
        monkeypatch.setattr(Wakes, "listen", _not_heard)
    with server() as room:
        async with opened(room.url) as driver, opened(room.url) as other:
            a, b = message(), message(delay=0.5)
            await driver.enqueue([a])
            delivery = await taken(driver)
            await driver.enqueue([b])
            with full(room):
                result = asyncio.ensure_future(other.result(a.ref, 20))
                work = asyncio.ensure_future(taken(other, wait=20))
                await asyncio.sleep(0.2)
                await driver.settle([Ack(delivery, record(delivery))])
                async with asyncio.timeout(10):
                    assert await result == record(delivery)
                    assert (await work).id == b.id


@pytest.mark.parametrize("user", ["app:wrong-1", "nobody:wrong-1", ""])
async def test_who_is_not_let_in_is_told_the_options_and_no_password(user: str) -> None:
    with with_user() as single:
        place = single.url.rpartition("@")[2]
        driver = made(f"redis://{user}@{place}" if user else f"redis://{place}")
        with pytest.raises(BackendRefused, match="see redis_url and redis_password") as raised:
            await driver.open()
        await driver.close()
        assert "wrong-1" not in repr(raised.value) + repr(raised.value.__cause__)


async def test_a_wrong_password_of_a_server_without_users_is_refused() -> None:
    with server("--requirepass", "right-1") as room:
        for password in (Secret("wrong-1"), None):
            driver = made(room.url, password=password)
            with pytest.raises(BackendRefused, match="see redis_url and redis_password") as raised:
                await driver.open()
            await driver.close()
            assert "wrong-1" not in str(raised.value)
        async with opened(room.url, password=Secret("right-1")) as driver:
            await works(driver)


async def without(admin_url: str, right: str) -> None:
    async with Redis.from_url(admin_url) as admin:
        await admin.execute_command("ACL", "SETUSER", "app", right)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("missing", ["evalsha", "sadd", "hsetnx"])
async def test_a_missing_right_is_refused_with_where_the_rights_are_told(missing: str) -> None:
    with with_user() as single:
        await without(single.other_url, f"-{missing}")
        async with opened(single.url) as driver:
            with pytest.raises(BackendRefused, match="the README tells which rights") as raised:
                await driver.enqueue([message()])
            assert "secret" not in str(raised.value)


@pytest.mark.parametrize("right", ["-publish", "resetchannels"])
async def test_who_may_wake_nobody_is_refused_before_a_message_is_stored(right: str) -> None:
    with with_user() as single:
        await without(single.other_url, right)
        driver = made(single.url)
        with pytest.raises(BackendRefused, match="the README tells which rights"):
            await driver.open()
        await driver.close()


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


async def test_a_host_that_has_no_address_is_unavailable() -> None:
    driver = made("redis://nowhere.invalid")
    with pytest.raises(DriverUnavailable, match=r"nowhere\.invalid"):
        await driver.open()
    await driver.close()


async def test_a_server_that_loads_its_data_is_unavailable_until_it_has() -> None:
    with server("--aof-use-rdb-preamble", "no") as room:
        async with opened(room.url) as driver:
            await driver.enqueue([message() for _ in range(4000)])
            await asyncio.to_thread(room.stop)
            room.arguments = (*room.arguments, "--key-load-delay", "400")
            starting = asyncio.ensure_future(asyncio.to_thread(room.start))
            said = set()
            while not starting.done():
                await asyncio.sleep(0.05)
                with suppress(asyncio.TimeoutError):
                    try:
                        await driver.enqueue([message(queue="other")])
                    except DriverUnavailable as error:
                        said.add(str(error).partition(":")[0])
            await starting
            assert "Redis cannot do it now" in said
            assert await pending(driver) == 4000
            await works_beside(driver)


async def works_beside(driver: RedisDriver) -> None:
    assert len(await driver.dequeue(["mail"], limit=5000, wait=5)) == 4000


@pytest.mark.parametrize("version", ["5.0.14", "6.0.20"])
async def test_a_server_that_is_too_old_is_refused(version: str) -> None:
    with pytest.raises(BackendRefused, match=rf"Redis {version} is too old.* 6\.2 or newer"):
        _judge(f"# Server\r\nredis_version:{version}\r\n")


@pytest.mark.parametrize("version", ["6.2.0", "7.0.15", "8.2.1"])
async def test_a_server_that_is_new_enough_is_not(version: str) -> None:
    _judge(f"# Server\r\nredis_version:{version}\r\n")


@pytest.mark.parametrize("place", ["", ":messages", ":delayed", ":clock", ":waiters"])
async def test_a_key_of_somebody_else_is_refused_and_the_message_can_be_sent_again(
    place: str,
) -> None:
    with server() as room:
        key = f"queue:{{mail}}{place}"
        ask(room, *(("SADD", key, "x") if place == ":clock" else ("SET", key, "theirs")))
        async with opened(room.url) as driver:
            sent = message()
            with pytest.raises(BackendRefused, match=r"WRONGTYPE.*a database of its own"):
                await driver.enqueue([sent])
            ask(room, "DEL", key)
            await driver.enqueue([sent])
            assert (await taken(driver)).id == sent.id


async def test_a_queue_whose_name_may_not_be_stored_is_unknown_and_never_unavailable() -> None:
    with server() as room, proxy(room.url) as between:
        async with opened(between.url) as driver:
            await works(driver)
            ask(room, "FLUSHALL")
            between.lose_replies(1, to=b"SADD")
            sent = message()
            with pytest.raises(OutcomeUnknown, match="the queue's name") as raised:
                await driver.enqueue([sent])
            assert raised.value.ids == (sent.id,)
            assert (await driver.enqueue([sent])).stored == (sent.id,)
            assert [(each.queue, each.pending) for each in await driver.stats()] == [("mail", 1)]


async def test_with_a_replica_a_message_is_on_it_once_it_is_stored() -> None:
    with replicated() as pair:
        async with opened(pair.url, wait_replicas=1) as driver:
            await driver.enqueue([message()])
            assert ask(pair.replica, "LLEN", "queue:{mail}") == 1
            await driver.settle([Ack(await taken(driver))])
            await works(driver)


async def test_a_replica_that_hangs_makes_it_unknown_and_it_is_stored_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent = message()
    with replicated() as pair:
        async with opened(pair.url, wait_replicas=1) as driver:
            await driver.enqueue([message(queue="other")])
            pair.replica.pause()
            began = time.monotonic()
            with pytest.raises(OutcomeUnknown, match="0 of redis_wait_replicas=1") as raised:
                await driver.enqueue([sent])
            assert 4.5 < time.monotonic() - began < 7
            assert raised.value.ids == (sent.id,)
        async with opened(pair.url, wait_replicas=1) as other:
            with monkeypatch.context() as brief:
                brief.setattr(_scripts, "TIMEOUT", 1.0)
                with pytest.raises(OutcomeUnknown):  # stored there, and yet not on the replica
                    await other.enqueue([sent])
            pair.replica.resume()
            await asyncio.to_thread(pair.wait_until_linked)
            assert (await other.enqueue([sent])).stored == (sent.id,)
            assert await pending(other) == 1


async def test_more_replicas_than_there_are_make_it_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_scripts, "TIMEOUT", 0.2)
    with server() as room:
        async with opened(room.url, wait_replicas=2) as driver:
            with pytest.raises(OutcomeUnknown, match="0 of redis_wait_replicas=2 have it"):
                await driver.enqueue([message()])
            assert await pending(driver) == 1
