"""Running a program: the fastest loop there is, and everything closed at its end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from asynctasq._loop import fastest_loop
from asynctasq.tasks import _buses, _client, _portal

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T], *, debug: bool | None = None) -> T:
    """Run a program on the fastest event loop installed, and close what it opened.

    As `asyncio.run`, whose errors it raises.
    """

    async def closing() -> T:
        try:
            return await main
        finally:
            await close()

    if _is_loop_running():
        raise RuntimeError(
            "asynctasq.run() cannot be called from a running event loop: await the program there, "
            "then asynctasq.close()"
        )
    with asyncio.Runner(debug=debug, loop_factory=fastest_loop()) as runner:
        return runner.run(closing())


async def close() -> None:
    """Close what dispatches and results have opened, on this loop and for threads. Idempotent.

    A later dispatch opens anew.
    """
    await _client.close_current()
    await asyncio.to_thread(_portal.close)
    await _buses.close_events()


def _is_loop_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
