"""Chaining: every method returns a new call and changes no other; a call that is dropped warns."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest

import asynctasq
from asynctasq import AsyncTask, TaskConfig, task
from asynctasq.errors import ArgumentError, ConfigError
from asynctasq.tasks import Call


@task(queue="chain", max_attempts=2)
async def welcome(user_id: int) -> int:
    return user_id


class Invoice(AsyncTask[int]):
    config: ClassVar[TaskConfig] = {"queue": "chain", "max_attempts": 2}
    order_id: int

    async def execute(self) -> int:
        return self.order_id


STEPS: dict[str, tuple[Callable[[Any], Any], TaskConfig]] = {
    "on_queue": (lambda c: c.on_queue("vip"), {"queue": "vip"}),
    "retry_after": (lambda c: c.retry_after(5), {"retry_delay": 5}),
    "max_attempts": (lambda c: c.max_attempts(8), {"max_attempts": 8}),
    "timeout": (lambda c: c.timeout(2.5), {"timeout": 2.5}),
    "no timeout": (lambda c: c.timeout(None), {"timeout": None}),
    "visibility_timeout": (lambda c: c.visibility_timeout(9), {"visibility_timeout": 9}),
    "correlation_id": (lambda c: c.correlation_id("r-1"), {"correlation_id": "r-1"}),
    "options": (
        lambda c: c.options(retry_strategy="fixed", store_result=False, driver="memory"),
        {"retry_strategy": "fixed", "store_result": False, "driver": "memory"},
    ),
    "delay": (lambda c: c.delay(10), {}),
}


@pytest.fixture
def dropped() -> Iterator[Callable[[], list[str]]]:
    """The warnings of calls that are gone by now."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RuntimeWarning)

        def look() -> list[str]:
            gc.collect()
            return [str(warning.message) for warning in caught]

        yield look


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("make", [lambda: welcome(1), lambda: Invoice(1)])
def test_each_method_gives_a_new_call_and_leaves_the_old_as_it_was(
    dropped, make: Callable[[], Any], step: str
) -> None:
    apply, config = STEPS[step]
    first = make()
    second = apply(first)
    assert isinstance(second, Call)
    assert second is not first
    assert second.config == config
    assert second.delayed == (10 if step == "delay" else 0)
    assert first.prepared().config == {}
    assert first.prepared().delayed == 0


def test_a_chain_keeps_what_was_said_before_and_the_last_word_wins(dropped) -> None:
    call = welcome(1).delay(10).on_queue("a").retry_after(5).on_queue("b").options(timeout=3)
    assert (call.config, call.delayed) == ({"queue": "b", "retry_delay": 5, "timeout": 3}, 10)


@pytest.mark.parametrize(
    ("refuse", "says"),
    [
        (lambda c: c.on_queue("no queue"), "queue='no queue'"),
        (lambda c: c.delay(-1), "delay=-1: expected seconds >= 0"),
        (lambda c: c.delay(float("inf")), "delay=inf"),
        (lambda c: c.retry_after("soon"), "retry_delay='soon'"),
        (lambda c: c.max_attempts(0), "max_attempts=0"),
        (lambda c: c.timeout(0), "timeout=0"),
        (lambda c: c.visibility_timeout(0.1), "visibility_timeout=0.1"),
        (lambda c: c.correlation_id(1), "correlation_id=1"),
        (lambda c: c.options(retries=1), r"no setting 'retries' \(there are: queue, "),
    ],
)
def test_a_setting_that_cannot_be_is_refused_and_warns_of_nothing_else(
    dropped, refuse: Callable[[Any], Any], says: str
) -> None:
    with pytest.raises(ConfigError, match=says) as raised:
        refuse(welcome(1))
    assert "welcome" in str(raised.value)
    del raised
    assert dropped() == []


def test_a_call_that_is_never_dispatched_warns_and_names_its_task(dropped) -> None:
    welcome(1)
    assert dropped() == [
        f"<call of task '{welcome.name}'> was never dispatched: await its dispatch()"
    ]


def test_only_the_end_of_a_chain_that_is_never_dispatched_warns(dropped) -> None:
    Invoice(1).on_queue("vip").delay(1).timeout(5)
    assert len(dropped()) == 1


@pytest.mark.asyncio
async def test_what_was_dispatched_or_tried_does_not_warn(memory, queue: str, dropped) -> None:
    await welcome(1).on_queue(queue).dispatch()
    await Invoice(1).on_queue(queue).dispatch()
    await asynctasq.dispatch_many([welcome(1), welcome(2).on_queue(queue), Invoice(3)])
    with pytest.raises(ArgumentError):
        await asynctasq.dispatch_many([welcome(1), welcome("x"), welcome(3)])  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="await dispatch"):
        welcome(1).dispatch_sync()
    asynctasq.init({"driver": "memory"})
    with pytest.raises(ArgumentError):
        await welcome("x").dispatch()  # type: ignore[arg-type]
    assert dropped() == []


@pytest.mark.asyncio
async def test_each_dispatch_of_one_call_is_a_task_of_its_own(queue: str, stored) -> None:
    call = welcome(1).on_queue(queue)
    made = Invoice(2)
    handles = [
        await call.dispatch(),
        await call.dispatch(),
        await made.on_queue(queue).dispatch(),
        await made.on_queue(queue).dispatch(),
        *await asynctasq.dispatch_many([call, call]),
    ]
    assert len({handle.id for handle in handles}) == 6
    assert {task.ref.id for task in await stored()} == {handle.id for handle in handles}
    assert [str(handle) for handle in handles] == [str(handle.id) for handle in handles]
    assert all(handle.id.version == 7 for handle in handles)
