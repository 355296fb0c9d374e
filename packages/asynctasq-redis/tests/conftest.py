"""Servers of their own, for a worker of the tests each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tools.backends import Room, private


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Room]:
    with private("redis") as room:
        yield room
