"""Results of tasks on a backend that stores none: in another, which `result_driver` names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import asynctasq
from asynctasq import task
from asynctasq.errors import ResultUnavailable, TaskFailed
from asynctasq.worker import Worker
from tools.backends import private
from tools.backends.recipes import RECIPES

pytestmark = pytest.mark.asyncio


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    missing = RECIPES["rabbitmq"].missing()
    if missing and os.environ.get("ASYNCTASQ_REQUIRE") != "all":
        pytest.skip(f"not installed: {', '.join(missing)}")
    with private("rabbitmq") as room:
        yield room.url


def init(broker: str, **options: Any) -> None:
    asynctasq.init(
        {"driver": "rabbitmq", "rabbitmq_url": broker, "default_max_attempts": 1, **options}
    )


@task(queue="sums")
async def add(one: int, other: int) -> int:
    return one + other


@task(queue="sums")
async def total(numbers: list[int]) -> int:
    """Each step is a task that waits for the one before it."""
    if len(numbers) < 2:
        return sum(numbers)
    rest = await total(numbers[1:]).dispatch()
    step = await add(numbers[0], await rest.result(timeout=20)).dispatch()
    return await step.result(timeout=20)


@task(queue="sums")
async def fail() -> int:
    raise LookupError("nobody")


@pytest.mark.parametrize("kept", [False, True], ids=["", "kept"])
async def test_results_of_tasks_on_rabbitmq_are_in_sqlite(
    broker: str, tmp_path: Path, kept: bool
) -> None:
    path = str(tmp_path / "results.db")
    init(broker, result_driver="sqlite", sqlite_path=path, keep_completed_tasks=kept)
    async with Worker(["sums"], concurrency=10):
        assert await (await add(1, 2).dispatch()).result(timeout=20) == 3
        chain = await total([1, 2, 3, 4]).dispatch()
        assert await chain.result(timeout=20) == 10
        dead = await fail().dispatch()
        with pytest.raises(TaskFailed, match="LookupError: nobody"):
            await dead.result(timeout=20)
    assert await chain.result(timeout=5) == 10, "also when no worker is there any more"


async def test_without_a_result_driver_who_waits_is_told_what_to_do(broker: str) -> None:
    init(broker)
    handle = await add(1, 2).dispatch()
    with pytest.raises(ResultUnavailable, match=r"rabbitmq driver stores no results.*sqlite"):
        await handle.result(timeout=20)
    async with Worker(["sums"]) as worker:
        late = await add(3, 4).dispatch()
        with pytest.raises(ResultUnavailable, match="result_driver"):
            await late.result(timeout=20)
    assert worker.failed == 0
