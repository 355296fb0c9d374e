"""What a worker's process tells its supervisor: a line break once it is configured; then, where
the supervisor shows a screen, a snapshot on each line.

Neither side waits for the other: what does not fit is not sent, what makes no sense is not read.
Only for the last snapshot a worker waits, a moment, so that the sums in the end are right.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from contextlib import suppress

import msgspec

from asynctasq.worker import WorkerSnapshot

_END = b"\n"
_CHUNK = 1 << 16
_LAST_WITHIN = 0.5
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(WorkerSnapshot).decode


class Outbox:
    """The worker's side."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._unsent = b""
        self._sending = threading.Lock()

    def configured(self) -> None:
        """All is well so far. Raises OSError where nobody is left to hear it."""
        self._end.send(_END)

    def put(self, seen: WorkerSnapshot) -> None:
        """Send it, unless the one before is still under way. Raises OSError as above."""
        with self._sending:
            self._unsent = self._unsent or _encode(seen) + _END
            self._send()

    def put_last(self, seen: WorkerSnapshot) -> None:
        """Send it after all others; waits for half a second at most. Raises OSError as above."""
        until = time.monotonic() + _LAST_WITHIN
        with self._sending:
            self._unsent += _encode(seen) + _END
            while self._unsent and (left := until - time.monotonic()) > 0:
                if select.select((), (self._end,), (), left)[1]:
                    self._send()

    def _send(self) -> None:
        with suppress(BlockingIOError):
            sent = self._end.send(self._unsent, socket.MSG_DONTWAIT)
            self._unsent = self._unsent[sent:]


class Inbox:
    """The supervisor's side."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._partial = b""
        self.is_open = True
        self.latest: WorkerSnapshot | None = None

    def read(self) -> bool:
        """Take what has come, and wait for nothing; whether anything had, before the end."""
        try:
            data = self._end.recv(_CHUNK, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:  # it was killed before it had read what we sent
            data = b""
        self.is_open = bool(data)
        *whole, self._partial = (self._partial + data).split(_END)
        for line in whole:
            with suppress(msgspec.MsgspecError):
                self.latest = _decode(line)
        return self.is_open
