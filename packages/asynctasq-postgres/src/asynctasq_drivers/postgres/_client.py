"""The only file that knows asyncpg: a connection as the rest of the driver sees it."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, Protocol

# It has no types of its own that a strict checker could read.
_asyncpg: Final[Any] = importlib.import_module("asyncpg")

CONNECT: Final = 10.0
"""Seconds for a new connection, its handshake included."""
ANSWER: Final = 30.0
"""Seconds without an answer after which a connection is given up."""

LostConnection: Final[type[Exception]] = _asyncpg.ConnectionDoesNotExistError
"""The connection ended before the answer came."""
ClientError: Final[type[Exception]] = _asyncpg.InterfaceError
"""asyncpg refuses by itself: a connection that is closed, an argument that it cannot encode."""
InternalError: Final[type[Exception]] = _asyncpg.InternalClientError
ServerError: Final[type[Exception]] = _asyncpg.PostgresError
"""The server's answer is no."""
BadSettings: Final[type[Exception]] = _asyncpg.ClientConfigurationError
WrongServer: Final[type[Exception]] = _asyncpg.TargetServerAttributeNotMatched

_UNSENT: Final = (
    "cannot perform operation",
    "cannot switch to state",
    "connection is closed",
    "not connected",
)
"""How asyncpg begins to say that it has sent nothing; a newer one may say it in other words."""

_ELSEWHERE: Final = (OSError, TimeoutError, WrongServer, _asyncpg.CannotConnectNowError)
"""Why another server is tried."""

Listener = Callable[[Any, int, str, str], None]


class Transaction(Protocol):
    """What is used of asyncpg's transactions."""

    async def start(self) -> None:
        """Begin."""

    async def commit(self) -> None:
        """Commit."""

    async def rollback(self) -> None:
        """Roll back."""


class Connection(Protocol):
    """What is used of `asyncpg.Connection`."""

    async def fetch(self, sql: str, *arguments: Any, timeout: float | None = None) -> list[Any]:
        """Rows of one statement."""
        ...

    async def execute(self, sql: str, *arguments: Any, timeout: float | None = None) -> str:
        """Statements without rows; several, where there are no arguments."""
        ...

    async def add_listener(self, channel: str, callback: Listener) -> None:
        """Hear notifications."""

    def add_termination_listener(self, callback: Callable[[Any], None]) -> None:
        """Hear that the connection has ended."""

    def get_server_version(self) -> tuple[Any, ...]:
        """Of the server, major number first."""
        ...

    def transaction(self, *, isolation: str | None = None) -> Transaction:
        """One that is not begun yet."""
        ...

    def is_closed(self) -> bool:
        """Whether it has ended."""
        ...

    def is_in_transaction(self) -> bool:
        """Whether a transaction is open."""
        ...

    async def reset(self, *, timeout: float | None = None) -> None:
        """Undo what a user has set."""

    async def close(self, *, timeout: float | None = None) -> None:
        """Say good-bye."""

    def terminate(self) -> None:
        """End it without a word."""


async def connect(dsn: str, settings: Mapping[str, str], *, prepares: bool) -> Connection:
    """A new connection, to the first server of the DSN that can be written to."""
    options = dict(settings)
    if "application_name" not in dsn:
        options["application_name"] = "asynctasq"
    told = {
        "server_settings": options,
        "statement_cache_size": 100 if prepares else 0,
        "max_cached_statement_lifetime": 0,
    }
    if "target_session_attrs" in dsn:
        return await _connected(dsn, CONNECT, told)
    # One by one: left to itself, asyncpg gives all of its time to one that is silent.
    *others, last = _servers(dsn)
    for server in others:
        with suppress(*_ELSEWHERE):
            return await _connected(server, CONNECT / (len(others) + 1), told)
    return await _connected(last, CONNECT / (len(others) + 1), told)


async def _connected(dsn: str, seconds: float, told: Mapping[str, Any]) -> Connection:
    attributes = {} if "target_session_attrs" in dsn else {"target_session_attrs": "read-write"}
    connection: Connection = await _asyncpg.connect(dsn, timeout=seconds, **attributes, **told)
    return connection


def _servers(dsn: str) -> list[str]:
    """A DSN for each of them."""
    scheme, _, rest = dsn.partition("://")
    places, path = re.split(r"(?=[/?#])", rest + "/" * (not re.search("[/?#]", rest)), maxsplit=1)
    user, at, hosts = places.rpartition("@")
    return [f"{scheme}://{user}{at}{host}{path}" for host in hosts.split(",")]


def sqlstate(error: BaseException) -> str:
    """PostgreSQL's code of an error; empty where it has none."""
    return getattr(error, "sqlstate", None) or ""


def was_sent(error: BaseException) -> bool:
    """Whether the server may have got the statement: not on a connection that had ended before."""
    by_itself = isinstance(error, (ClientError, InternalError))
    return not (by_itself and str(error).startswith(_UNSENT))
