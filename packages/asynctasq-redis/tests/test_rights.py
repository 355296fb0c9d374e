"""The rights that the README asks for are enough, and none of them is too much."""

from __future__ import annotations

import asyncio
import shlex
from contextlib import suppress

import pytest

from asynctasq.driver import Ack, Context, DeadLetter, Failure, Release, Retry
from asynctasq.errors import BackendRefused, DriverError, OutcomeUnknown
from asynctasq_drivers.redis import RedisDriver
from tools import rooms, tour, workspace
from tools.backends import Room

from .drivers import made, message, opened, record, works
from .servers.cluster import cluster
from .servers.own import HOST, ask, server
from .servers.replicated import replicated

pytestmark = pytest.mark.asyncio
PAGE = (workspace.ROOT / "packages/asynctasq-redis/README.md").read_text(encoding="utf-8")
RIGHTS, DATABASE, REPLICAS, CLUSTER, INFO = (
    tuple(shlex.split(step.command)[1:]) for step in tour.steps(rooms.read(PAGE, "rights"))
)
"""What `redis-cli` is told: `ACL SETUSER app reset resetchannels ...`."""
ALLOWED = tuple(word for word in RIGHTS if word[0] in "+~&")
FAILURE = Failure("ValueError", "no")


def url(room: Room) -> str:
    return f"redis://app:{_password()}@{HOST}:{room.port}"


def _password() -> str:
    (word,) = (word for word in RIGHTS if word.startswith(">"))
    return word[1:]


async def everything(room: Room) -> None:
    """Every verb, with all that its script may do."""
    place = url(room)
    context = Context(dead_ttl=0.05, keep_completed_tasks=True, completed_ttl=0.05)
    async with opened(place) as driver, opened(place, context) as brief:
        await _waited_for(room, driver, brief)
        await _all_outcomes(driver, brief)
        await _looked_at(driver)
        await asyncio.sleep(0.06)
        await driver.stats()
        await works(driver)


async def _waited_for(room: Room, driver: RedisDriver, other: RedisDriver) -> None:
    sent = message()
    waits = [other.dequeue(["mail"], limit=1, wait=5), other.result(sent.ref, 5)]
    work, result = map(asyncio.ensure_future, waits)
    try:
        while not (await driver._queues() or work.done() or result.done()):
            await driver.enqueue([message(queue="other", delay=60)])
        while not (_both_wait(room) or work.done() or result.done()):
            await asyncio.sleep(0.01)
        await driver.enqueue([sent])
        (delivery,) = await work
        await driver.settle([Ack(delivery, record(delivery))])
        assert await result
    finally:
        for each in (work, result):
            each.cancel()
            with suppress(asyncio.CancelledError, DriverError):
                await each


def _both_wait(room: Room) -> bool:
    """For work and for a result, as the server has written down."""
    lines = ("waiters", "awaited")
    return all(ask(room, "EXISTS", f"queue:{{mail}}:{line}") for line in lines)


async def _all_outcomes(driver: RedisDriver, brief: RedisDriver) -> None:
    await driver.enqueue([message() for _ in range(7)] + [message(delay=0.02)])
    await asyncio.sleep(0.03)
    a, b, c, d, e = await driver.dequeue(["mail"], limit=5, wait=0)
    await driver.extend([a])
    await driver.settle(
        [Ack(a, record(a)), Retry(b, 0, FAILURE), Release(c), DeadLetter(d, FAILURE)]
    )
    await brief.settle([DeadLetter(e, FAILURE)])
    await driver.retry_dead([d.ref])
    await driver.store([record(d, None)])


async def _looked_at(driver: RedisDriver) -> None:
    for state in ("pending", "scheduled", "running", "dead"):
        await driver.list(state, None, 10)  # type: ignore[arg-type]
    (first, *_) = (await driver.list("pending", "mail", 10)).tasks
    assert await driver.get(first.ref)
    last = message()
    await driver.enqueue([last])
    assert await driver.delete([last.ref]) == (last.ref,)
    await driver.enqueue([message(delay=60)])
    await driver.purge("mail")


def log(room: Room) -> set[str]:
    """What was not allowed."""
    return {entry["object"] for entry in ask(room, "ACL", "LOG")}


async def test_the_rights_of_the_readme_are_enough() -> None:
    with server() as room:
        assert ask(room, *RIGHTS) == "OK"
        await everything(room)
        assert log(room) <= {"info"}, "which it does without"


@pytest.mark.once
@pytest.mark.parametrize("word", [word for word in ALLOWED if word != "+ping"])
async def test_without_one_of_them_something_is_refused(word: str) -> None:
    """But for PING, which is sent only where nothing was heard for some time."""
    with server() as room:
        ask(room, *(each for each in RIGHTS if each != word))
        with pytest.raises(DriverError):
            await everything(room)


async def test_another_database_needs_one_more() -> None:
    with server() as room:
        ask(room, *RIGHTS)
        driver = made(f"{url(room)}/1")
        with pytest.raises(BackendRefused, match="the README tells which rights"):
            await driver.open()
        ask(room, *DATABASE)
        await driver.open()
        await works(driver)
        await driver.close()


async def test_replicas_that_are_waited_for_need_one_more() -> None:
    with replicated() as pair:
        ask(pair.master, *RIGHTS)
        async with opened(url(pair.master), wait_replicas=1) as driver:
            with pytest.raises(OutcomeUnknown, match="WAIT was refused"):
                await driver.enqueue([message()])
            await driver.purge("mail")
            ask(pair.master, *REPLICAS)
            await works(driver)


@pytest.mark.once
async def test_a_cluster_needs_two_more() -> None:
    with cluster() as nodes:
        for room in nodes.nodes:
            ask(room, *RIGHTS)
            ask(room, *CLUSTER)
        place = nodes.url.replace("://", f"://app:{_password()}@")
        async with opened(place) as driver:
            await works(driver)


async def test_with_the_right_to_ask_it_is_warned_and_nothing_is_refused(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with server("--maxmemory-policy", "allkeys-lru") as room:
        ask(room, *RIGHTS)
        async with opened(url(room)):
            assert not caplog.text
        ask(room, "ACL", "LOG", "RESET")
        ask(room, *INFO)
        async with opened(url(room)) as driver:
            assert "maxmemory-policy is allkeys-lru" in caplog.text
            await works(driver)
        assert not log(room)
