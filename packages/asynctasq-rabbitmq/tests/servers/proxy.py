"""A proxy in front of a RabbitMQ broker that can lose a method on its way, by its name."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

from tools.backends import proxy as shared

from .wire import Way, method, question


class Proxy(shared.Proxy):
    """Listens until it is closed. Every method may be called from any thread.

    Methods are named as in the specification, such as `basic.ack`. On TLS none is recognised.
    Each call stands for the one before it; with a `count` of 0 nothing is lost any more. So many
    of the same name pass `before`.
    """

    def __init__(self, url: str) -> None:
        self._losing = _Losing()
        super().__init__(url, 5672)

    def wire(self) -> shared.Wire:
        return _Methods(self._losing)

    def lose_replies(self, count: int = 1, *, to: str, before: int = 0) -> None:
        """So many times: end the connection instead of letting that method of the broker's pass.

        `basic.ack` is a confirm, `queue.declare-ok` what answers a declare. The broker has done by
        then what it answers, and has forgotten what it has delivered on that connection.
        """
        self.lose(self._losing.answers, count, _is(to), before)

    def cut_after(self, name: str, count: int = 1, *, before: int = 0) -> None:
        """So many times: end the connection once that method of a client's has reached the broker.

        With its content, if it has one. The broker has done it by then; what it says is lost.
        """
        self.lose(self._losing.after, count, _is(name), before)

    def cut_before(self, name: str, count: int = 1, *, before: int = 0) -> None:
        """So many times: end the connection instead of letting that method of a client's pass.

        The broker has done by then what was said before it on that channel.
        """
        self.lose(self._losing.before, count, _is(name), before)


def _is(name: str) -> Callable[[str], bool]:
    plain = method(name)
    return lambda other: other == plain


class _Losing:
    """What is to be lost."""

    def __init__(self) -> None:
        self.answers: shared.Losses[str] = shared.Losses()
        self.before: shared.Losses[str] = shared.Losses()
        self.after: shared.Losses[str] = shared.Losses()


class _Methods(shared.Wire):
    """Whole ones, until one is to be lost."""

    def __init__(self, losing: _Losing) -> None:
        self._losing = losing
        self._asking, self._answering = Way(), Way()
        self._channel = 0
        """That on which the client was cut off."""

    def asks(self, data: bytes) -> tuple[bytes, bool]:
        passing = bytearray()
        for part in self._asking.parts(data):
            self._channel = part.channel
            if self._losing.before.take(part.begins):
                return bytes(passing), True
            passing += part.data
            if self._losing.after.take(part.ends):
                return bytes(passing), True
        return bytes(passing), False

    def farewell(self) -> tuple[bytes, bytes]:
        return question(self._channel) if self._channel else (b"", b"")

    def answers(self, data: bytes) -> tuple[bytes, bool]:
        passing = bytearray()
        for part in self._answering.parts(data):
            if self._losing.answers.take(part.begins):
                return bytes(passing), True
            passing += part.data
        return bytes(passing), False


@contextmanager
def proxy(url: str) -> Generator[Proxy]:
    """One in front of the broker of that URL, which has a host and a port."""
    made = Proxy(url)
    try:
        yield made
    finally:
        made.close()
