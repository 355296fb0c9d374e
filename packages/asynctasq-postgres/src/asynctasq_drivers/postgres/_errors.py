"""What PostgreSQL says, or does not say, in the words of the contract.

*Certainly not stored, and worth another try*: no connection, and a server that is starting, cannot
be written to, has no connection left, or had to break off a statement in favour of another.
*Unknown*: an answer that never came, also because the server ended the connection. *Refused*: what
stays so until a person does something; a full disk is among it, since core would else hide it
behind retries.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from typing import Final
from uuid import UUID

from asynctasq.errors import (
    BackendRefused,
    DriverError,
    DriverUnavailable,
    InvalidMessage,
    OutcomeUnknown,
)
from asynctasq_drivers.postgres._client import (
    BadSettings,
    ClientError,
    LostConnection,
    ServerError,
    WrongServer,
    sqlstate,
    was_sent,
)

BROKEN_OFF: Final = frozenset({"40001", "40P01"})
"""In favour of another transaction: as if it had never been sent, so it can be sent again."""
READ_ONLY: Final = "25006"
NO_TABLE: Final = "42P01"
NO_CONNECTION_LEFT: Final = "53300"

_LOST: Final = frozenset({"57P01", "57P02", "57P05"})
"""The server ended the connection: whether before or after a commit, nobody knows."""
_PASSING: Final = (
    *BROKEN_OFF,
    READ_ONLY,
    NO_CONNECTION_LEFT,
    "08",  # connection
    "55P03",  # a lock was not to be had in time
    "55006",  # somebody uses it
    "57014",  # cancelled, by statement_timeout for instance
    "57P03",  # it is starting, or stopping
    "53200",  # no memory at the moment
)
"""How codes begin of what will be otherwise in a while."""

_HINTS: Final = {
    READ_ONLY: "it cannot be written to: a standby? Name the primary, or all servers of the "
    "cluster, in postgres_dsn",
    NO_CONNECTION_LEFT: "lower postgres_max_pool_size, or raise max_connections there",
    NO_TABLE: "a table is missing: run `asynctasq migrate`, or look at postgres_queue_table and "
    "the database in postgres_dsn",
    "42703": "a column is missing: tables of somebody else? Look at postgres_queue_table",
    "42501": "this user lacks a right: the README tells which it needs",
    "28P01": "wrong user or password: see postgres_dsn",
    "28000": "this user is not let in: see postgres_dsn, and pg_hba.conf there",
    "3D000": "there is no such database: see postgres_dsn",
    "3F000": "there is no such schema: make it first, or look at postgres_queue_table",
    "53100": "the disk there is full: make room, then go on",
    "26000": "a prepared statement is gone: behind PgBouncer set postgres_pgbouncer",
    "42P05": "a prepared statement is there already: behind PgBouncer set postgres_pgbouncer",
    "08P01": "behind PgBouncer set postgres_pgbouncer",
}


def translated(error: BaseException, ids: Iterable[UUID] = ()) -> DriverError:
    """The contract's error for one that came while a statement was under way."""
    if isinstance(error, DriverError):
        return error
    if not was_sent(error):
        return DriverUnavailable(f"the connection to PostgreSQL had ended: {_said(error)}")
    code = sqlstate(error)
    if isinstance(error, LostConnection | TimeoutError | OSError) or code in _LOST:
        said = _said(error) or "no answer in time"
        return OutcomeUnknown(ids, f"PostgreSQL was asked, and did not answer: {said}")
    if isinstance(error, ServerError):
        return answered(code, _said(error))
    if isinstance(error, ClientError) and isinstance(error, ValueError):
        return InvalidMessage(f"more than PostgreSQL can hold: {_said(error)}")
    return OutcomeUnknown(ids, f"PostgreSQL's answer was not understood: {_said(error)}")


def answered(code: str, said: str) -> DriverError:
    """The contract's error for what a server has said: nothing of it is stored."""
    hint = _HINTS.get(code)
    told = f"{said} ({code})" + (f"; {hint}" if hint else "")
    if code == "54000":
        return InvalidMessage(f"more than PostgreSQL can hold: {said}")
    if code.startswith(_PASSING):
        return DriverUnavailable(f"PostgreSQL cannot do it now: {told}")
    return BackendRefused(f"PostgreSQL refused: {told}")


def of_connecting(error: BaseException) -> DriverError:
    """The contract's error for a connection that was not to be had: nothing was sent."""
    if isinstance(error, DriverError):
        return error
    code = sqlstate(error)
    if isinstance(error, ssl.SSLCertVerificationError | BadSettings | ValueError):
        return BackendRefused(f"no connection to PostgreSQL, by postgres_dsn: {_said(error)}")
    if isinstance(error, ServerError) and code not in _LOST and not code.startswith("08"):
        return answered(code, _said(error))
    if isinstance(error, WrongServer):
        said = "none of its servers can be written to"
    elif isinstance(error, FileNotFoundError):
        said = f"{_said(error)}: a socket, or a certificate or key, that postgres_dsn names"
    else:
        said = _said(error) or "no answer in time"
    hint = f"; {_HINTS[code]}" if code == "08P01" else ""
    return DriverUnavailable(f"PostgreSQL cannot be reached: {said}{hint}")


def _said(error: BaseException) -> str:
    """Its own words, in one line."""
    return " ".join(str(error).split())
