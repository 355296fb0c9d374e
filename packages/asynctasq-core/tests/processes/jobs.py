"""What the children of these tests run."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any


def spin(mark: str) -> None:
    Path(mark).write_text(str(os.getpid()))
    while True:
        pass


def nap(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def end_by(number: int) -> None:
    os.kill(os.getpid(), number)


def sigint_is_ignored() -> bool:
    return signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def lambda_result() -> Any:
    return lambda: None


class Odd(Exception):
    """An error that can be pickled and not be read back."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__("odd")


def odd() -> None:
    raise Odd(1, 2)


def interrupt() -> None:
    raise KeyboardInterrupt


async def cancelled() -> None:
    raise asyncio.CancelledError


async def loop_id() -> int:
    return id(asyncio.get_running_loop())


_left: list[asyncio.Task[None]] = []


async def leave_a_task() -> None:
    _left.append(asyncio.create_task(asyncio.sleep(60)))


async def is_left_cancelled() -> bool:
    return _left[0].cancelled()
