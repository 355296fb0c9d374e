"""The sqlite driver with faults that a test asks for, and one that keeps no results.

FAULTS names calls by verb and number, and what befalls them: ``dequeue:1:before`` fails with
`DriverUnavailable` before anything is done, ``settle:2:after`` does it all and loses the reply,
``settle:many:refused`` refuses the first call after the second that brings several outcomes.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

from asynctasq.driver import Context
from asynctasq.errors import BackendRefused, DriverUnavailable, OutcomeUnknown
from asynctasq_drivers.sqlite import SqliteDriver, SqliteOptions


def _options() -> SqliteOptions:
    return SqliteOptions(sqlite_path=os.environ["ASYNCTASQ_SQLITE_PATH"])


class FaultyDriver(SqliteDriver):
    name = "faulty"

    def __init__(self, options: object, context: Context) -> None:
        super().__init__(_options(), context)
        self._faults = set(os.environ.get("FAULTS", "").split())
        self._calls: Counter[str] = Counter()

    async def enqueue(self, messages: Any) -> Any:
        return await self._faultily("enqueue", super().enqueue, messages)

    async def dequeue(self, queues: Any, *, limit: int, wait: float) -> Any:
        return await self._faultily("dequeue", super().dequeue, queues, limit=limit, wait=wait)

    async def settle(self, outcomes: Any) -> Any:
        is_refused = len(outcomes) > 1 and self._calls["settle"] >= 2
        if is_refused and "settle:many:refused" in self._faults:
            self._faults.remove("settle:many:refused")
            raise BackendRefused("not so many")
        return await self._faultily("settle", super().settle, outcomes)

    async def extend(self, deliveries: Any) -> Any:
        return await self._faultily("extend", super().extend, deliveries)

    async def _faultily(self, verb: str, call: Any, *args: Any, **options: Any) -> Any:
        self._calls[verb] += 1
        if f"{verb}:{self._calls[verb]}:before" in self._faults:
            raise DriverUnavailable(f"{verb}: told to be away")
        answer = await call(*args, **options)
        if self._loses(verb, answer):
            raise OutcomeUnknown((), f"{verb}: told to lose the reply")
        return answer

    def _loses(self, verb: str, answer: Any) -> bool:
        """A dequeue that found nothing has nothing to lose, and is not counted."""
        if verb == "dequeue" and not answer:
            self._calls[verb] -= 1
            return False
        return f"{verb}:{self._calls[verb]}:after" in self._faults


class BareDriver:
    """No `ResultStore`: results live with another driver."""

    name = "bare"
    api = SqliteDriver.api
    capabilities = SqliteDriver.capabilities

    def __init__(self, options: object, context: Context) -> None:
        self._inner = SqliteDriver(_options(), context)


def _passed_on(verb: str) -> Any:
    async def method(self: BareDriver, *args: Any, **options: Any) -> Any:
        return await getattr(self._inner, verb)(*args, **options)

    return method


for _verb in ("open", "close", "enqueue", "dequeue", "settle", "extend", "stats", "purge"):
    setattr(BareDriver, _verb, _passed_on(_verb))
