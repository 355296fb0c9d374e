"""A proxy in front of a Redis server that can lose the reply of a command that has run."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tools.backends import proxy as shared


class Proxy(shared.Proxy):
    """Listens until it is closed. Every method may be called from any thread."""

    def __init__(self, url: str) -> None:
        self._losses: shared.Losses[bytes] = shared.Losses()
        super().__init__(url, 6379)

    def wire(self) -> shared.Wire:
        return _Commands(self._losses)

    def lose_replies(self, count: int = 1, to: bytes = b"") -> None:
        """So many times: let a command pass, swallow its reply, and end its connection.

        Only commands with those bytes count, such as `b"EVALSHA"`: a client says more than
        commands of its user's. 0: lose none any more.
        """
        self.lose(self._losses, count, lambda said: to in said)


class _Commands(shared.Wire):
    """A chunk that has a word in it is the command that is meant; replies come in order."""

    def __init__(self, losses: shared.Losses[bytes]) -> None:
        self._losses = losses
        self._losing = False

    def asks(self, data: bytes) -> tuple[bytes, bool]:
        self._losing = self._losing or self._losses.take(data)
        return data, False

    def answers(self, data: bytes) -> tuple[bytes, bool]:
        return (b"", True) if self._losing else (data, False)


@contextmanager
def proxy(url: str) -> Generator[Proxy]:
    """One in front of the server of that URL, which has a host and a port."""
    made = Proxy(url)
    try:
        yield made
    finally:
        made.close()
