"""The log of a process that is nothing but a worker, unless its application has set up another.

Records are written by a thread of their own: a terminal or a collector that does not read would
else stop whoever logs, the loop that renews leases among them.
"""

from __future__ import annotations

import logging
import queue
import threading
from logging.handlers import QueueHandler, QueueListener
from typing import Any, Final

from asynctasq._text import plain

_FORMAT: Final = "%(asctime)s %(process)d %(levelname)s %(message)s"
_INDENT: Final = "\n    "
_MOST: Final = 10_000
_WRITE_WITHIN: Final = 1.0

TOLD: Final = {"told": True}
"""What a record has as ``extra`` that stands on standard error already."""


class PlainFormatter(logging.Formatter):
    """Records in which nothing that a task or a backend said moves a cursor, colours a text, or
    looks like another record: what follows the first line is indented."""

    def format(self, record: logging.LogRecord) -> str:
        return _INDENT.join(plain(line) for line in super().format(record).split("\n"))


class _Handler(QueueHandler):
    """Waits for nobody: where 10,000 records wait to be written, the next are only counted."""

    dropped = 0

    def flush(self) -> None:
        """Wait until all is written, for a second at the most: so does the end of the process."""
        self.is_written()

    def is_written(self) -> bool:
        """Wait likewise; False: it is not."""
        done = threading.Event()
        try:
            self.queue.put_nowait(done)
        except queue.Full:
            return False
        return done.wait(_WRITE_WITHIN)

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1
            return
        if self.dropped:
            count, self.dropped = self.dropped, 0
            logging.getLogger(__name__).warning("%d records were dropped: nobody read them", count)


class _Writer(QueueListener):
    def handle(self, record: Any) -> None:
        if isinstance(record, threading.Event):
            record.set()
        else:
            super().handle(record)


def set_up(line: str = _FORMAT) -> None:
    """Log to standard error, from INFO on. Nothing is changed where logging is set up already."""
    if logging.getLogger().handlers:
        return
    waiting: queue.Queue[Any] = queue.Queue(_MOST)
    handler = _Handler(waiting)
    handler.setFormatter(logging.Formatter())
    handler.addFilter(lambda record: not hasattr(record, "told"))
    stream = logging.StreamHandler()
    stream.setFormatter(PlainFormatter(line))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    _Writer(waiting, stream).start()


def written() -> bool:
    """Wait until all that was logged so far is written; False: it is not after a second."""
    ours = (each for each in logging.getLogger().handlers if isinstance(each, _Handler))
    return all(each.is_written() for each in ours)
