"""Waiting for parts of a worker: for the first to end, for so long at most, for their ends."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any

from asynctasq.errors import WorkerFailed

_CANCEL_WITHIN = 5.0


def part(work: Coroutine[Any, Any, None]) -> asyncio.Future[None]:
    """Begin it."""
    return asyncio.ensure_future(work)


async def first_of(ends: Sequence[Coroutine[Any, Any, Any]], *parts: asyncio.Future[Any]) -> None:
    """Until one of the ends comes; raises the error of a part that died before that."""
    waiting = [asyncio.ensure_future(end) for end in ends]
    try:
        done, _ = await asyncio.wait((*waiting, *parts), return_when=asyncio.FIRST_COMPLETED)
        for part in done:
            part.result()
    finally:
        await cancel(*waiting)


async def any_within(seconds: float, *ends: Coroutine[Any, Any, Any]) -> None:
    """Until one of the ends comes, but no longer."""
    waiting = [asyncio.ensure_future(end) for end in ends]
    try:
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await cancel(*waiting)


async def within(work: Any, seconds: float) -> None:
    """Wait for it, but no longer."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await work


async def cancel(*parts: asyncio.Future[Any]) -> None:
    """Cancel; one that does not end by it is not waited for."""
    for part in parts:
        part.cancel()
    await asyncio.wait(parts, timeout=_CANCEL_WITHIN)


def check_ends(parts: Sequence[asyncio.Future[None]]) -> None:
    """Raise what a part died of while the worker stopped; that it is to be replaced is no news."""
    for part in parts:
        error = None if part.cancelled() else part.exception()
        if error is not None and not isinstance(error, WorkerFailed):
            raise error
