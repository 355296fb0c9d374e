"""Where a lease is the connection, what is refused would be held for ever: it is sent again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

import asynctasq
from asynctasq import task
from asynctasq.errors import BackendRefused
from asynctasq.memory import MemoryDriver
from asynctasq.worker import Worker, _settler

from .copying import Copying

runs: Counter[str] = Counter()


@task(name="refused.fail")
async def fail(key: str, times: int) -> None:
    runs[key] += 1
    if runs[key] <= times:
        raise LookupError


class Refusing(Copying):
    """Refuses so many outcomes of one kind."""

    kind: ClassVar[str] = "ack"
    refuse: ClassVar[int] = 0
    tried: ClassVar[int] = 0
    look: ClassVar[Callable[[], object]] = staticmethod(lambda: None)
    seen: ClassVar[list[object]]
    """What was to be seen at each refusal."""

    async def settle(self, outcomes: Any) -> Any:
        if self.refuse and any(outcome.name == self.kind for outcome in outcomes):
            if len(outcomes) == 1:
                type(self).tried += 1
                type(self).refuse -= 1
                self.seen.append(self.look())
            raise BackendRefused("no room")
        return await super().settle(outcomes)


@pytest.fixture
def refusing(use, recorder, monkeypatch: pytest.MonkeyPatch) -> type[Refusing]:
    """The configured driver; what happens is recorded, and sent again soon."""
    driver: Any = Refusing.fresh()
    driver.seen = []
    use(driver)
    monkeypatch.setattr(_settler, "_REFUSED_PAUSE", 0.05)
    asynctasq.init({"driver": "probe", "store_results": False}, [recorder])
    return driver


OUTCOMES = {"ack": (0, 3), "retry": (1, 3), "dead_letter": (99, 1)}
"""How often the task fails, and how often it may run."""


@pytest.mark.parametrize("kind", OUTCOMES)
@pytest.mark.asyncio
async def test_a_refused_outcome_is_sent_again_and_runs_nothing_again(
    refusing, memory: MemoryDriver, queue: str, recorder, until, caplog, kind: str
) -> None:
    refusing.kind, refusing.refuse = kind, 2
    times, most = OUTCOMES[kind]
    async with Worker([queue]) as worker:
        refusing.look = staticmethod(lambda: (worker.completed, worker.failed))
        call = fail(queue, times).on_queue(queue).max_attempts(most).retry_after(0)
        await call.dispatch()
        await until(lambda: worker.completed or (kind == "dead_letter" and worker.failed))
    await asynctasq.close()
    assert refusing.seen == [(0, 0)] * 2  # nothing is told that did not happen
    assert runs[queue] == 1 + (kind == "retry")
    assert recorder.names().count("task_failed") == min(times, 1)
    assert recorder.names().count("task_completed") == (kind != "dead_letter")
    (stats,) = await memory.stats([queue])
    assert (stats.pending, stats.running) == (0, 0)
    assert "refused, sent again in 0.05 s" in caplog.text
    assert "refused, sent again in 0.1 s" in caplog.text


@pytest.mark.asyncio
async def test_one_that_is_refused_holds_up_no_other(
    refusing, queue: str, until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_settler, "_REFUSED_PAUSE", 3600.0)
    refusing.kind, refusing.refuse = "dead_letter", 1
    async with Worker([queue], concurrency=1) as worker:
        await fail(f"{queue}-refused", 9).on_queue(queue).max_attempts(1).dispatch()
        await until(lambda: refusing.tried)
        for _ in range(3):
            await fail(queue, 0).on_queue(queue).dispatch()
        await until(lambda: worker.completed == 3)


@pytest.mark.asyncio
async def test_what_is_still_refused_when_the_worker_stops_is_told(
    refusing, queue: str, until, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    monkeypatch.setattr(_settler, "_REFUSED_PAUSE", 3600.0)
    refusing.refuse = 1
    async with Worker([queue]):
        await fail(queue, 0).on_queue(queue).dispatch()
        await until(lambda: "refused, sent again" in caplog.text)
    assert "1 outcomes were refused: their tasks run again" in caplog.text
