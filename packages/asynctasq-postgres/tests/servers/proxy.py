"""A proxy in front of a PostgreSQL server that can lose the answer of a statement that has run."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tools.backends import proxy as shared

from .wire import Conversation


class Proxy(shared.Proxy):
    """Listens until it is closed. Every method may be called from any thread."""

    def __init__(self, url: str) -> None:
        self._losses: shared.Losses[bytes] = shared.Losses()
        super().__init__(url, 5432)

    def wire(self) -> shared.Wire:
        return _Statements(Conversation(), self._losses)

    def lose_replies(self, count: int = 1, to: bytes = b"", *, whole: bool = False) -> None:
        """So many times: let a statement run, swallow what answers it, and end its connection.

        Only statements count whose SQL has those bytes, such as `b"INSERT"`, or is nothing else,
        as `b"COMMIT"` has to be that is not of `READ COMMITTED`, when they are run, not when they
        are prepared. The server has done them by then, and ended the
        transaction unless a block goes on. Not over TLS, where nothing can be read. 0: lose none
        any more.
        """
        self.lose(self._losses, count, lambda sql: sql.rstrip(b";") == to if whole else to in sql)


class _Statements(shared.Wire):
    """The first that is meant, with all that follows."""

    def __init__(self, talk: Conversation, losses: shared.Losses[bytes]) -> None:
        self._talk = talk
        self._losses = losses

    def asks(self, data: bytes) -> tuple[bytes, bool]:
        for sql, group in self._talk.asks(data):
            if self._talk.losing is None and self._losses.take(sql):
                self._talk.losing = group
        return data, False

    def answers(self, data: bytes) -> tuple[bytes, bool]:
        return self._talk.answers(data)


@contextmanager
def proxy(url: str) -> Generator[Proxy]:
    """One in front of the server of that URL, which has a host and a port."""
    made = Proxy(url)
    try:
        yield made
    finally:
        made.close()
