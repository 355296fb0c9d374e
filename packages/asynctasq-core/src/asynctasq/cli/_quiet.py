"""Log lines in which nothing that a task or a backend said moves a cursor or colours a text."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager

from asynctasq._text import plain


class _Plain(logging.Formatter):
    """As another one formats, every line of it made harmless."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(plain(line) for line in self._inner.format(record).split("\n"))


@contextmanager
def quiet_logs() -> Generator[None, None, None]:
    """Beside the block, for the formatters of the standard library.

    They write no colours: what looks like one came with the text. One that an application has
    made itself may, and is left as it is.
    """
    changed = [
        (handler, handler.formatter)
        for handler in logging.getLogger().handlers
        if type(handler.formatter) is logging.Formatter
    ]
    for handler, formatter in changed:
        handler.setFormatter(_Plain(formatter))
    try:
        yield
    finally:
        for handler, formatter in changed:
            handler.setFormatter(formatter)
