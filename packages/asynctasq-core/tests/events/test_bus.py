"""The bus: bounded, on a thread of its own; what an emitter does costs events, and nothing else."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from asynctasq.events import Event, EventBus, TaskEnqueued, TaskStarted


def event(number: int = 0) -> Event:
    return TaskEnqueued(at=float(number), id=uuid4(), task="events.task", queue="q")


@pytest.fixture
def new_threads() -> Callable[[], set[threading.Thread]]:
    """Threads of buses that live now and did not before this test."""
    before = set(threading.enumerate())
    return lambda: {t for t in set(threading.enumerate()) - before if t.name == "asynctasq-events"}


@pytest.fixture
def buses() -> Iterator[list[EventBus]]:
    """Closed at the end."""
    made: list[EventBus] = []
    yield made
    for bus in made:
        bus.close_now()


def test_events_arrive_in_order_on_a_thread_of_the_bus(buses, recorder, reached) -> None:
    bus = EventBus([recorder])
    buses.append(bus)
    sent = [event(n) for n in range(1000)]
    for each in sent:
        bus.emit(each)
    assert reached(lambda: len(recorder.events) == 1000)
    assert recorder.events == sent
    assert recorder.threads == {"asynctasq-events"}
    assert all(recorder.batches)


def test_closing_tells_what_waits_closes_the_emitters_once_and_ends_the_thread(
    recorder, new_threads
) -> None:
    bus = EventBus([recorder])
    for number in range(100):
        bus.emit(event(number))
    bus.close_now()
    bus.close_now()
    assert (len(recorder.events), recorder.closed) == (100, 1)
    assert not new_threads()


def test_a_bus_that_told_nothing_has_no_thread(recorder, new_threads) -> None:
    bus = EventBus([recorder])
    assert not new_threads()
    bus.close_now()


class Blocking:
    """An emitter that blocks its thread until it is let go."""

    def __init__(self) -> None:
        self.entered, self.gate = threading.Event(), threading.Event()
        self.told = 0

    async def emit(self, events: Any) -> None:
        self.entered.set()
        self.gate.wait(10)
        self.told += len(events)

    async def close(self) -> None:
        """Nothing is held."""


def test_what_does_not_fit_is_dropped_and_counted_and_nobody_waits(
    buses, caplog: pytest.LogCaptureFixture
) -> None:
    blocking = Blocking()
    bus = EventBus([blocking], capacity=10)
    bus.emit(event())
    assert blocking.entered.wait(5)
    began = time.monotonic()
    for number in range(50):
        bus.emit(event(number))
    assert time.monotonic() - began < 1
    assert bus.dropped == 40
    blocking.gate.set()
    bus.close_now()
    assert blocking.told == 11
    assert "40 events were dropped" in caplog.text


def test_the_count_of_dropped_events_is_exact_with_many_threads(buses) -> None:
    blocking = Blocking()
    bus = EventBus([blocking], capacity=100)
    bus.emit(event())
    assert blocking.entered.wait(5)
    threads = [
        threading.Thread(target=lambda: [bus.emit(event()) for _ in range(500)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bus.dropped == 2000 - 100
    blocking.gate.set()
    bus.close_now()
    assert blocking.told == 101


class Failing:
    """An emitter that raises whatever a test says."""

    def __init__(self, error: BaseException, *, at_once: bool = False) -> None:
        self.error = error
        self.told = 0
        if at_once:
            self.emit = self._raise  # type: ignore[method-assign]

    async def emit(self, events: Any) -> None:
        self.told += len(events)
        raise self.error

    def _raise(self, events: Any) -> Any:
        self.told += len(events)
        raise self.error

    async def close(self) -> None:
        raise self.error


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize(
    "error",
    [
        ValueError("no"),
        asyncio.CancelledError(),
        StopIteration(),
        SystemExit(3),
        KeyboardInterrupt(),
        GeneratorExit(),
    ],
)
def test_an_emitter_that_raises_keeps_no_other_from_being_told(
    recorder, reached, caplog: pytest.LogCaptureFixture, error: BaseException, at_once: bool
) -> None:
    failing = Failing(error, at_once=at_once)
    bus = EventBus([failing, recorder])
    for number in range(3):
        bus.emit(event(number))
        assert reached(lambda expected=number + 1: len(recorder.events) == expected)
    bus.close_now()
    assert failing.told == 3
    assert recorder.closed == 1
    assert caplog.text.count("event emitter 'Failing' failed") == 4


class Stopping:
    """An emitter that ends what is not its own."""

    def __init__(self, how: str) -> None:
        self.how = how

    async def emit(self, events: Any) -> None:
        if self.how == "stops the loop":
            asyncio.get_running_loop().stop()
        elif task := asyncio.current_task():
            task.cancel()
        await asyncio.sleep(0)

    async def close(self) -> None:
        """Nothing is held."""


@pytest.mark.parametrize("how", ["stops the loop", "cancels the task"])
def test_an_emitter_that_stops_the_loop_loses_events_and_no_more(
    recorder, reached, how: str, new_threads
) -> None:
    bus = EventBus([recorder, Stopping(how)])
    for number in range(3):
        bus.emit(event(number))
        assert reached(lambda expected=number + 1: len(recorder.events) == expected)
    bus.close_now()
    assert not new_threads()
    bus.emit(event())
    assert bus.dropped == 1


class Choosing:
    """An emitter that wants one kind only, or cannot say."""

    def __init__(self, kind: type[Event] | None, error: BaseException | None = None) -> None:
        self.kind = kind
        self.error = error or ZeroDivisionError()

    def wants(self, kind: type[Event]) -> bool:
        if self.kind is None:
            raise self.error
        return kind is self.kind

    async def emit(self, events: Any) -> None: ...

    async def close(self) -> None: ...


def test_events_that_nobody_wants_need_not_be_made(
    recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("asynctasq.events"), "level", logging.WARNING)
    assert not EventBus([]).wants(TaskStarted)
    assert EventBus([Choosing(TaskStarted)]).wants(TaskStarted)
    assert not EventBus([Choosing(TaskStarted)]).wants(TaskEnqueued)
    assert EventBus([Choosing(TaskStarted), recorder]).wants(TaskEnqueued)


@pytest.mark.parametrize("error", [ZeroDivisionError(), SystemExit(3)])
def test_an_emitter_that_cannot_say_what_it_wants_is_told(
    caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    assert EventBus([Choosing(None, error)]).wants(TaskStarted)
    assert "failed" in caplog.text


def test_after_closing_events_are_only_counted(recorder) -> None:
    bus = EventBus([recorder])
    bus.emit(event())
    bus.close_now()
    bus.emit(event())
    assert (len(recorder.events), bus.dropped) == (1, 1)
    bus.close_now()
    assert recorder.closed == 1


@pytest.mark.concurrent
def test_emitting_while_it_closes_never_raises_and_tells_or_counts_each(
    recorder, new_threads
) -> None:
    bus = EventBus([recorder])
    bus.emit(event())
    errors: list[BaseException] = []

    def hammer() -> None:
        try:
            for number in range(2000):
                bus.emit(event(number))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=hammer) for _ in range(3)]
    for thread in threads:
        thread.start()
    bus.close_now()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(recorder.events) + bus.dropped == 6001
    assert not new_threads()
