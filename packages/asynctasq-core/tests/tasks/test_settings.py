"""Every setting has its effect, from whichever place it was given: call, task, driver, option."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

import pytest
from msgspec import Struct

import asynctasq
from asynctasq import AsyncTask, TaskConfig, task
from asynctasq.codec import Envelope, decode_envelope
from asynctasq.driver import StoredTask
from asynctasq.memory import MemoryDriver

Look = Callable[[], Awaitable[list[StoredTask]]]


class ProbeDriver(MemoryDriver):
    name = "probe"


class ProbeOptions(Struct, frozen=True, kw_only=True):
    """Defaults of a driver's own, as the drivers of tables have them."""

    probe_max_attempts: int | None = None
    probe_retry_delay_seconds: float | None = None
    probe_visibility_timeout_seconds: float | None = None


@task
async def plain() -> None: ...


@task(
    max_attempts=5,
    retry_strategy="fixed",
    retry_delay=7,
    timeout=20,
    visibility_timeout=120,
    correlation_id="of the task",
    store_result=False,
)
async def tuned() -> None: ...


class Tuned(AsyncTask[None]):
    config: ClassVar[TaskConfig] = {
        "max_attempts": 5,
        "retry_strategy": "fixed",
        "retry_delay": 7,
        "timeout": 20,
        "visibility_timeout": 120,
        "correlation_id": "of the task",
        "store_result": False,
    }

    async def execute(self) -> None: ...


OF_OPTIONS = {
    "default_max_attempts": 11,
    "default_retry_strategy": "fixed",
    "default_retry_delay": 12.0,
    "default_retry_max_delay": 1300.0,
    "default_timeout": 14.0,
    "default_visibility_timeout": 15.0,
    "correlation_id": "of the options",
    "store_results": False,
}


async def sent(call: Any, stored: Look) -> dict[str, Any]:
    """What a worker learns of a call: its envelope's fields, and its lease."""
    await call.dispatch()
    (task,) = await stored()
    envelope = decode_envelope(task.body)
    policy = {name: getattr(envelope, name) for name in Envelope.__struct_fields__[3:]}
    return policy | {"visibility_timeout": task.visibility_timeout}


def policy(**changes: Any) -> dict[str, Any]:
    defaults = {
        "max_attempts": 3,
        "retry_strategy": "exponential",
        "retry_delay": 60,
        "retry_max_delay": 3600,
        "timeout": None,
        "correlation_id": None,
        "store_result": True,
        "visibility_timeout": 300,
    }
    return defaults | changes


OF_THE_TASK = policy(
    max_attempts=5,
    retry_strategy="fixed",
    retry_delay=7,
    timeout=20,
    visibility_timeout=120,
    correlation_id="of the task",
    store_result=False,
)


@pytest.mark.asyncio
async def test_without_any_setting_the_defaults_hold(queue: str, stored: Look) -> None:
    assert await sent(plain().on_queue(queue), stored) == policy()


@pytest.mark.asyncio
async def test_options_hold_where_a_task_says_nothing(queue: str, stored: Look) -> None:
    asynctasq.init({"driver": "memory", **OF_OPTIONS})
    assert await sent(plain().on_queue(queue), stored) == {
        "max_attempts": 11,
        "retry_strategy": "fixed",
        "retry_delay": 12,
        "retry_max_delay": 1300,
        "timeout": 14,
        "correlation_id": "of the options",
        "store_result": False,
        "visibility_timeout": 15,
    }


@pytest.mark.parametrize("make", [tuned, Tuned])
@pytest.mark.asyncio
async def test_a_tasks_own_settings_win_over_options(
    queue: str, stored: Look, make: Callable[[], Any]
) -> None:
    asynctasq.init({"driver": "memory", **OF_OPTIONS, "default_retry_max_delay": 3600})
    assert await sent(make().on_queue(queue), stored) == OF_THE_TASK


