"""The log of a process that is nothing but a worker, unless its application sets up another."""

from __future__ import annotations

import logging
from typing import Final

from asynctasq._text import plain

_FORMAT: Final = "%(asctime)s %(process)d %(levelname)s %(message)s"


class PlainFormatter(logging.Formatter):
    """Lines in which nothing that a task or a backend said moves a cursor or colours a text."""

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(plain(line) for line in super().format(record).split("\n"))


def set_up(line: str = _FORMAT) -> None:
    """Log to standard error, from INFO on. Nothing is changed where logging is set up already."""
    handler = logging.StreamHandler()
    handler.setFormatter(PlainFormatter(line))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
