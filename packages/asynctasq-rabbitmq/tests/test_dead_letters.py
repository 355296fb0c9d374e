"""Dead letters are kept, found and brought back, whoever looks at them meanwhile."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Sequence
from typing import Any

import pytest
from aiormq import spec

import asynctasq
from asynctasq import task
from asynctasq.driver import Context, DeadLetter, StoredTask, TaskRef
from asynctasq.errors import DriverUnavailable
from asynctasq.worker import Worker
from asynctasq_drivers.rabbitmq import _browsing
from asynctasq_drivers.rabbitmq._browsing import view
from asynctasq_drivers.rabbitmq._client import Connection
from tools.backends import Room

from .channels import channel_on
from .drivers import FAILURE, buried, message, opened, taken
from .holding import taken as all_taken
from .servers.own import suspended

pytestmark = pytest.mark.asyncio
_MANY = 1000


async def pages(driver: Any, limit: int) -> list[tuple[StoredTask, ...]]:
    """All dead letters of a queue."""
    found: list[tuple[StoredTask, ...]] = []
    cursor: str | None = None
    while not found or cursor is not None:
        page = await driver.list("dead", "mail", limit, cursor)
        found.append(page.tasks)
        cursor = page.cursor
    return found


async def ids(driver: Any) -> list[Any]:
    return [task.ref.id for page in await pages(driver, 1000) for task in page]


async def test_of_a_thousand_each_is_found_in_the_order_of_their_ends(vhost: str) -> None:
    async with opened(vhost) as driver:
        sent = await buried(driver, _MANY)
        found = await pages(driver, 300)
        assert [len(page) for page in found] == [300, 300, 300, 100]
        listed = [task for page in found for task in page]
        assert sorted(int(task.body) for task in listed) == list(range(_MANY))
        ends = [task.finished_at for task in listed if task.finished_at is not None]
        assert len(ends) == _MANY
        assert ends == sorted(ends)
        assert all(task.failure == FAILURE and task.attempt == 1 for task in listed)
        last = sent[-1]
        one = await driver.get(last.ref)
        assert one is not None
        assert (one.body, one.state, one.failure) == (last.body, "dead", FAILURE)
        some = [each.ref for each in sent[100:500:4]]
        assert set(await driver.retry_dead(some)) == set(some)
        others = [each.ref for each in sent[101:900:2]]  # far more than a channel passes on at once
        assert set(await driver.delete([*others, *some])) == set(others)
        assert set(await ids(driver)) == {each.id for each in sent} - {
            ref.id for ref in (*some, *others)
        }
        back = await driver.dequeue(["mail"], limit=200, wait=5)
        assert {each.id for each in back} <= {ref.id for ref in some}


async def test_to_look_at_some_takes_no_room_for_the_others(vhost: str) -> None:
    size, count = 200_000, 150
    async with opened(vhost) as driver:
        sent = [message(bytes(size)) for _ in range(count)]
        await driver.enqueue(sent)
        for delivery in await all_taken(driver, count):
            await driver.settle([DeadLetter(delivery, FAILURE)])
        last = sent[-1].ref
        tracemalloc.start()
        try:
            page = await driver.list("dead", "mail", 2)
            one = await driver.get(last)
            assert await driver.retry_dead([last]) == (last,)
            assert await driver.delete([sent[-2].ref]) == (sent[-2].ref,)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert [len(each.body) for each in page.tasks] == [size] * 2
        assert one is not None
        assert one.ref == last
        assert most < size * count / 2, f"{most:,} bytes, for messages of {size:,}"


@pytest.mark.concurrent
async def test_concurrent_lookers_all_see_the_whole(vhost: str) -> None:
    async with opened(vhost) as one, opened(vhost) as two:
        sent = {each.id for each in await buried(one, 50)}
        ref = TaskRef("mail", next(iter(sent)))
        seen = await asyncio.gather(*(ids(each) for each in (one, two) * 3))
        assert all(set(each) == sent for each in seen)
        replays = await asyncio.gather(one.retry_dead([ref]), two.retry_dead([ref]))
        assert sorted(map(len, replays)) == [0, 1]
        assert set(await ids(two)) == sent - {ref.id}


async def test_who_looks_for_long_keeps_others_waiting_so_long_and_no_longer(
    vhost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looker = Connection(vhost, "somebody who looks")
    await looker.open()
    async with opened(vhost) as driver:
        sent = {each.id for each in await buried(driver, 3)}
        async with view(looker, "mail/dead"):
            monkeypatch.setattr(_browsing, "TURN", 0.5)
            with pytest.raises(DriverUnavailable, match="others look at 'mail/dead'"):
                await driver.list("dead", "mail", 10)
            monkeypatch.undo()
            waits = asyncio.ensure_future(ids(driver))
            await asyncio.sleep(0)
            # While it is looked at, more die: nobody waits for that.
            await driver.enqueue([message()])
            delivery = await taken(driver)
            await driver.settle([DeadLetter(delivery, FAILURE)])
            assert not waits.done()
        assert set(await waits) >= sent
    await looker.close()


@pytest.mark.concurrent
async def test_what_a_looker_had_when_it_ended_is_there_for_the_next(vhost: str) -> None:
    looker = Connection(vhost, "somebody who looks")
    await looker.open()
    async with opened(vhost) as driver:
        sent = [each.id for each in await buried(driver, 20)]
        async with view(looker, "mail/dead") as found:
            assert len(found.messages) == 20
            looker.abort()
        assert sorted(await ids(driver)) == sorted(sent)
        ((first, *_),) = await pages(driver, 100)
        assert (first.attempt, first.deliveries) == (1, 1), "to be looked at is no run"


async def test_many_are_removed_when_their_queue_has_it_and_not_the_channel_alone(
    rabbitmq_server: Room, vhost: str
) -> None:
    looker = Connection(vhost, "somebody who looks")
    await looker.open()
    async with opened(vhost) as driver:
        sent = await buried(driver, 200)
        async with view(looker, "mail/dead") as found:
            idle = suspended(rabbitmq_server, vhost, "mail/dead")
            await asyncio.to_thread(idle.__enter__)
            removing = asyncio.ensure_future(found.remove(found.messages[1::2]))
            done, _ = await asyncio.wait((removing,), timeout=1)
            await asyncio.to_thread(idle.__exit__, None, None, None)
            assert not done
            await removing
            looker.abort()
        assert len(await ids(driver)) == len(sent) / 2
    await looker.close()


async def test_dead_letters_end_after_dead_ttl_and_without_one_they_stay(vhost: str) -> None:
    async with opened(vhost, Context(dead_ttl=0.5)) as brief, opened(vhost) as driver:
        await buried(brief, 3)
        (kept,) = await buried(driver, 1)
        async with asyncio.timeout(10):
            while len(await ids(driver)) > 1:
                await asyncio.sleep(0.05)
        assert await ids(driver) == [kept.id]


async def foreign(url: str, queue: str, *properties: Any) -> Sequence[bytes]:
    """Messages that somebody else has published; each body tells which it is."""
    bodies = [b"\xff not ours %d" % number for number in range(len(properties))]
    async with channel_on(url) as channel:
        for body, each in zip(bodies, properties, strict=True):
            await channel.basic_publish(body, routing_key=queue, properties=each)
    return bodies


def odd() -> list[Any]:
    """Properties that are none of ours, or hardly."""
    made = spec.Basic.Properties
    wrong = {
        "x-asynctasq-attempt": "one",
        "x-asynctasq-deliveries": -5,
        "x-asynctasq-visibility-timeout": "nan",
        "x-asynctasq-headers": "[1]",
        "x-asynctasq-failure": "{",
        "x-asynctasq-died-at": "yesterday",
        "x-asynctasq-origin": 7,
    }
    return [
        made(),
        made(message_id="order 17", headers={"x": [1, {"y": None}]}),
        made(message_id="not a uuid", headers=wrong),
    ]


async def test_what_others_put_among_dead_letters_is_listed_replayed_and_deleted(
    vhost: str,
) -> None:
    async with opened(vhost) as driver:
        (ours,) = await buried(driver, 1)
        bodies = await foreign(vhost, "mail/dead", *odd())
        (listed,) = await pages(driver, 100)
        strange = {task.body: task for task in listed if task.ref.id != ours.id}
        assert sorted(strange) == sorted(bodies)
        assert all(task.failure is not None for task in strange.values())
        one, two, three = (strange[body] for body in bodies)
        assert (await driver.get(two.ref)) == two
        assert await driver.retry_dead([one.ref, ours.ref])
        assert {each.id for each in await driver.dequeue(["mail"], limit=9, wait=5)}
        assert set(await driver.delete([two.ref, three.ref])) == {two.ref, three.ref}
        assert await ids(driver) == []


@task(queue="mail")
async def welcome() -> None:
    """Is known here, and has nothing to do."""


async def test_what_others_put_among_tasks_ends_as_a_dead_letter_and_tasks_go_on(
    vhost: str,
) -> None:
    asynctasq.init({"driver": "rabbitmq", "rabbitmq_url": vhost, "unknown_task_grace": 0.1})
    async with opened(vhost) as driver:
        await driver.dequeue(["mail"], limit=1, wait=0)  # which declares it
        bodies = await foreign(vhost, "mail", *odd())
        await welcome().dispatch()
        async with asyncio.timeout(20), Worker(["mail"]) as worker:
            while len(await ids(driver)) < len(bodies) or not worker.completed:
                await asyncio.sleep(0.05)
            assert worker.completed == 1
        (dead,) = await pages(driver, 100)
        assert sorted(each.body for each in dead) == sorted(bodies)
        assert all(each.failure and each.failure.type == "PayloadError" for each in dead)
