"""What waiting costs a server, and what is never sent to one."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from uuid import uuid4

import pytest

from asynctasq.driver import Ack, DeadLetter, Failure, Release, Retry, TaskRef
from asynctasq_drivers.redis import _driver
from tools.backends import Room

from .drivers import message, opened, record, taken
from .servers.own import ask, server

pytestmark = pytest.mark.asyncio
FAILURE = Failure("ValueError", "no")


def calls(room: Room) -> dict[str, int]:
    """How often each command ran, those of scripts among them."""
    lines = ask(room, "INFO", "commandstats").splitlines()
    pairs = [line.partition(":calls=")[::2] for line in lines if ":calls=" in line]
    return {name.removeprefix("cmdstat_"): int(rest.partition(",")[0]) for name, rest in pairs}


def sent(room: Room) -> int:
    """How many commands clients have sent, but for what asks this."""
    found = calls(room)
    return sum(found.get(name, 0) for name in ("evalsha", "eval", "sadd", "smembers", "ping"))


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not reached():
            await asyncio.sleep(0.02)


async def test_an_idle_worker_sends_at_most_two_commands_a_second() -> None:
    with server() as room:
        async with opened(room.url) as driver:
            waiting = asyncio.ensure_future(driver.dequeue(["a", "b"], limit=10, wait=60))
            await until(lambda: ask(room, "ZCARD", "queue:{b}:waiters") == 1)
            start, before = time.monotonic(), sent(room)
            await asyncio.sleep(6)
            looks = sent(room) - before
            assert 1 <= looks <= (time.monotonic() - start) / 2 + 1, "one every two seconds"
        assert await waiting == ()


async def test_who_waits_for_a_result_asks_once() -> None:
    with server() as room:
        async with opened(room.url) as driver:
            waits = [driver.result(TaskRef("mail", uuid4()), 60) for _ in range(5)]
            waiting = [asyncio.ensure_future(wait) for wait in waits]
            await until(lambda: ask(room, "HLEN", "queue:{mail}:awaited") == len(waiting))
            assert sent(room) <= 2 * len(waiting)
            before = sent(room)
            await asyncio.sleep(3)
            assert sent(room) == before
        assert await asyncio.gather(*waiting) == [None] * 5


async def test_no_verb_goes_through_the_keyspace() -> None:
    with server() as room:
        async with opened(room.url) as driver:
            messages = [message(queue=queue) for queue in ("mail", "other") for _ in range(4)]
            await driver.enqueue([*messages, message(delay=60)])
            a, b, c, d, e = await driver.dequeue(["mail", "other"], limit=5, wait=0)
            await driver.extend([a, e])
            outcomes = [Ack(a, record(a)), Retry(b, 5, FAILURE), DeadLetter(c, FAILURE), Release(d)]
            await driver.settle([*outcomes, DeadLetter(e, FAILURE)])
            for state in ("pending", "scheduled", "running", "dead", "completed"):
                await driver.list(state, None, 100)  # type: ignore[arg-type]
            await driver.get(c.ref)
            await driver.result(a.ref, 1)
            await driver.store([record(c)])
            await driver.retry_dead([c.ref])
            await driver.delete([e.ref, d.ref])
            await driver.stats()
            await driver.purge("mail")
            assert await driver.dequeue(["mail"], limit=1, wait=0.1) == ()
        found = calls(room)
        assert found["evalsha"] > 10
        assert not {"keys", "scan", "sscan", "hscan", "zscan", "hgetall", "hkeys"} & set(found)


async def test_a_wake_that_a_killed_waiter_took_with_it_costs_four_seconds_at_most() -> None:
    code = """
import asyncio, sys
from asynctasq.driver import Context, Secret
from asynctasq_drivers.redis import RedisDriver, RedisOptions

async def main():
    driver = RedisDriver(RedisOptions(redis_url=Secret(sys.argv[1])), Context())
    await driver.open()
    await driver.dequeue(["mail"], limit=1, wait=60)

asyncio.run(main())
"""
    with server() as room:
        first = await asyncio.create_subprocess_exec(sys.executable, "-c", code, room.url)
        await until(lambda: ask(room, "ZCARD", "queue:{mail}:waiters") == 1)
        async with opened(room.url) as driver:
            waiting = asyncio.ensure_future(taken(driver, wait=30))
            await until(lambda: ask(room, "ZCARD", "queue:{mail}:waiters") == 2)
            os.kill(first.pid, signal.SIGSTOP)  # it is told, and hears nothing
            try:
                await driver.enqueue([message()])
                async with asyncio.timeout(4):
                    await driver.settle([Ack(await waiting)])
            finally:
                first.kill()
                await first.wait()


async def test_a_waiter_that_is_gone_is_passed_over_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_driver, "LOOK_AGAIN", 60.0)  # it never looks by itself
    with server() as room:
        async with opened(room.url) as driver:
            ask(room, "ZADD", "queue:{mail}:waiters", time.time() + 60, "asynctasq:wake:gone 1")
            waiting = asyncio.ensure_future(taken(driver, wait=30))
            await until(lambda: ask(room, "ZCARD", "queue:{mail}:waiters") == 2)
            await driver.enqueue([message()])
            async with asyncio.timeout(10):
                await waiting
