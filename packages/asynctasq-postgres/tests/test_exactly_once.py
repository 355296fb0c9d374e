"""`transaction()` and a worker that is killed between any two steps: one effect of each task."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from uuid import UUID

import pytest

import asynctasq
from asynctasq.worker import Worker

from .effects import POINTS, order, pay
from .shop import LEASE, QUEUE, Shop, once, until

pytestmark = [pytest.mark.asyncio, pytest.mark.concurrent]

KILLS = 20
AT_ONCE = 20


async def killed(process: subprocess.Popen[bytes]) -> None:
    """Wait for it."""
    assert await asyncio.to_thread(process.wait, 30) == -signal.SIGKILL


@pytest.mark.parametrize("kept", [False, True], ids=["", "kept"])
@pytest.mark.parametrize("point", POINTS)
async def test_a_task_has_one_effect_wherever_its_worker_is_killed(
    shop: Shop, point: str, kept: bool
) -> None:
    shop.init(keep_completed_tasks=kept)
    calls = [pay().on_queue(QUEUE).visibility_timeout(LEASE) for _ in range(6)]
    ids = [handle.id for handle in await asynctasq.dispatch_many(calls)]
    with shop.worker(point, keep_completed_tasks=kept) as process:
        await killed(process)
    assert shop.effects().total() < len(ids)
    async with Worker([QUEUE]):
        await shop.emptied()
    assert shop.effects() == once("pay", ids)
    assert shop.completed() == (set(ids) if kept else set())


@pytest.mark.parametrize("point", ["settled", "commit under way", "committed"])
async def test_a_chain_of_two_tasks_goes_on_once_wherever_its_worker_is_killed(
    shop: Shop, point: str
) -> None:
    calls = [order().on_queue(QUEUE).visibility_timeout(LEASE) for _ in range(6)]
    ids = [handle.id for handle in await asynctasq.dispatch_many(calls)]
    with shop.worker(point, default_visibility_timeout=LEASE) as process:
        await killed(process)
    async with Worker([QUEUE]):
        await shop.emptied()
    assert shop.effects() == once("order", ids) + once("ship", ids)


@pytest.mark.once
@pytest.mark.timeout(180)
async def test_a_chain_of_two_tasks_goes_on_once_however_often_workers_are_killed(
    shop: Shop,
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    ids: list[UUID] = []
    with crew(shop) as alive:
        for _ in range(KILLS):
            known = shop.effects().total()
            calls = [order().on_queue(QUEUE).visibility_timeout(LEASE) for _ in range(AT_ONCE)]
            ids += [handle.id for handle in await asynctasq.dispatch_many(calls)]
            await until(partial(shop.has_done_more_than, known), "somebody works")
            await asyncio.sleep(chance.uniform(0, 0.05))  # when is the point
            alive.replace(chance)
        await shop.emptied()
    assert shop.effects() == once("order", ids) + once("ship", ids)
    assert len(shop.completed()) == 2 * len(ids)
    assert shop.interrupted(), "no kill has struck"


class Crew:
    """Workers at a time."""

    def __init__(self, shop: Shop, stack: ExitStack) -> None:
        self._shop = shop
        self._stack = stack
        self._alive = [self._start() for _ in range(3)]

    def _start(self) -> subprocess.Popen[bytes]:
        options = {"default_visibility_timeout": LEASE, "keep_completed_tasks": True}
        return self._stack.enter_context(self._shop.worker(**options))

    def replace(self, chance: random.Random) -> None:
        """Kill one, and start another."""
        process = self._alive.pop(chance.randrange(len(self._alive)))
        assert process.poll() is None, "it ended by itself"
        process.kill()
        self._alive.append(self._start())


@contextmanager
def crew(shop: Shop) -> Iterator[Crew]:
    with ExitStack() as stack:
        yield Crew(shop, stack)
