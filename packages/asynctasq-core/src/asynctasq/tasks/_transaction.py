"""`transaction()`: what a task writes and its acknowledgement, by one commit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any, Final, Literal, Protocol, TypeAlias

from asynctasq.driver import Ack, Delivery, SettlesInTransaction
from asynctasq.errors import LeaseLost, OutcomeUnknown, Unsupported
from asynctasq.plugins import driver_class
from asynctasq.tasks._client import local_client, workers_driver_name

TransactionState: TypeAlias = Literal["none", "open", "committed", "unknown", "lost"]
"""*unknown*: nobody knows whether it was committed. *lost*: somebody else has the task."""


class Attempt(Protocol):
    """A run of a task in a worker, which may acknowledge itself.

    Written on the loop that runs it; any thread may read.
    """

    @property
    def delivery(self) -> Delivery:
        """The one that is held by now."""
        ...

    transaction: TransactionState
    acknowledged: Delivery | None
    """What its own transaction acknowledges, or is about to; None once that is rolled back."""

    def runs_on(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether it has not ended, and is a coroutine of this loop."""
        ...


_ATTEMPT: Final[ContextVar[Attempt]] = ContextVar("asynctasq_attempt")
_REFUSED: Final = {
    "open": "is open already: a task is acknowledged once, by one transaction",
    "committed": "was committed, so that this task was acknowledged already: do it all in one",
    "unknown": "may have been committed or not: let OutcomeUnknown end the task, to be tried again",
    "lost": "was rolled back, as somebody else has this task: let LeaseLost end it",
}


def enter_attempt(attempt: Attempt) -> None:
    """From here on, in this context, this run may acknowledge itself. For the worker."""
    _ATTEMPT.set(attempt)


@asynccontextmanager
async def transaction() -> AsyncGenerator[Any]:
    """A database transaction whose commit also acknowledges the task that this code runs in.

    Gives a connection of the task's own backend, in an async task; what is written through it
    happens exactly once: it is committed together with the acknowledgement, or not at all. ::

        async with asynctasq.transaction() as connection:
            await connection.execute("UPDATE ...")

    ``dispatch(connection=connection)`` in the block is part of it. An error in it, a time-out
    and a shutdown too, rolls back and passes unchanged: the task is then tried again as always, or
    may open another transaction itself. Once it has committed the task is completed, whatever the
    rest of it does: an error there is logged, and stored in place of its result.

    *After a crash* before the commit the task comes back, and nothing of it was written. After the
    commit it does not come back. Its result is stored when it returns, in a second step: a crash
    between the two loses the result, never what was written.

    Raises RuntimeError outside of an async task that a worker runs (in a thread or a child process
    too), inside another one and after one that committed; `Unsupported`, before anything is sent,
    where the driver has no transactions; `LeaseLost`, once it is rolled back, where somebody else
    has the task by now; `OutcomeUnknown` where the reply to the commit was lost: the task is then
    tried again, unless it was committed. Otherwise what the driver raises: certainly not committed.
    """
    attempt = _attempt()
    with _opened(attempt):
        driver = await _driver()
        async with AsyncExitStack() as stack:
            connection = await stack.enter_async_context(driver.transaction())
            yield connection
            await _acknowledge(attempt, driver, connection)
            await _to_its_end(_commit(attempt, stack))


def _attempt() -> Attempt:
    attempt = _ATTEMPT.get(None)
    if attempt is None or not attempt.runs_on(asyncio.get_running_loop()):
        raise RuntimeError(
            "asynctasq.transaction() was called outside of a running async task: it needs an "
            "async def task that a worker runs on its event loop, not one in a thread or in a "
            "child process; elsewhere, begin a transaction of your own"
        )
    if attempt.transaction in _REFUSED:
        raise RuntimeError(f"the transaction() of this task {_REFUSED[attempt.transaction]}")
    return attempt


async def _driver() -> SettlesInTransaction:
    """The worker's backend, as it is open on the loop of the task: connections belong to loops."""
    name = workers_driver_name()
    if not issubclass(driver_class(name), SettlesInTransaction):
        raise Unsupported(
            f"the {name} driver cannot acknowledge in a transaction: use one that can, such as "
            "postgres, or make what the task does safe to do twice"
        )
    driver = await (await local_client()).driver(name)
    assert isinstance(driver, SettlesInTransaction)
    return driver


@contextmanager
def _opened(attempt: Attempt) -> Generator[None]:
    attempt.transaction = "open"
    try:
        yield
    finally:
        if attempt.transaction == "open":
            attempt.transaction, attempt.acknowledged = "none", None


async def _acknowledge(attempt: Attempt, driver: SettlesInTransaction, connection: Any) -> None:
    """The last statement before the commit."""
    while attempt.acknowledged is not (held := attempt.delivery):
        # Before it is sent: who renews the lease from now on may find that there is none.
        attempt.acknowledged = held
        if await driver.settle_in(connection, Ack(held)):
            return
        # Lost, unless this worker was handed the task again meanwhile.
    attempt.transaction = "lost"
    raise LeaseLost(
        f"the lease of task {held.id} (queue {held.queue}) was lost: nothing of this run is "
        "committed, as somebody else has the task"
    )


async def _commit(attempt: Attempt, stack: AsyncExitStack) -> None:
    try:
        await stack.aclose()
    except (OutcomeUnknown, asyncio.CancelledError):  # cancelled: with its loop, and all on it
        attempt.transaction = "unknown"
        raise
    attempt.transaction = "committed"


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Await this; a cancellation waits for it too, so that what came of it is known."""
    working = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not working.done():
        try:
            await asyncio.wait((working,))
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None:
        return working.result()
    raise cancelled from (None if working.cancelled() else working.exception())
