"""What went wrong on a caller's connection, in the words of the contract.

Until the caller commits nothing is stored, so that a lost connection leaves no doubt. What the
client libraries share is the SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

from typing import Final

from asynctasq.errors import (
    BackendRefused,
    DriverError,
    DriverUnavailable,
    InvalidMessage,
    OutcomeUnknown,
    Unsupported,
)
from asynctasq_drivers.postgres._transaction_state import FAILED

_LOST: Final = (
    "the connection was lost, so that its transaction can no longer commit and nothing of it is "
    "stored: begin it again on another"
)
_NO_TABLE: Final = (
    "the tables of the tasks are not there: expected a connection to the database of postgres_dsn; "
    "if it is one, run `asynctasq migrate`"
)
_ROLLED_BACK: Final = (
    "the transaction was rolled back, since it is at odds with another: begin it again"
)
_STOPPED: Final = "the statement was stopped by a limit or by somebody: roll back, and begin again"

_BY_CODE: Final[dict[str, tuple[type[DriverError], str]]] = {
    "08": (DriverUnavailable, _LOST),
    "22": (InvalidMessage, "a value that PostgreSQL cannot store"),
    "25006": (
        DriverUnavailable,
        "the transaction is read-only, as every one on a standby is: begin one that can write, on "
        "the primary",
    ),
    "25P02": (Unsupported, FAILED),
    "25P03": (DriverUnavailable, _LOST),
    "25P04": (DriverUnavailable, _LOST),
    "3F000": (BackendRefused, _NO_TABLE),
    "40001": (DriverUnavailable, _ROLLED_BACK),
    "40P01": (DriverUnavailable, _ROLLED_BACK),
    "42501": (
        BackendRefused,
        "the user of this connection lacks a right on the tables of the tasks: grant it USAGE on "
        "their schema, and SELECT, INSERT, UPDATE and DELETE on them",
    ),
    "42P01": (BackendRefused, _NO_TABLE),
    "55P03": (DriverUnavailable, _STOPPED),
    "57014": (DriverUnavailable, _STOPPED),
    "57P": (DriverUnavailable, _LOST),
}
"""By SQLSTATE, or by how it begins."""


def translated_in(error: BaseException) -> DriverError:
    """The contract's error for one that a caller's connection raised."""
    if isinstance(error, DriverError):
        return error
    origin = _origin(error)
    kind, told = _meaning(origin)
    said = f"{told} ({_first_line(origin)})"
    return OutcomeUnknown((), said) if kind is OutcomeUnknown else kind(said)


def _meaning(origin: BaseException) -> tuple[type[DriverError], str]:
    code = getattr(origin, "sqlstate", None) or getattr(origin, "pgcode", None) or ""
    for length in (5, 3, 2):
        if found := _BY_CODE.get(code[:length]):
            return found
    return _without_code(origin) if not code else (BackendRefused, "PostgreSQL refused")


def _without_code(origin: BaseException) -> tuple[type[DriverError], str]:
    """What a client library says by itself."""
    names = {kind.__name__ for kind in type(origin).__mro__}
    if isinstance(origin, TimeoutError):
        return OutcomeUnknown, "the connection's own time limit ended, roll the transaction back"
    if isinstance(origin, OSError) or "OperationalError" in names:
        return DriverUnavailable, _LOST
    if "InterfaceError" in names and "closed" in str(origin):
        return DriverUnavailable, _LOST
    if isinstance(origin, ValueError | OverflowError) or "DataError" in names:
        return InvalidMessage, "a value that cannot be sent to PostgreSQL"
    if "InvalidRequestError" in names:  # of SQLAlchemy
        return Unsupported, "this connection or session cannot be used as it is"
    return BackendRefused, "the statement could not be run on this connection"


def _origin(error: BaseException) -> BaseException:
    """Beneath what SQLAlchemy makes of it, and its asyncpg dialect once more."""
    found: BaseException = getattr(error, "orig", None) or error
    cause = found.__cause__
    if cause is not None and type(cause).__module__.startswith("asyncpg"):
        return cause
    return found


def _first_line(error: BaseException) -> str:
    """Those that follow quote the statement, or the row."""
    name = type(error).__name__
    lines = str(error).splitlines()
    return f"{name}: {lines[0]}" if lines else name
