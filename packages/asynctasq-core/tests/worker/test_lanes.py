"""Where copies cannot be stored for a while, what is only to be acknowledged goes its way."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any
from uuid import uuid4

import pytest

import asynctasq
from asynctasq import task
from asynctasq.driver import Ack, Retry
from asynctasq.errors import DriverUnavailable
from asynctasq.worker import Worker

from .conftest import until
from .copying import Copying

runs: Counter[str] = Counter()


@task(name="lanes.fail", retry_delay=0.0, max_attempts=2)
async def fail(key: str) -> None:
    runs[key] += 1
    if runs[key] == 1:
        raise LookupError


@task(name="lanes.note")
async def note(key: str) -> None:
    runs[f"beside {key}"] += 1


@pytest.mark.asyncio
async def test_an_ack_does_not_wait_behind_a_retry_that_finds_no_room(use, queue) -> None:
    full = True
    acked: set[Any] = set()
    key = str(uuid4())

    class Full(Copying.fresh()):  # type: ignore[misc]
        async def settle(self, outcomes: Any) -> Any:
            if full and any(isinstance(outcome, Retry) for outcome in outcomes):
                raise DriverUnavailable("no room for copies")
            answer = await super().settle(outcomes)
            acked.update(o.delivery.id for o in outcomes if isinstance(o, Ack))
            return answer

    use(Full)
    asynctasq.init({"driver": "probe", "store_results": False})
    await fail(key).on_queue(queue).dispatch()
    worker = Worker([queue], concurrency=2)
    running = asyncio.ensure_future(worker.run())
    try:
        await until(lambda: runs[key] == 1)
        await asynctasq.dispatch_many([note(key).on_queue(queue) for _ in range(20)])
        await until(lambda: len(acked) == 20)
        assert runs[key] == 1
        full = False
        await until(lambda: runs[key] == 2)
    finally:
        worker.stop()
        await running