@pytest.mark.parametrize("make", [tuned, Tuned])
@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("max_attempts", 1),
        ("retry_strategy", "exponential"),
        ("retry_delay", 0),
        ("timeout", None),
        ("visibility_timeout", 1.5),
        ("correlation_id", "of the call"),
        ("store_result", True),
    ],
)
@pytest.mark.asyncio
async def test_a_calls_own_setting_wins_and_leaves_the_others(
    queue: str, stored: Look, make: Callable[[], Any], setting: str, value: Any
) -> None:
    call = make().on_queue(queue).options(**{setting: value})
    assert await sent(call, stored) == OF_THE_TASK | {setting: value}


@pytest.mark.asyncio
async def test_a_drivers_defaults_stand_between_those_of_tasks_and_of_options(
    use, queue: str, stored: Look
) -> None:
    use(ProbeDriver, options=ProbeOptions)
    own = {
        "probe_max_attempts": 21,
        "probe_retry_delay_seconds": 22.0,
        "probe_visibility_timeout_seconds": 23.0,
    }
    asynctasq.init({"driver": "probe", **OF_OPTIONS, **own})
    found = await sent(plain().on_queue(queue), stored)
    assert (found["max_attempts"], found["retry_delay"]) == (21, 22)
    assert (found["visibility_timeout"], found["timeout"]) == (23, 14)


@pytest.mark.asyncio
async def test_a_tasks_own_setting_wins_over_its_drivers_default(
    use, queue: str, stored: Look
) -> None:
    use(ProbeDriver, options=ProbeOptions)
    asynctasq.init({"driver": "probe", "probe_max_attempts": 21})
    assert (await sent(tuned().on_queue(queue), stored))["max_attempts"] == 5


@pytest.mark.asyncio
async def test_a_drivers_default_holds_for_that_driver_only(use, queue: str, stored: Look) -> None:
    use(ProbeDriver, options=ProbeOptions)
    asynctasq.init({"driver": "probe", "probe_max_attempts": 21})
    call = plain().options(driver="memory", queue=queue)
    assert (await sent(call, stored))["max_attempts"] == 3


class Elsewhere(MemoryDriver):
    """Says which queues it was given."""

    name = "elsewhere"
    queues: ClassVar[list[str]] = []

    async def enqueue(self, messages: Any) -> Any:
        self.queues.extend(message.queue for message in messages)
        return await super().enqueue(messages)


@pytest.mark.parametrize("by", ["call", "task", "many"])
@pytest.mark.asyncio
async def test_a_driver_of_its_own_takes_that_task_and_no_other(use, queue: str, by: str) -> None:
    use(Elsewhere, name="elsewhere")
    asynctasq.init({"driver": "memory"})
    Elsewhere.queues.clear()

    @task(name="settings.elsewhere", driver="elsewhere", queue=queue)
    async def routed() -> None: ...

    call = routed() if by == "task" else plain().options(driver="elsewhere", queue=queue)
    await (asynctasq.dispatch_many([call, plain()]) if by == "many" else call.dispatch())
    await plain().on_queue(f"{queue}-other").dispatch()
    assert Elsewhere.queues == [queue]


@pytest.mark.asyncio
async def test_a_queue_is_the_calls_the_tasks_or_the_default(memory) -> None:
    @task(queue="of-the-task")
    async def routed() -> None: ...

    asynctasq.init({"driver": "memory", "default_queue": "of-the-options"})
    calls = [plain(), routed(), routed().on_queue("of-the-call")]
    handles = await asynctasq.dispatch_many(calls)
    assert [handle.queue for handle in handles] == ["of-the-options", "of-the-task", "of-the-call"]


@pytest.mark.asyncio
async def test_a_delayed_task_is_not_due_before(queue: str, memory: MemoryDriver) -> None:
    await plain().on_queue(queue).delay(30).dispatch()
    (stats,) = await memory.stats([queue])
    assert (stats.pending, stats.scheduled) == (0, 1)
