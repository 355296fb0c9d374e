"""A task with its arguments, before it is sent: what ``welcome(42)`` is, and what chains on it."""

from __future__ import annotations

import warnings
from typing import Any, Generic, TypeVar, Unpack

from msgspec import Struct

from asynctasq.tasks import _dispatch
from asynctasq.tasks._config import TaskConfig, check_config, check_value
from asynctasq.tasks._definition import Definition
from asynctasq.tasks._handle import TaskHandle

R = TypeVar("R")


class Chain(Generic[R]):
    """Settings of one call, and its dispatch. Each method returns a new call; none changes this."""

    __slots__ = ()

    def prepared(self) -> Call[R]:
        """It as a call of its own, with the settings so far."""
        raise NotImplementedError

    def _with(self, config: TaskConfig, delay: float | None = None) -> Call[R]:
        call = self.prepared()
        call.spend()
        where = f"task {call.definition.name!r}"
        check_config(config, where)
        if delay is not None:
            check_value("delay", delay, where)
        delayed = call.delayed if delay is None else delay
        return Call(call.definition, call.bound, {**call.config, **config}, delayed)

    def on_queue(self, queue: str) -> Call[R]:
        """Send it to this queue."""
        return self._with({"queue": queue})

    def delay(self, seconds: float) -> Call[R]:
        """Let it become due after so many seconds."""
        return self._with({}, seconds)

    def retry_after(self, seconds: float) -> Call[R]:
        """The base of its retry delays, in seconds."""
        return self._with({"retry_delay": seconds})

    def max_attempts(self, attempts: int) -> Call[R]:
        """Attempts in all, the first included."""
        return self._with({"max_attempts": attempts})

    def timeout(self, seconds: float | None) -> Call[R]:
        """Seconds that one attempt may run; None: any."""
        return self._with({"timeout": seconds})

    def visibility_timeout(self, seconds: float) -> Call[R]:
        """Seconds of lease: how soon it is recovered after a crash of its worker."""
        return self._with({"visibility_timeout": seconds})

    def correlation_id(self, correlation_id: str | None) -> Call[R]:
        """Travels with the task, into its events and logs."""
        return self._with({"correlation_id": correlation_id})

    def options(self, **config: Unpack[TaskConfig]) -> Call[R]:
        """Any settings of `TaskConfig` at once."""
        return self._with(config)

    async def dispatch(self, *, connection: Any = None) -> TaskHandle[R]:
        """Send it. When this returns, the backend holds the task and it will be run.

        ``connection``: the caller's own database connection; the task is then part of its
        transaction, and is sent when that commits. Each dispatch is a task of its own.

        Raises `ArgumentError` (nothing was sent), `DriverUnavailable` after ``dispatch_timeout``
        seconds (nothing was stored), `OutcomeUnknown` (it may be stored), and what else the driver
        refuses. A caller who is cancelled does not stop a dispatch that is under way.
        """
        return await _dispatch.dispatch(self.prepared(), connection)

    def dispatch_sync(self, *, connection: Any = None) -> TaskHandle[R]:
        """`dispatch` from code without an event loop, and from threads; blocks until it is stored.

        Raises RuntimeError on a thread whose event loop runs: await `dispatch` there.
        """
        return _dispatch.dispatch_sync(self.prepared(), connection)


class Call(Chain[R]):
    """A task with its arguments and settings. It does nothing until it is dispatched."""

    __slots__ = ("_spent", "bound", "config", "definition", "delayed")

    def __init__(
        self, definition: Definition[R], bound: Struct, config: TaskConfig, delayed: float = 0.0
    ) -> None:
        self._spent = False
        self.definition: Definition[R] = definition
        self.bound: Struct = bound
        self.config: TaskConfig = config
        self.delayed: float = delayed

    def spend(self) -> None:
        """It is on its way, or part of another call: no warning any more."""
        self._spent = True

    def prepared(self) -> Call[R]:
        return self

    def __repr__(self) -> str:
        return f"<call of task {self.definition.name!r}>"

    def __del__(self) -> None:
        if not getattr(self, "_spent", True):
            warnings.warn(
                f"{self!r} was never dispatched: await its dispatch()", RuntimeWarning, stacklevel=2
            )
