"""A master and its replica, without anybody who would put one in the place of the other."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from tools.backends import Room

from .own import HOST, ask, in_step, server, wait_for

_FILE = "redis.conf"


@dataclass(frozen=True)
class Pair:
    """Both may be killed, paused and started again. What waits here blocks its thread."""

    master: Room
    replica: Room

    @property
    def url(self) -> str:
        """The master's."""
        return self.master.url

    def wait_until_linked(self, seconds: float = 20.0) -> None:
        """Until the replica has all of the master's data and its stream, and both know it."""

        wait_for(
            lambda: in_step(self.replica) and ask(self.master, "WAIT", 1, 1),
            "master_link_status:up",
            seconds,
        )


@contextmanager
def replicated() -> Generator[Pair]:
    """A new pair, linked."""
    with (
        _server("repl-diskless-sync-delay 0\n") as master,
        _server(f"replicaof {HOST} {master.port}\n") as replica,
    ):
        pair = Pair(master, replica)
        pair.wait_until_linked()
        yield pair


def _server(settings: str) -> AbstractContextManager[Room]:
    """One with its settings in a file, so that it remembers whose replica it was made."""
    return server(_FILE, files={_FILE: settings})
