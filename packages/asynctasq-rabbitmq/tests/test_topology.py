"""What is declared, once, by whoever comes first; what somebody deletes is declared again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from asynctasq.driver import Ack
from asynctasq.errors import BackendRefused
from tools.backends import Room

from .channels import channel_on, declare, publish
from .drivers import message, opened, taken, works
from .holding import until, waits
from .servers import own

pytestmark = pytest.mark.asyncio
_NO_LIMIT = 2**31 - 1
_TEN_YEARS = 10 * 365 * 24 * 3600 * 1000
_PLAIN = {
    "x-queue-type": "quorum",
    "x-delivery-limit": _NO_LIMIT,
    "x-overflow": "reject-publish",
}
_LOOKED_AT = {**_PLAIN, "x-single-active-consumer": True}
_AT_LEAST_ONCE = {**_PLAIN, "x-dead-letter-strategy": "at-least-once"}


def name_of(url: str) -> str:
    """Of a virtual host."""
    return url.rpartition("/")[2]


async def state(room: Room, url: str) -> tuple[dict[str, Any], ...]:
    """All that a virtual host holds, but for messages."""
    vhost = name_of(url)
    columns = {
        "queues": ("name", "durable", "auto_delete", "exclusive", "arguments"),
        "exchanges": ("name", "type", "durable", "auto_delete", "arguments"),
        "bindings": ("source_name", "destination_name", "destination_kind", "routing_key"),
    }
    told = await asyncio.gather(
        *(
            asyncio.to_thread(own.listed, room, what, *named, vhost=vhost)
            for what, named in columns.items()
        )
    )
    return tuple(row for rows in told for row in sorted(rows, key=repr))


def waiting(level: int, below: str) -> dict[str, Any]:
    """The arguments of a level of delays."""
    return {
        **_AT_LEAST_ONCE,
        "x-dead-letter-exchange": below,
        "x-message-ttl": 1000 * 2**level,
    }


async def test_what_messages_need_is_declared_and_by_others_nothing_is_changed(
    rabbitmq_server: Room, vhost: str
) -> None:
    async with opened(vhost, exchange_name="app") as driver:
        await driver.enqueue([message(delay=1.5)])
    first = await state(rabbitmq_server, vhost)
    told = await asyncio.to_thread(own.queue_info, rabbitmq_server, name_of(vhost))
    queues = {name: row["arguments"] for name, row in told.items()}
    assert queues == {
        "mail": {
            **_AT_LEAST_ONCE,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": "mail/dead",
            "x-consumer-timeout": _TEN_YEARS,
        },
        "mail/dead": _LOOKED_AT,
        "app/queues": _LOOKED_AT,
        "app/astray": _PLAIN,
        "app/delay/00": waiting(0, "app/due"),
        "app/delay/01": waiting(1, "app/delay/00"),
    }
    exchanges = {row["name"]: row["type"] for row in first if "type" in row}
    ours = {name: kind for name, kind in exchanges.items() if name and not name.startswith("amq.")}
    topics = ("app/due", "app/delay/00", "app/delay/01")
    assert ours == {"app": "direct", "app/astray": "fanout", **dict.fromkeys(topics, "topic")}
    assert all(
        row["durable"] and not row["auto_delete"]
        for row in first
        if row.get("name") in {*queues, *ours}
    )
    bindings = {
        (row["source_name"], row["destination_name"], row["routing_key"].lstrip("*."))
        for row in first
        if row.get("source_name")
    }
    assert bindings == {
        ("app", "mail", "mail"),
        ("app/due", "mail", "mail"),
        ("app/astray", "app/astray", ""),
        ("app/delay/00", "app/delay/00", "1.#"),
        ("app/delay/01", "app/delay/01", "1.#"),
        ("app/delay/00", "app/due", "0.#"),
        ("app/delay/01", "app/delay/00", "0.#"),
    }
    async with opened(vhost, exchange_name="app") as one, opened(vhost, exchange_name="app") as two:
        await asyncio.gather(one.enqueue([message(delay=2)]), two.enqueue([message(delay=3)]))
        assert await state(rabbitmq_server, vhost) == first


@pytest.mark.parametrize("name", ["mail", "mail/dead", "asynctasq/queues", "asynctasq/delay/00"])
async def test_a_queue_with_other_arguments_is_reported_and_left_as_it_is(
    rabbitmq_server: Room, vhost: str, name: str
) -> None:
    async with channel_on(vhost) as channel:
        await declare(channel, name)
        await publish(channel, name)
    async with opened(vhost) as driver:
        with pytest.raises(BackendRefused, match="was left as it is: take another") as raised:
            await driver.enqueue([message(delay=1)])
        assert f"'{name}'" in str(raised.value)
    kept = (await asyncio.to_thread(own.queue_info, rabbitmq_server, name_of(vhost)))[name]
    assert (kept["ready"], kept["arguments"]) == (1, {"x-queue-type": "quorum"})


async def deleted(url: str, *names: str) -> None:
    """By somebody else."""
    async with channel_on(url) as channel:
        for name in names:
            await channel.queue_delete(name)


@pytest.mark.parametrize("delay", [0, 1])
async def test_a_queue_that_is_deleted_under_a_producer_is_declared_again(
    vhost: str, delay: int
) -> None:
    async with opened(vhost) as driver:
        await driver.enqueue([message(delay=delay)])
        names = ["mail", "mail/dead", *(["asynctasq/delay/00"] if delay else [])]
        await deleted(vhost, *names)
        sent = [message(delay=delay) for _ in range(5)]
        assert set((await driver.enqueue(sent)).stored) == {each.id for each in sent}
        found: list[Any] = []
        while len(found) < 5:
            found += await driver.dequeue(["mail"], limit=5, wait=5)
        assert {each.id for each in found} == {each.id for each in sent}


async def test_one_id_that_two_calls_send_into_a_deleted_queue_is_stored_for_each(
    vhost: str,
) -> None:
    """What comes back is known by its id alone."""
    async with opened(vhost) as driver:
        sent = message()
        await driver.enqueue([sent])
        await deleted(vhost, "mail")
        answers = await asyncio.gather(*(driver.enqueue([sent]) for _ in range(2)))
        assert [answer.stored for answer in answers] == [(sent.id,)] * 2
        found: list[Any] = []
        while len(found) < 2:
            came = await driver.dequeue(["mail"], limit=2, wait=5)
            assert came, "it was said to be stored"
            found += came
        assert {each.id for each in found} == {sent.id}


@pytest.mark.concurrent
async def test_a_queue_that_is_deleted_under_a_consumer_is_declared_and_consumed_again(
    vhost: str,
) -> None:
    """Who waits in a dequeue, without another message of its own, is served."""
    async with opened(vhost) as worker, opened(vhost) as producer:
        await works(worker)
        await producer.enqueue([message(queue="other")])
        (busy,) = await worker.dequeue(["other"], limit=1, wait=5)
        waiting = asyncio.ensure_future(worker.dequeue(["mail"], limit=10, wait=20))
        await until(lambda: waits(worker, "mail"), "it has begun to wait")
        await deleted(vhost, "mail")
        await consumed(vhost, "mail")
        sent = message()
        await producer.enqueue([sent])
        (delivery,) = await waiting
        assert delivery.id == sent.id
        assert not (await worker.settle([Ack(delivery)])).lost
        # What else it had comes again here, and is no loss of a worker.
        (again,) = await worker.dequeue(["other"], limit=1, wait=5)
        assert (again.id, again.deliveries) == (busy.id, busy.deliveries)
        assert not (await worker.settle([Ack(again)])).lost


async def consumed(url: str, name: str) -> None:
    """Somebody consumes that queue."""
    async with asyncio.timeout(10), channel_on(url) as channel:
        count = 0
        while not count:
            try:
                answer = await channel.queue_declare(name, passive=True)
            except Exception:
                channel = await channel.connection.channel()
                continue
            count = answer.consumer_count
            await asyncio.sleep(0.01)


async def test_what_the_broker_gives_up_by_a_policy_is_a_dead_letter_that_says_so(
    rabbitmq_server: Room, vhost: str
) -> None:
    limit = '{"message-ttl": 50}'
    told = ("set_policy", "--vhost", name_of(vhost), "short", "^mail$", limit)
    await asyncio.to_thread(own.control, rabbitmq_server, *told, "--apply-to", "queues")
    async with opened(vhost) as driver:
        sent = message(headers={"trace": "1"})
        await driver.enqueue([sent])
        async with asyncio.timeout(10):
            while not (page := await driver.list("dead", "mail", 10)).tasks:
                await asyncio.sleep(0.05)
        (dead,) = page.tasks
        assert dead.failure is not None
        assert (dead.failure.type, dead.failure.text) == (
            "DeadLettered",
            "by RabbitMQ itself: expired",
        )
        assert (dead.ref, dead.body, dead.headers) == (sent.ref, sent.body, sent.headers)
        off = ("clear_policy", "--vhost", name_of(vhost), "short")
        await asyncio.to_thread(own.control, rabbitmq_server, *off)
        assert await driver.retry_dead([sent.ref]) == (sent.ref,)
        again = await taken(driver)
        assert (again.id, again.attempt, again.deliveries) == (sent.id, 1, 1)


async def test_a_message_is_kept_however_often_its_connection_is_lost(vhost: str) -> None:
    """RabbitMQ 4 gives a message up after 20 times, unless it is told otherwise."""
    sent = message()
    async with opened(vhost) as producer:
        await producer.enqueue([sent])
        for count in range(1, 26):
            async with opened(vhost) as worker:
                delivery = await taken(worker, wait=10)
                assert (delivery.id, delivery.deliveries) == (sent.id, count)
                worker._consuming.abort()
        delivery = await taken(producer, wait=10)
        assert (delivery.id, delivery.attempt, delivery.deliveries) == (sent.id, 1, 26)
        await producer.settle([Ack(delivery)])
