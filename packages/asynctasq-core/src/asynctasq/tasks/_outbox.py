"""Dispatches on their way to one driver: those of one turn of the loop travel together.

Each still succeeds or fails by itself. A message is sent again only when it is certain that it
was not stored, or when the driver recognises an id that it has.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias
from uuid import UUID

from asynctasq.driver import Driver, Message
from asynctasq.errors import AsyncTasQError, DriverError, DriverUnavailable, OutcomeUnknown

BATCH: Final = 1000
"""The most messages that one ``enqueue`` carries."""
Sent: TypeAlias = tuple[Message, asyncio.Future[None]]
"""A message, and the future of whoever put it."""
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0


class Outbox:
    """Collects the messages of a turn of the loop, sends them, and tells each sender."""

    def __init__(self, driver: Callable[[], Awaitable[Driver]], patience: float) -> None:
        self._driver = driver
        self._patience = patience
        self._last: Driver | None = None
        self._collected: list[Sent] = []
        self._sending: set[asyncio.Task[None]] = set()

    async def put(self, message: Message) -> None:
        """Return when the message is stored; raise what became of it otherwise."""
        loop = asyncio.get_running_loop()
        if not self._collected:
            loop.call_soon(self._flush)
        done: asyncio.Future[None] = loop.create_future()
        self._collected.append((message, done))
        # Cancelled, the sender no longer hears of it; the message goes its way. Only this future is
        # cancelled then, so that nothing has to be shielded.
        await done

    async def send(self, messages: Sequence[Message]) -> Mapping[UUID, Exception]:
        """Store one batch, all or none where the backend can; returns what is not stored, by id.

        Tries again for as long as this outbox is patient, where trying again is safe. Then raises
        `DriverUnavailable`: none is stored, `OutcomeUnknown`: each may be, or what the driver does.
        """
        deadline = time.monotonic() + self._patience
        ids = [message.id for message in messages]
        unsure = False
        for pause in _pauses():
            try:
                self._last = await self._driver()
                return (await self._last.enqueue(messages)).failed
            except (DriverUnavailable, OutcomeUnknown) as error:
                unsure = unsure or isinstance(error, OutcomeUnknown)
                left = deadline - time.monotonic()
                if left > 0 and self._may_repeat(error):
                    await asyncio.sleep(min(pause, left))
                elif unsure:
                    raise OutcomeUnknown(ids, _reason(error)) from error
                else:
                    raise
            except DriverError as error:
                if unsure:  # an earlier try may have stored what this one refuses
                    raise OutcomeUnknown(ids, _reason(error)) from error
                raise
        raise AssertionError("the pauses never end")

    async def drain(self) -> None:
        """Wait until every sender has been told."""
        self._flush()
        while self._sending:
            await asyncio.wait(self._sending)

    def _flush(self) -> None:
        collected, self._collected = self._collected, []
        for start in range(0, len(collected), BATCH):
            task = asyncio.ensure_future(self._deliver(collected[start : start + BATCH]))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _deliver(self, batch: Sequence[Sent]) -> None:
        """Send a batch and tell each sender; what is refused as a whole is sent one by one."""
        try:
            failed = await self.send([message for message, _ in batch])
        except (DriverUnavailable, OutcomeUnknown) as error:
            failed = {message.id: _own(error, message.id) for message, _ in batch}
        except AsyncTasQError as error:
            if len(batch) > 1:
                for sent in batch:
                    await self._deliver((sent,))
                return
            failed = {batch[0][0].id: error}
        except Exception as error:  # of a driver that breaks its contract
            failed = {message.id: error for message, _ in batch}
        except BaseException as error:
            for _, done in batch:
                _tell(done, error)
            raise
        for message, done in batch:
            _tell(done, failed.get(message.id))

    def _may_repeat(self, error: DriverError) -> bool:
        """Whether sending the same ids again cannot store them twice."""
        if isinstance(error, DriverUnavailable):
            return True
        return self._last is not None and self._last.capabilities.idempotent_enqueue


def _reason(error: DriverError) -> str:
    return error.reason if isinstance(error, OutcomeUnknown) else str(error)


def _own(error: AsyncTasQError, id: UUID) -> AsyncTasQError:
    """A batch's error, as that of one message."""
    return OutcomeUnknown((id,), error.reason) if isinstance(error, OutcomeUnknown) else error


def _tell(done: asyncio.Future[None], error: BaseException | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    elif isinstance(error, asyncio.CancelledError):
        done.cancel()
    else:
        done.set_exception(error)


def _pauses() -> Iterator[float]:
    """Seconds between tries: doubling, with jitter, for ever."""
    pause = _FIRST_PAUSE
    while True:
        yield pause * random.uniform(0.5, 1.0)
        pause = min(pause * 2, _LONGEST_PAUSE)
