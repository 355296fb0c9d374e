"""Queues go in their order, or by turns; and the work of a slot is never waited for."""

from __future__ import annotations

from collections import defaultdict
from itertools import cycle, groupby, islice

import pytest

import asynctasq
from asynctasq import task
from asynctasq.worker import Worker

order: defaultdict[str, list[str]] = defaultdict(list)


@task(name="order.note")
async def note(key: str, text: str) -> None:
    order[key].append(text)


@task(name="order.feed")
async def feed(key: str, queue: str, times: int) -> None:
    """A queue that is never empty: each task puts the next."""
    order[key].append("high")
    if times and "low" not in order[key]:
        await feed(key, queue, times - 1).on_queue(queue).dispatch()


@pytest.mark.asyncio
async def test_a_later_queue_waits_while_an_earlier_one_has_tasks(memory, queue: str) -> None:
    high, low = f"{queue}-high", f"{queue}-low"
    await asynctasq.dispatch_many([note(queue, "low").on_queue(low) for _ in range(30)])
    await asynctasq.dispatch_many([note(queue, "high").on_queue(high) for _ in range(30)])
    await Worker([high, low], concurrency=3, max_tasks=60).run()
    assert order[queue] == ["high"] * 30 + ["low"] * 30


@pytest.mark.asyncio
async def test_fair_takes_from_the_queues_by_turns(memory, queue: str) -> None:
    names = [f"{queue}-{n}" for n in range(3)]
    for name in names:
        await asynctasq.dispatch_many([note(queue, name).on_queue(name) for _ in range(20)])
    await Worker(names, concurrency=1, fair=True, max_tasks=60).run()
    # One call takes what there is room for: one task, and one more once tasks are short.
    turns = [(name, len(list(tasks))) for name, tasks in groupby(order[queue][:12])]
    assert [name for name, _ in turns] == list(islice(cycle(names), len(turns)))
    assert max(taken for _, taken in turns) <= 2


@pytest.mark.asyncio
async def test_fair_starves_no_queue_beside_one_that_is_never_empty(memory, queue: str) -> None:
    high, low = f"{queue}-high", f"{queue}-low"
    for _ in range(3):
        await feed(queue, high, 2000).on_queue(high).dispatch()
    handle = await note(queue, "low").on_queue(low).dispatch()
    async with Worker([high, low], concurrency=1, fair=True):
        await handle.result(timeout=5)
    assert order[queue].index("low") < 20
