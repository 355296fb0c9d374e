"""What Redis says, or does not say, in the words of the contract.

*Certainly not stored, and worth another try*: no connection, and a server that is starting, that
is no master, or whose replicas are away. *Unknown*: an answer that never came. *Refused*: what
stays so until a person does something; full memory is among it, since core would else hide it
behind retries.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from uuid import UUID

from asynctasq.errors import BackendRefused, DriverError, DriverUnavailable, OutcomeUnknown
from asynctasq_drivers.redis._client import NotSent, ReplyLost

_PASSING: Final = (
    "LOADING",
    "MASTERDOWN",
    "Link with MASTER",
    "READONLY",
    "You can't write against a read only",
    "CLUSTERDOWN",
    "TRYAGAIN",
    "MOVED",
    "ASK",
    "BUSY",
    "NOREPLICAS",
    "max number of clients",
)
"""How answers begin, or what they hold, that will be others in a while."""
_PASSING_WORDS: Final = re.compile("|".join(rf"\b{re.escape(word)}\b" for word in _PASSING))

_RIGHTS: Final = "this user may not do that: the README tells which rights it needs"
_HINTS: Final = (
    ("OOM", "the server's memory is full: raise maxmemory, or let workers drain the queues"),
    ("MISCONF", "the server cannot write to its disk: look at its log"),
    ("NOPERM", _RIGHTS),
    ("user executing the script can't", _RIGHTS),
    ("ACL failure in script", _RIGHTS),
    ("WRONGPASS", "wrong user or password: see redis_url and redis_password"),
    ("NOAUTH", "it wants a password: see redis_url and redis_password"),
    ("WRONGTYPE", "something else uses the keys of this queue: give it a database of its own"),
)


def translated(error: BaseException, ids: Iterable[UUID] = ()) -> DriverError:
    """The contract's error for one of the client library, or of `_client`."""
    if isinstance(error, NotSent):
        return DriverUnavailable(f"Redis cannot be reached: {error}")
    if isinstance(error, ReplyLost):
        return OutcomeUnknown(ids, f"Redis was asked, and did not answer: {error}")
    kind, said = type(error).__name__, str(error)
    text = _as_said(kind, said)
    if _PASSING_WORDS.search(text):
        return DriverUnavailable(f"Redis cannot do it now: {text}")
    hints = [hint for word, hint in _HINTS if word in text]
    return BackendRefused("; ".join((f"Redis refused: {text}", *hints[:1])))


_CODES: Final = {
    "BusyLoadingError": "LOADING",
    "ReadOnlyError": "READONLY",
    "OutOfMemoryError": "OOM",
    "NoPermissionError": "NOPERM",
    "AuthenticationError": "WRONGPASS",
    "AuthenticationWrongNumberOfArgsError": "WRONGPASS",
    "ClusterDownError": "CLUSTERDOWN",
    "TryAgainError": "TRYAGAIN",
    "MasterDownError": "MASTERDOWN",
    "MovedError": "MOVED",
    "AskError": "ASK",
}
"""redis-py takes the code that an answer begins with for the type of its error."""


def _as_said(kind: str, said: str) -> str:
    code = _CODES.get(kind, "")
    return said if said.startswith(code) else f"{code} {said}"
