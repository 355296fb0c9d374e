"""A PostgreSQL server of one's own: how to have it, to ask it, to wait for it and to upset it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest

from tools.backends import Room, private
from tools.backends.recipes import RECIPES, find
from tools.backends.room import Filling

HOST = "127.0.0.1"
T = TypeVar("T")
_OTHERS = "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"


@contextmanager
def server(
    *arguments: str,
    files: Mapping[str, str] = MappingProxyType({}),
    filling: Filling | None = None,
) -> Generator[Room]:
    """One, told these arguments too; the test is skipped where it is not installed.

    With `ASYNCTASQ_REQUIRE=all` nothing is skipped.
    """
    need("postgres")
    with private("postgres", *arguments, files=files, filling=filling) as room:
        try:
            yield room
        finally:
            room.kill()  # nobody needs its data any more, and it may be long in stopping


def need(name: str) -> None:
    """Skip the test where that kind of server cannot be started, unless nothing may be skipped."""
    missing = RECIPES[name].missing()
    if missing and os.environ.get("ASYNCTASQ_REQUIRE") != "all":
        pytest.skip(f"not installed: {', '.join(missing)}")


def program(name: str) -> str:
    """One that stands beside the server's; the test is skipped, or not, as above."""
    found = find(name, RECIPES["postgres"].places)
    if found is None and os.environ.get("ASYNCTASQ_REQUIRE") != "all":
        pytest.skip(f"not installed: {name}")
    return found or name


def at(dsn: str, database: str) -> str:
    """That of another database, there and as the same user."""
    return urlsplit(dsn)._replace(path=f"/{database}").geturl()


def ask(room: Room | str, sql: str, *parameters: object, database: str = "") -> list[Any]:
    """The rows, in a transaction of its own. Raises `psycopg.Error`; only connecting is bounded.

    The server, or a URL; parameters stand for `%s`. A row of one column is its value.
    """
    dsn = room if isinstance(room, str) else room.url
    dsn = at(dsn, database) if database else dsn
    with psycopg.connect(dsn, autocommit=True, connect_timeout=2) as connection:
        # Anything goes: a test knows what it says.
        cursor = connection.execute(sql.encode(), parameters or None)
        rows = cursor.fetchall() if cursor.description else []
    return [row[0] if len(row) == 1 else row for row in rows]


@contextmanager
def database_of(room: Room) -> Generator[str]:
    """The URL of an empty one there, which is gone at the end, whoever is still connected."""
    name = f"test_{uuid4().hex}"
    ask(room, f"CREATE DATABASE {name}")
    try:
        yield at(room.url, name)
    finally:
        ask(room, f"DROP DATABASE {name} WITH (FORCE)")


def wait_for(found: Callable[[], T | None], what: str, seconds: float = 20.0) -> T:
    """The first that is found and not false; an error of a server is neither.

    Raises `TimeoutError`.
    """
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        with suppress(psycopg.Error):
            if result := found():
                return result
        time.sleep(0.02)
    raise TimeoutError(f"{what}: not within {seconds:g} s")


def stop_fast(room: Room) -> None:
    """As for an update: it ends its clients' connections, tells them so, and writes all down."""
    room.stop(signal.SIGINT)


def stop_immediate(room: Room) -> None:
    """As in an emergency: it tells its clients so, writes nothing, and recovers at its start."""
    room.stop(signal.SIGQUIT)


@contextmanager
def paused(room: Room) -> Generator[None]:
    """It hangs meanwhile: connections stay open, new ones too, and nothing is answered."""
    room.pause()
    try:
        yield
    finally:
        room.resume()


def terminate_all(room: Room) -> int:
    """End the connections of all its clients, as an administrator does; returns how many.

    Those are gone by then; a client may have made another.
    """
    sql = f"SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity {_OTHERS}"
    ended = [pid for pid, told in ask(room, sql) if told]
    left = "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY (%s)"
    wait_for(lambda: ask(room, left, ended) == [0], "the end of connections")
    return len(ended)
