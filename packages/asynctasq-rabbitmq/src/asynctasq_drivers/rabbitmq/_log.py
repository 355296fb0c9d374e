"""The log of this driver, and what of aiormq's it says itself.

aiormq tells of each end of a connection at WARNING and above, with a traceback, and of each attempt
to have one; of channels, of each that a call gave up, and of each consumer that the broker ended.
Of our connections that comes at DEBUG: the driver says in one line what ended, and raises what
keeps it from connecting. Connections of others, as of aio-pika, are left as they are.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import Any, Final
from weakref import WeakSet

log: Final = logging.getLogger("asynctasq.rabbitmq")
ours: Final = ContextVar("ours", default=False)
"""Whether what is logged comes from a connection of this driver, or from one of its tasks."""
_TOLD: Final = (
    "error when creating transport",
    "Unexpected connection close from remote",
    "Cancelling cause reader exited abnormally",
    "Server connection %r was stuck",
)
_OF_CHANNELS: Final = ("Closing channel", "Consumer %r cancelled")
_channels: Final[WeakSet[Any]] = WeakSet()


def is_ours(channel: object) -> None:
    """What aiormq says of this channel, the driver says itself."""
    _channels.add(channel)


def _quieter(record: logging.LogRecord) -> bool:
    return not (ours.get() and str(record.msg).startswith(_TOLD)) or _at_debug(record)


def _quieter_of_channels(record: logging.LogRecord) -> bool:
    if not str(record.msg).startswith(_OF_CHANNELS) or not isinstance(record.args, tuple):
        return True
    return not any(each in _channels for each in record.args) or _at_debug(record)


def _at_debug(record: logging.LogRecord) -> bool:
    record.levelno, record.levelname = logging.DEBUG, logging.getLevelName(logging.DEBUG)
    return logging.getLogger(record.name).isEnabledFor(logging.DEBUG)


logging.getLogger("aiormq.connection").addFilter(_quieter)
logging.getLogger("aiormq.channel").addFilter(_quieter_of_channels)
