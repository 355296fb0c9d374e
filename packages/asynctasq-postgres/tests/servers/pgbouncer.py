"""A PgBouncer of one's own. In transaction mode, each transaction may have another connection."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tools.backends import Room, private

from .own import HOST, need

_SETTINGS = """\
auth_type = any
pool_mode = {mode}
default_pool_size = {connections}
max_client_conn = 200
[databases]
* = host={host} port={port} user=postgres
"""


@contextmanager
def pgbouncer(server: Room, connections: int = 2, mode: str = "transaction") -> Generator[Room]:
    """In front of that server, with so many connections to each of its databases.

    It may be stopped, killed, paused and started again, by itself.
    """
    need("pgbouncer")
    text = _SETTINGS.format(host=HOST, port=server.port, connections=connections, mode=mode)
    with private("pgbouncer", files={"more.ini": text}) as room:
        try:
            yield room
        finally:
            room.kill()  # newer ones wait for their clients to leave
