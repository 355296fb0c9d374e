"""An event loop in a daemon thread of its own, for code that has none."""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from asynctasq.tasks import _client

logger = logging.getLogger("asynctasq")
T = TypeVar("T")
_CLOSE_WITHIN = 5.0


class Portal:
    """Runs coroutines for other threads."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()
        self._thread = threading.Thread(target=self._serve, name="asynctasq-sync", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run on the portal's loop; blocks this thread until it is done."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def close(self) -> None:
        """Close what was opened here, then the loop; waits for that, but not for ever."""
        closing = asyncio.run_coroutine_threadsafe(_client.close_current(), self.loop)
        try:
            closing.result(_CLOSE_WITHIN)
        except TimeoutError:
            logger.error("not all that dispatch_sync() had opened could be closed in time")
        self.loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(_CLOSE_WITHIN)

    def _serve(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.run(self._stopped.wait())


_lock = threading.Lock()
_portal: Portal | None = None


def run_sync(work: Coroutine[Any, Any, T], method: str) -> T:
    """Run a coroutine from a thread without a running loop; RuntimeError on one that has it."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _get().run(work)
    work.close()
    raise RuntimeError(
        f"{method}_sync() would block the event loop of this thread: await {method}() instead"
    )


def _get() -> Portal:
    global _portal
    with _lock:
        if _portal is None:
            _portal = Portal()
            atexit.register(close)
        return _portal


def close() -> None:
    """Close what was opened for threads. A later call opens it anew."""
    global _portal
    with _lock:
        portal, _portal = _portal, None
    if portal is not None:
        portal.close()


def _forget() -> None:
    """In a forked child the thread is gone; the loop must not be touched."""
    global _portal, _lock
    _portal, _lock = None, threading.Lock()


os.register_at_fork(after_in_child=_forget)
