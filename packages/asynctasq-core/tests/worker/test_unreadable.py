"""What a worker cannot read is given back, ever later, then dead; it neither spins nor stops."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest

import asynctasq
from asynctasq import AsyncTask, task
from asynctasq.codec import Envelope, encode_envelope
from asynctasq.driver import Failure, Message, Release
from asynctasq.memory import MemoryDriver
from asynctasq.worker import Worker
from asynctasq.worker._decide import after_unreadable


@task(name="unreadable.known")
async def known(number: int) -> int:
    return number


class Picky(AsyncTask[None], name="unreadable.picky"):
    number: int

    def __post_init__(self) -> None:
        if self.number < 0:
            raise LookupError("not below zero")

    async def execute(self) -> None: ...


def body(name: str, **arguments: Any) -> bytes:
    raw = msgspec.Raw(msgspec.msgpack.encode(arguments))
    return encode_envelope(Envelope(1, name, raw, 3, "fixed", 0.0, 0.0, None, None, True))


DEEP = b"\x9a\x01\xa1x" + b"\x91" * 100_000 + b"\xc0" + body("x")[4:]
BODIES = {
    "garbage": (b"\xc1 not a task", "not a task of this library"),
    "no text": (body("unreadable.known", number=1).replace(b"known", b"kn\xffwn"), "utf-8"),
    "endless depth": (DEEP, "recursion"),
    "unknown": (body("os.system", command="true"), "no task named 'os.system'"),
    "a later version": (b"\x9a\x02" + body("unreadable.known")[2:], "version 2"),
    "other arguments": (body("unreadable.known", digit=1), "does not fit"),
    "refused by itself": (body("unreadable.picky", number=-1), "not below zero"),
}


async def put(memory: MemoryDriver, queue: str, payload: bytes) -> Message:
    message = Message(queue=queue, body=payload, visibility_timeout=30)
    await memory.enqueue([message])
    return message


@pytest.mark.parametrize("what", BODIES)
@pytest.mark.asyncio
async def test_it_is_given_back_with_a_delay_and_others_run(
    memory: MemoryDriver, queue: str, until, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    payload, reason = BODIES[what]
    message = await put(memory, queue, payload)
    async with Worker([queue], concurrency=1) as worker:
        handle = await known(1).on_queue(queue).dispatch()
        assert await handle.result(timeout=5) == 1
    waiting = await memory.get(message.ref)
    assert waiting is not None
    assert (waiting.state, waiting.body, waiting.attempt) == ("scheduled", payload, 1)
    assert reason in caplog.text
    assert (worker.completed, worker.failed) == (1, 0)


@pytest.mark.asyncio
async def test_it_is_handed_out_seldom(use, queue: str, until) -> None:
    class Counting(MemoryDriver):
        released: list[tuple[float, float]]

        async def settle(self, outcomes: Any) -> Any:
            now = time.monotonic()
            self.released += [(now, o.delay) for o in outcomes if isinstance(o, Release)]
            return await super().settle(outcomes)

    Counting.released = []
    use(Counting)
    driver = Counting(None, asynctasq.driver.Context())
    await driver.open()
    await put(driver, queue, b"garbage")
    async with Worker([queue]):
        await until(lambda: len(Counting.released) == 2)
    await driver.close()
    (first, delay), (second, longer) = Counting.released
    assert second - first >= 1 - 0.01
    assert min(delay, longer) >= 1


@pytest.mark.asyncio
async def test_after_the_grace_it_is_dead_with_the_reason(
    memory: MemoryDriver, queue: str, until
) -> None:
    asynctasq.init({"driver": "memory", "unknown_task_grace": 0})
    message = await put(memory, queue, BODIES["unknown"][0])
    async with Worker([queue]) as worker:
        await until(lambda: worker.failed)
    dead = await memory.get(message.ref)
    assert dead is not None
    assert dead.state == "dead"
    assert dead.failure is not None
    assert "no task named 'os.system'" in dead.failure.text
    assert dead.body == BODIES["unknown"][0]


@pytest.mark.parametrize(
    ("seen_for", "grace", "delay"),
    [
        (0, 3600, 1),
        (0.2, 3600, 1),
        (30, 3600, 30),
        (1000, 3600, 60),
        (3599, 3600, 1),
        (3550, 3600, 50),
        (0, 0.1, 1),
        (3600, 3600, None),
        (0, 0, None),
    ],
)
def test_the_delay_grows_to_a_minute_and_meets_the_end_of_the_grace(
    seen_for: float, grace: float, delay: float | None
) -> None:
    message = Message(queue="q", body=b"", visibility_timeout=30)
    fields = {name: getattr(message, name) for name in Message.__struct_fields__}
    delivery = asynctasq.driver.Delivery(**fields, deliveries=1, receipt=1, lease=30)
    outcome = after_unreadable(delivery, Failure("PayloadError"), seen_for, grace, None)
    assert (outcome.delay if isinstance(outcome, Release) else None) == delay
