"""Tasks that run in child processes; where these are not imported, no child is started."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time

from deeds import Async, Sync, is_first, is_first_worker, note

from asynctasq import AsyncProcessTask, SyncProcessTask, task


@task(process=True)
def compute() -> None:
    note()


@task(process=True)
async def compute_async() -> None:
    await asyncio.sleep(0.001)
    note()


@task(process=True)
def linger_in_a_child() -> None:
    note()
    if is_first_worker():
        threading.Event().wait()


class AsyncInChild(AsyncProcessTask[int]):
    number: int

    async def execute(self) -> int:
        note()
        await asyncio.sleep(0.05)
        return self.number


class SyncInChild(SyncProcessTask[int]):
    number: int

    def execute(self) -> int:
        note()
        time.sleep(0.05)
        return self.number


KINDS = (Async, Sync, AsyncInChild, SyncInChild)


@task(process=True)
def kill_the_child_once() -> None:
    note()
    if is_first():
        os.kill(os.getpid(), signal.SIGKILL)


@task(process=True, timeout=1.5, max_attempts=1)
def compute_too_long() -> None:
    note()
    threading.Event().wait()
