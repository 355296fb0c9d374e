"""What tests share: a server for each worker of pytest, and a way to a vhost for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from asynctasq_drivers.rabbitmq._session import Session
from tools.backends import Room, private
from tools.driver_tests import leftovers

from .servers.own import vhost_of
from .servers.proxy import Proxy, proxy

SOON = "[{rabbit, [{dead_letter_worker_publisher_confirm_timeout, 2000}]}].\n"
"""What a queue could not pass on, as the next one was not there yet after a restart, it tries again
after two seconds instead of three minutes."""


@pytest.fixture(scope="session")
def rabbitmq_server() -> Iterator[Room]:
    with private("rabbitmq", files={"advanced.config": SOON}) as room:
        yield room


@pytest.fixture(scope="session")
def rabbitmq_proxy(rabbitmq_server: Room) -> Iterator[Proxy]:
    """In front of that server."""
    with proxy(rabbitmq_server.url) as between:
        yield between


@pytest.fixture(scope="session")
def rabbitmq_to_restart() -> Iterator[tuple[Room, Proxy]]:
    """One with few queues, and a proxy: with the 1,600 of a suite 4.3 takes up to a minute."""
    files = {"advanced.config": SOON}
    with private("rabbitmq", files=files) as room, proxy(room.url) as between:
        yield room, between


@pytest.fixture
def vhost(rabbitmq_server: Room) -> Iterator[str]:
    """The URL of an empty virtual host, for this test."""
    with vhost_of(rabbitmq_server) as url:
        yield url


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> list[Session]:
    """All that drivers open, the last one at the end."""
    made: list[Session] = []
    plain = Session.__init__

    def noted(self: Session, *words: object) -> None:
        plain(self, *words)  # type: ignore[arg-type]
        made.append(self)

    monkeypatch.setattr(Session, "__init__", noted)
    return made


stack = leftovers.stack
