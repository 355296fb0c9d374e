"""Ports for a server, which are nobody else's from before its start until it is removed."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack, suppress


def free_ports(count: int) -> tuple[int, ExitStack]:
    """The first of so many ports in a row, below those that outgoing connections are given; and
    what keeps them from others who look for some: they come up later, and may be down for a while.
    """
    for _ in range(200):
        first = random.randrange(20_000, 32_000)
        with suppress(OSError), ExitStack() as stack:
            for port in range(first, first + count):
                door = stack.enter_context(socket.socket())
                door.bind(("127.0.0.1", port))
                # Whoever says so too may listen there: servers do, and this function does not.
                door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            return first, stack.pop_all()
    raise OSError("no free port between 20000 and 32000 on 127.0.0.1")
