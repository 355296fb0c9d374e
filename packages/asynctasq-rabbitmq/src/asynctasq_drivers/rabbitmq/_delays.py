"""Delays of any length with nothing but queues: a binary number, walked through bit by bit.

Level i is a queue whose messages expire after 2^i seconds, and a topic exchange in front of it. A
message enters at the exchange of the highest bit of its delay. Where its routing key has a 1 for
the level it goes into that queue, and once it has expired, on to the exchange of the next lower
level; where it has a 0, it goes there at once. All messages of a queue wait for the same time, so
that none holds up another. Below level 0 it comes to the exchange of what is due.

The scheme is that of NServiceBus, "Delay infrastructure" of its RabbitMQ transport:
https://docs.particular.net/transports/rabbitmq/delayed-delivery
"""

from __future__ import annotations

import math
from typing import Final

LEVELS: Final = 29
"""So that the longest delay is 17 years. RabbitMQ lets no queue keep messages for above ten."""
LONGEST: Final = float(2**LEVELS - 1)
"""Seconds."""
HEAD: Final = 2 * LEVELS
"""Characters of a routing key before the name of the queue."""


def seconds_of(delay: float) -> int:
    """Whole seconds, never less than the delay."""
    return math.ceil(delay)


def level_of(seconds: int) -> int:
    """Where a message of that delay enters: its highest bit."""
    return seconds.bit_length() - 1


def routing_key(seconds: int, queue: str) -> str:
    """Its bits, the highest first, each a word; then the name of the queue that it is due in."""
    return f"{'.'.join(format(seconds, f'0{LEVELS}b'))}.{queue}"


def waits_at(level: int) -> str:
    """The pattern of routing keys that have to wait at a level."""
    return _bit(level, "1")


def passes(level: int) -> str:
    """The pattern of routing keys that pass it."""
    return _bit(level, "0")


def due_in(queue: str) -> str:
    """The pattern of routing keys that end in a queue."""
    return f"{'*.' * LEVELS}{queue}"


def queue_in(key: str) -> str:
    """The name of the queue that a routing key ends in, delayed or not."""
    head = key[:HEAD]
    delayed = len(key) > HEAD and head[1::2] == "." * LEVELS and set(head[::2]) <= {"0", "1"}
    return key[HEAD:] if delayed else key


def _bit(level: int, value: str) -> str:
    return f"{'*.' * (LEVELS - 1 - level)}{value}.#"
