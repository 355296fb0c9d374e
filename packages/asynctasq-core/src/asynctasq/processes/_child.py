"""What a child process does: import, say that it is ready, then run what it is sent.

Each message is pickled by hand, so that one that cannot be read is an error of its run only.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import pickle
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from contextlib import suppress
from contextvars import copy_context
from importlib import import_module
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any

from asynctasq._loop import fastest_loop

_PARENT_CHECK = 1.0
"""Seconds between looks at the parent, where a copy of its end of the line outlives it."""
_CANCEL_WITHIN = 1.0
"""Seconds that tasks left on the loop have to end."""


def main(line: Connection[Any, Any], parent: int, modules: Sequence[str]) -> None:
    """Serve the parent at the other end of this line until it says so, or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A handler, as what is ignored would be ignored by programs that a run starts as well.
    signal.signal(signal.SIGTERM, _leave_to_the_parent)
    os.set_inheritable(line.fileno(), False)
    messages: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(line, parent, messages), daemon=True).start()
    failed = _import(modules)
    line.send_bytes(pickle.dumps(failed))
    if failed is None:
        _serve(line, messages)


def _leave_to_the_parent(_number: int, _frame: FrameType | None) -> None:
    """Of a SIGTERM to all processes of a service: the parent decides when this one ends."""


def _receive(line: Connection[Any, Any], parent: int, messages: queue.SimpleQueue[bytes]) -> None:
    # In a thread, so that a child that computes ends with its parent, too.
    try:
        while True:
            while not line.poll(_PARENT_CHECK):
                if os.getppid() != parent:
                    os._exit(1)
            messages.put(line.recv_bytes())
    except (EOFError, OSError):
        os._exit(1)


def _import(modules: Sequence[str]) -> str | None:
    for module in modules:
        try:
            import_module(module)
        except BaseException as error:
            text = "".join(traceback.format_exception_only(error)).strip()
            return f"a child process cannot import {module!r}: {text}"
    return None


def _serve(line: Connection[Any, Any], messages: queue.SimpleQueue[bytes]) -> None:
    with asyncio.Runner(loop_factory=fastest_loop()) as runner:
        runner.get_loop()
        while message := messages.get():
            answer = _answer(runner, message)
            with suppress(AttributeError, OSError, ValueError):  # none, broken, or closed
                sys.stdout.flush()
            if _has_leftovers(runner):
                line.send_bytes(b"")  # to be replaced: they would go on in the next run
            line.send_bytes(answer)


def _answer(runner: asyncio.Runner, message: bytes) -> bytes:
    try:
        function, args = pickle.loads(message)
        context = copy_context()  # what a run sets in it ends with the run
        value = context.run(function, *args)
        if inspect.isawaitable(value):
            value = runner.run(_wait_for(value), context=context)
        return pickle.dumps((True, value, ""))
    except BaseException as error:
        return _failure(error)


async def _wait_for(awaitable: Any) -> Any:
    return await awaitable


def _failure(error: BaseException) -> bytes:
    text = "".join(traceback.format_exception(error))
    if not isinstance(error, Exception) or isinstance(error, StopIteration | StopAsyncIteration):
        # Raised again in the parent, these would end its loop, or be taken for a cancellation.
        error = RuntimeError(f"it raised {error!r}")
    try:
        message = pickle.dumps((False, error, text))
        pickle.loads(message)
    except Exception:
        stand_in = RuntimeError(f"{type(error).__qualname__}: {error}")
        return pickle.dumps((False, stand_in, text))
    return message


def _has_leftovers(runner: asyncio.Runner) -> bool:
    """Cancel the tasks that a run has left on the loop; True: some go on nevertheless."""
    loop = runner.get_loop()
    if not (left := asyncio.all_tasks(loop)):
        return False
    for task in left:
        task.cancel()
    _, resisting = loop.run_until_complete(asyncio.wait(left, timeout=_CANCEL_WITHIN))
    return bool(resisting)
