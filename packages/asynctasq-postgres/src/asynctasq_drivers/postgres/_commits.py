"""Transactions of callers, until they are committed: then others are told of what they brought.

A notification in the transaction itself would make its commit wait for all others that have one. So
the server is asked what became of it, ever more rarely; a process that dies meanwhile leaves the
message to be found by who looks again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final, TypeAlias

from asynctasq.errors import DriverError
from asynctasq_drivers.postgres._log import log
from asynctasq_drivers.postgres._wakes import told

Ask: TypeAlias = Callable[[list[str]], Coroutine[Any, Any, list[Any]]]

FIRST: Final = 0.002
LATE: Final = 0.02
LONGEST: Final = 1.0
"""Seconds from one question to the next: the first, more than another transaction should wait for,
and the longest."""


class Commits:
    """Asks for as long as a transaction is open, and tells of what was committed."""

    def __init__(self, ask: Ask, tell: Callable[[Iterable[str]], None]) -> None:
        self._ask = ask
        self._tell = tell
        self._open: dict[str, set[str]] = {}
        """What each transaction has brought, by its number."""
        self._asking: asyncio.Task[None] | None = None
        self._pause = FIRST
        self._fresh = asyncio.Event()
        """Set where a question is due sooner than it was: not for one that is open for long."""

    def watch(self, transaction: str, words: Iterable[str]) -> None:
        """Tell these once it is committed."""
        self._open.setdefault(transaction, set()).update(words)
        if self._pause > LATE:
            self._fresh.set()
        self._pause = FIRST
        if self._asking is None:
            self._asking = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        try:
            while self._open:
                await told(self._fresh, self._pause)
                self._fresh.clear()
                self._pause = min(1.5 * self._pause, LONGEST)
                try:
                    await self._look()
                except DriverError as error:
                    log.debug("what became of transactions is not known: %s", error)
        finally:
            self._asking = None

    async def _look(self) -> None:
        for transaction, status in await self._ask(list(self._open)):
            if status != "in progress":
                words = self._open.pop(transaction)
                if status == "committed":
                    self._tell(words)

    async def close(self) -> None:
        """Tell of what is committed by now."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait((self._asking,))
        if self._open:
            try:
                await self._look()
            except DriverError as error:
                log.debug("what became of transactions is not known: %s", error)
