"""What is told of a failed attempt: the error, and a traceback of the user's own code."""

from __future__ import annotations

import pytest

from asynctasq import AsyncTask, SyncTask, task
from asynctasq.driver import Failure
from asynctasq.errors import TaskFailed
from asynctasq.worker import Worker

SECRET = "hunter2-in-a-local-variable"


def deeper(password: str) -> None:
    token = password.upper()
    if token:
        raise PermissionError("no entry")


@task(max_attempts=1)
async def on_the_loop(password: str) -> None:
    copied = [password]
    deeper(copied[0])


@task(max_attempts=1)
def in_a_thread(password: str) -> None:
    copied = [password]
    deeper(copied[0])


class AsClass(AsyncTask[None]):
    password: str

    async def execute(self) -> None:
        copied = [self.password]
        deeper(copied[0])


class AsPlainClass(SyncTask[None]):
    password: str

    def execute(self) -> None:
        copied = [self.password]
        deeper(copied[0])


KINDS = [on_the_loop, in_a_thread, AsClass, AsPlainClass]


async def failure(call, queue: str) -> TaskFailed:
    """How the call ends on a worker."""
    async with Worker([queue]):
        handle = await call.on_queue(queue).max_attempts(1).dispatch()
        with pytest.raises(TaskFailed) as raised:
            await handle.result(timeout=5)
    return raised.value


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.asyncio
async def test_the_traceback_begins_in_the_users_code_and_ends_where_it_was_raised(
    memory, queue: str, kind
) -> None:
    told = await failure(kind(SECRET), queue)
    assert (told.type, told.text) == ("PermissionError", "no entry")
    frames = [line for line in told.traceback.splitlines() if line.startswith("  File ")]
    assert len(frames) == 2
    assert all(__file__ in frame for frame in frames)
    assert frames[-1].endswith("in deeper")
    assert told.traceback.endswith("PermissionError: no entry\n")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.asyncio
async def test_it_holds_no_local_variable_and_no_argument(memory, queue: str, kind) -> None:
    told = await failure(kind(SECRET), queue)
    assert SECRET not in f"{told.type}{told.text}{told.traceback}"
    assert SECRET.upper() not in told.traceback


@task
async def chain() -> None:
    try:
        deeper("x")
    except PermissionError as error:
        raise LookupError("could not look") from error


@pytest.mark.asyncio
async def test_causes_are_told_as_well(memory, queue: str) -> None:
    told = await failure(chain(), queue)
    assert told.type == "LookupError"
    assert "PermissionError: no entry" in told.traceback
    assert "direct cause" in told.traceback


@task
async def descend(depth: int) -> None:
    if depth == 0:
        raise LookupError("x" * 10_000 + "\0\ud800")
    await descend.call(depth - 1)


@pytest.mark.asyncio
async def test_it_is_bounded_and_can_be_stored_as_text(memory, queue: str) -> None:
    told = await failure(descend(200), queue)
    assert len(told.text) == 4096
    assert len(told.traceback) <= 16_384
    assert "\0" not in Failure("x", "a\0b").text
    assert Failure("x", "\ud800").text.encode() == rb"\ud800"
