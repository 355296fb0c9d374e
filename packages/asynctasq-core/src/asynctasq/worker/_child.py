"""What happens in a child process: one attempt, from its envelope to an answer that can travel."""

from __future__ import annotations

import pickle
from importlib import import_module
from inspect import isawaitable
from typing import Any, TypeAlias
from uuid import UUID

from msgspec import Struct

from asynctasq.codec import decode_envelope
from asynctasq.driver import Failure
from asynctasq.errors import AsyncTasQError
from asynctasq.tasks import TASKS, CurrentTask, Runnable, enter_task
from asynctasq.worker._job import failure_of
from asynctasq.worker._runner import encoded_result, wants_retry

Where: TypeAlias = tuple[UUID, str, int]
"""Id, queue and attempt."""


class Answer(Struct, frozen=True):
    """How the attempt ended."""

    value: bytes | Failure = b""
    """Its result, encoded, or why it cannot be stored."""
    failure: Failure | None = None
    error: bytes = b""
    """What it raised, pickled; empty where that cannot be."""
    wants_retry: bool = True
    unreadable: str | None = None
    """Why it was not run at all."""


def run_plainly(module: str, body: bytes, where: Where) -> Answer:
    """Run a plain function."""
    try:
        work, wants_result = _load(module, body, where)
    except AsyncTasQError as error:
        return Answer(unreadable=str(error))
    try:
        return _completed(work.execute(), wants_result)
    except BaseException as error:
        return _failed(work, error)


async def run_on_loop(module: str, body: bytes, where: Where) -> Answer:
    """Run a coroutine function, on the event loop of this child."""
    try:
        work, wants_result = _load(module, body, where)
    except AsyncTasQError as error:
        return Answer(unreadable=str(error))
    try:
        answer = work.execute()
        return _completed(await answer if isawaitable(answer) else answer, wants_result)
    except BaseException as error:
        return _failed(work, error)


def _load(module: str, body: bytes, where: Where) -> tuple[Runnable, bool]:
    """The task; ``module`` is what this worker's own code says that it is defined in."""
    envelope = decode_envelope(body)
    if envelope.task not in TASKS:
        import_module(module)
    work = TASKS.get(envelope.task).load(envelope.args)
    id, queue, attempt = where
    enter_task(CurrentTask(id, envelope.task, queue, attempt, envelope.correlation_id))
    return work, envelope.store_result


def _completed(value: Any, wanted: bool) -> Answer:
    return Answer(value=encoded_result(value) if wanted else b"")


def _failed(work: Runnable, error: BaseException) -> Answer:
    try:
        pickled = pickle.dumps(error)
    except Exception:
        pickled = b""
    return Answer(failure=failure_of(error), error=pickled, wants_retry=wants_retry(work, error))
