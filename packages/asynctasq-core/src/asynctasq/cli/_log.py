"""The log of a process that is nothing but a worker, unless its application has set up another."""

from __future__ import annotations

import logging
from typing import Final

from asynctasq._text import plain

_FORMAT: Final = "%(asctime)s %(process)d %(levelname)s %(message)s"
_INDENT: Final = "\n    "

TOLD: Final = {"told": True}
"""What a record has as ``extra`` that stands on standard error already."""


class PlainFormatter(logging.Formatter):
    """Records in which nothing that a task or a backend said moves a cursor, colours a text, or
    looks like another record: what follows the first line is indented."""

    def format(self, record: logging.LogRecord) -> str:
        return _INDENT.join(plain(line) for line in super().format(record).split("\n"))


def set_up(line: str = _FORMAT) -> None:
    """Log to standard error, from INFO on. Nothing is changed where logging is set up already."""
    handler = logging.StreamHandler()
    handler.setFormatter(PlainFormatter(line))
    handler.addFilter(lambda record: not hasattr(record, "told"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
