"""What the children of these tests run."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any


def spin(mark: str) -> None:
    Path(mark).write_text(str(os.getpid()))
    while True:
        pass


def hold(mark: str, gate: str) -> int:
    Path(mark).write_text(str(os.getpid()))
    while not Path(gate).exists():
        time.sleep(0.005)
    return os.getpid()


def note(file: str, number: int) -> None:
    with open(file, "a") as notes:
        notes.write(str(number))


def import_path() -> list[str]:
    return sys.path


def flags() -> tuple[int, list[str], dict[str, Any]]:
    return sys.flags.optimize, sys.warnoptions, sys._xoptions


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


async def leave_a_task_that_resists() -> int:
    async def resist() -> None:
        while True:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60)

    _left.append(asyncio.create_task(resist()))
    await asyncio.sleep(0)
    return os.getpid()


_own: ContextVar[str] = ContextVar("own", default="unset")


def set_plainly() -> str:
    before = _own.get()
    _own.set("plainly")
    return before


async def set_on_loop() -> str:
    return set_plainly()
