"""Tasks under way while something goes wrong, on RabbitMQ."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from asynctasq_drivers.rabbitmq import RabbitmqDriver
from tools.driver_tests import load as shared
from tools.driver_tests import waiting
from tools.driver_tests.load import LATE, Load, Plan, Sort
from tools.driver_tests.note import note
from tools.driver_tests.waiting import until

from .drivers import RABBITMQ, opened

__all__ = ["again", "driver_on", "note", "under_load", "until"]

T = TypeVar("T")
PATIENCE = 30.0

driver_on = opened


async def again(call: Callable[[], Awaitable[T]]) -> T:
    """Its answer, as soon as there is one; repeated where certainly nothing was done."""
    return await waiting.again(call, after=waiting.CERTAIN, seconds=PATIENCE)


def under_load(
    url: str, *, seconds: float = 0.3
) -> AbstractAsyncContextManager[Load[RabbitmqDriver]]:
    """One worker, so that nothing has a reason to run again. ``seconds``: those of one in four."""
    batch = (Sort(), Sort(seconds=seconds), Sort(fails=1), Sort(delay=LATE))
    plan = Plan(batch, pause=0.05, workers=1, concurrency=100, patience=PATIENCE)
    return shared.under_load(RABBITMQ, url, plan)
