"""What is stored, and that it comes back as it was."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid1, uuid4

import msgspec

from asynctasq.driver import Driver, Message
from asynctasq.testing._group import Group
from asynctasq.testing._rig import Rig

BODIES = (b"", b"\x00", bytes(range(256)), b"\xff\xfe not text", b"'\"`;--{}%s\\", b"x" * 100_000)
HEADERS = {"traceparent": "00-0af7651916cd43dd", "empty": "", "größe": "日本語 \N{SNOWMAN} '\"\\"}


class Enqueue(Group):
    """`Driver.enqueue`, when all goes well."""

    async def test_the_answer_names_every_id_that_was_given(self, rig: Rig, driver: Driver) -> None:
        batch = [m for queue in rig.queues(3) for m in rig.messages(queue, 4)]
        answer = await driver.enqueue(batch)
        assert not answer.failed, f"good messages were refused: {answer.failed}"
        assert sorted(answer.stored) == sorted(m.id for m in batch), (
            "stored and failed together are the ids that were given, each once"
        )

    async def test_a_message_comes_back_as_it_was(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        message = rig.message(queue, b"body", headers=HEADERS)
        await rig.put(driver, [message])
        delivery = await rig.one(driver, queue)
        shared = {name: getattr(delivery, name) for name in Message.__struct_fields__}
        assert shared == msgspec.structs.asdict(message), "a field changed on its way"
        assert delivery.deliveries == 1, "the first hand-out is delivery number 1"
        assert delivery.delay == 0, "a delivery's delay is 0"

    async def test_a_body_comes_back_byte_for_byte(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        largest = driver.capabilities.max_body or len(BODIES[-1])
        sent = await rig.put(driver, (rig.message(queue, body[:largest]) for body in BODIES))
        came = await rig.take(driver, queue, len(sent))
        assert {d.id: d.body for d in came} == {m.id: m.body for m in sent}, "bodies are opaque"

    async def test_headers_come_back_as_they_were(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        sent = await rig.put(
            driver, (rig.message(queue, headers=h) for h in (HEADERS, {}, {"a": "1", "b": "2"}))
        )
        came = await rig.take(driver, queue, len(sent))
        assert {d.id: dict(d.headers) for d in came} == {m.id: dict(m.headers) for m in sent}

    async def test_an_id_may_be_any_uuid(self, rig: Rig, driver: Driver, queue: str) -> None:
        random = uuid4().int
        ids = [uuid1(), uuid4(), UUID(int=random >> 64), UUID(int=random | 0xFF << 120)]
        await rig.put(driver, (rig.message(queue, id=id) for id in ids))
        came = await rig.take(driver, queue, len(ids))
        assert sorted(d.id for d in came) == sorted(ids), "the id is the caller's, never changed"

    async def test_the_attempt_is_the_callers(self, rig: Rig, driver: Driver, queue: str) -> None:
        await rig.put(driver, [rig.message(queue, attempt=7)])
        delivery = await rig.one(driver, queue)
        assert delivery.attempt == 7, "attempt is told by the core"
        assert (delivery.deliveries, delivery.losses) == (7, 0), (
            "a message that begins with a later attempt has that many deliveries behind it"
        )

    async def test_a_batch_may_be_large_and_go_to_many_queues(
        self, rig: Rig, driver: Driver
    ) -> None:
        queues = rig.queues(5)
        sent = await rig.put(driver, (m for queue in queues for m in rig.messages(queue, 50)))
        came = await rig.take(driver, queues, len(sent))
        assert {(d.queue, d.id) for d in came} == {(m.queue, m.id) for m in sent}

    async def test_an_empty_batch_is_no_error(self, driver: Driver) -> None:
        answer = await driver.enqueue([])
        assert (tuple(answer.stored), dict(answer.failed)) == ((), {})

    async def test_many_calls_at_once_on_one_instance(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        sent = rig.messages(queue, 60)
        await asyncio.gather(*(driver.enqueue([message]) for message in sent))
        came = await rig.take(driver, queue, len(sent))
        assert {d.id for d in came} == {m.id for m in sent}, "concurrent calls lost messages"

    async def test_what_was_sent_before_the_first_consumer_is_handed_out(
        self, rig: Rig, queue: str
    ) -> None:
        producer = await rig.open()
        await rig.put(producer, rig.messages(queue, 3))
        await producer.close()
        await rig.take(await rig.open(), queue, 3, why="messages may be older than any consumer")
