"""Tasks that note each of their runs in a file, as the effects by which runs can be counted."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import threading
import time
from collections.abc import Coroutine
from typing import Any, ClassVar

import asynctasq
from asynctasq import (
    AsyncTask,
    SyncTask,
    TaskConfig,
    task,
)


def note(text: str = "") -> None:
    """One line: the task's id, the process, and what it says."""
    _append(f"{asynctasq.current().id} {os.getpid()} {text}\n")


def _append(line: str) -> None:
    journal = os.open(os.environ["JOURNAL"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(journal, line.encode())
    os.close(journal)


_append(f"imported {os.getpid()} {__name__}\n")  # as often as a process has loaded the tasks


def noted() -> int:
    """How many runs there were."""
    with open(os.environ["JOURNAL"]) as journal:
        return sum(not line.startswith("imported") for line in journal)


def is_first_worker() -> bool:
    """Whether this is the worker that gets into trouble, or a child of it."""
    return os.environ.get("TROUBLE") == "yes"


@task
async def walk(steps: int = 2) -> None:
    for _ in range(steps):
        await asyncio.sleep(0.001)
    note()


@task(timeout=30)
async def walk_in_time() -> str:
    await asyncio.sleep(0.001)
    note()
    return "result"


@task
def work() -> None:
    time.sleep(0.001)
    note()


@task
def wrap() -> Coroutine[Any, Any, None]:
    """A plain function that gives something to be awaited."""
    note()
    return asyncio.sleep(0.001)


@task(max_attempts=2, retry_strategy="fixed", retry_delay=0)
async def fail_once() -> None:
    note()
    if asynctasq.current().attempt == 1:
        raise ValueError("not at once")


class FailForGood(AsyncTask[None]):
    config: ClassVar[TaskConfig] = {"max_attempts": 1}

    async def execute(self) -> None:
        note()
        raise ValueError("never")

    async def failed(self, error: Exception) -> None:
        await asyncio.sleep(0.3)


@task
async def pass_on() -> None:
    handle = await walk().dispatch()
    note(f"dispatched {handle}")


@task
async def outlast_a_renewal() -> None:
    note()
    await asyncio.sleep(1.0)


@task
async def linger() -> None:
    note()
    if is_first_worker():
        await asyncio.Event().wait()


@task
def linger_in_a_thread() -> None:
    note()
    if is_first_worker():
        threading.Event().wait()


class Async(AsyncTask[int]):
    number: int

    async def execute(self) -> int:
        note()
        await asyncio.sleep(0.2)
        return self.number


class Sync(SyncTask[int]):
    number: int

    def execute(self) -> int:
        note()
        time.sleep(0.2)
        return self.number


@task
async def hold_the_interpreter() -> None:
    """No other thread of the process goes on until somebody writes to the pipe."""
    note()
    if is_first_worker():
        ctypes.PyDLL(None).open(b"gate", os.O_RDONLY)


@task
async def kill_the_worker() -> None:
    note()
    os.kill(os.getpid(), signal.SIGKILL)


@task
async def be_innocent(seconds: float) -> None:
    note()
    await asyncio.sleep(seconds)


@task(timeout=1.0, max_attempts=1)
def overrun() -> None:
    """A thread that does not end with its time-out, as nothing can make it."""
    note()
    threading.Event().wait(30 if is_first() else 0)


@task
def get_stuck() -> None:
    note()
    threading.Event().wait(30 if is_first() else 0)


def is_first() -> bool:
    """Whether nobody has asked this before, in any process."""
    try:
        open("first", "x").close()
    except FileExistsError:
        return False
    return True
