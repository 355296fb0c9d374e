"""A Redis server of one's own, how to ask it something, and how to wait for what it will say."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from types import MappingProxyType
from typing import Any, TypeVar

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tools.backends import Room, private
from tools.backends.recipes import RECIPES

HOST = "127.0.0.1"
T = TypeVar("T")


@contextmanager
def server(*arguments: str, files: Mapping[str, str] = MappingProxyType({})) -> Generator[Room]:
    """One, told these arguments too; the test is skipped where it is not installed.

    With `ASYNCTASQ_REQUIRE=all` nothing is skipped.
    """
    missing = RECIPES["redis"].missing()
    if missing and os.environ.get("ASYNCTASQ_REQUIRE") != "all":
        pytest.skip(f"not installed: {', '.join(missing)}")
    with private("redis", *arguments, files=files) as room:
        try:
            yield room
        finally:
            room.kill()  # nobody needs its data any more, and it may be long in stopping


def ask(room: Room, *words: str | int) -> Any:
    """Its answer, as text where it is bytes. Raises `redis.RedisError`, soon if it hangs."""
    never = Retry(NoBackoff(), 0)
    with redis.Redis(
        HOST, room.port, protocol=3, socket_timeout=1, retry=never, decode_responses=True
    ) as client:
        client.response_callbacks.clear()  # as the server says it
        return client.execute_command(*words)


def says(room: Room, section: str, line: str) -> bool:
    """Whether that line is in that section of its INFO, or of its CLUSTER INFO."""
    words = ("CLUSTER", "INFO") if section == "cluster" else ("INFO", section)
    with suppress(redis.RedisError):
        return line in ask(room, *words).splitlines()
    return False


def in_step(room: Room) -> bool:
    """Whether it is no replica, or one that has all data, on its disk too."""
    # Before that it takes no notice of being told to stop.
    written = says(room, "persistence", "aof_rewrite_in_progress:0")
    linked = says(room, "replication", "master_link_status:up")
    return written and (linked or says(room, "replication", "role:master"))


def write_all(room: Room, seconds: float = 20.0) -> None:
    """Return once all that it has confirmed is in its file; it confirms no more after that.

    With `appendfsync everysec` it answers without having written, while a sync is under way.
    """
    ask(room, "CLIENT", "PAUSE", int(seconds * 1000), "WRITE")
    wait_for(lambda: says(room, "persistence", "aof_buffer_length:0"), "an empty buffer", seconds)


def wait_for(found: Callable[[], T | None], what: str, seconds: float = 20.0) -> T:
    """The first that is found and not false; an error of a server is neither.

    Raises `TimeoutError`.
    """
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        with suppress(redis.RedisError):
            if result := found():
                return result
        time.sleep(0.02)
    raise TimeoutError(f"{what}: not within {seconds:g} s")
