"""What a client and a RabbitMQ broker say to each other, frame by frame: methods and contents.

AMQP 0-9-1, https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf, 2.3.5 and 4.2. Whatever is
encrypted cannot be read, and passes as it is.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from pamqp.commands import INDEX_MAPPING

_BEGIN, _BEGIN_SIZE = b"AMQP", 8
"""What a client says before any frame, and a broker that does not know the version."""
_HANDSHAKE = b"\x16"
"""The first byte of TLS."""
_METHOD, _CONTENT, _BODY = 1, 2, 3
_NAMES = {index: method.name.lower() for index, method in INDEX_MAPPING.items()}
_WITH_CONTENT = {"basic.publish", "basic.return", "basic.deliver", "basic.getok"}


def method(name: str) -> str:
    """A method of the specification, such as `queue.declare-ok`, as it is called here.

    Raises `ValueError`.
    """
    plain = name.replace("-", "").lower()
    if plain not in _NAMES.values():
        raise ValueError(f"{name} is no method of AMQP 0-9-1")
    return plain


def question(channel: int) -> tuple[bytes, bytes]:
    """channel.flow, and channel.flow-ok, which says that all before on that channel is done."""
    said, answered = (
        struct.pack("!BHIHHBB", _METHOD, channel, 5, 20, method, True, 0xCE) for method in (20, 21)
    )
    return said, answered


class Part(NamedTuple):
    """A frame, or what stands before all."""

    data: bytes
    begins: str = ""
    """The method that begins with it."""
    ends: str = ""
    """The method that ends with it, with all of its content."""
    channel: int = 0


class Way:
    """One direction of a connection, from its first byte."""

    def __init__(self) -> None:
        self._said = bytearray()
        self._begun = self._opaque = False
        self._open: dict[int, tuple[str, int]] = {}
        """By channel: a method, and how many bytes of its content are yet to come."""

    def parts(self, data: bytes) -> Iterator[Part]:
        """Those that are whole by now; none of them would be cut in two."""
        self._said += data
        self._opaque = self._opaque or (not self._begun and self._said.startswith(_HANDSHAKE))
        if self._opaque:
            yield Part(self._cut(len(self._said)))
            return
        while size := self._size():
            first, self._begun = not self._begun, True
            part = self._cut(size)
            yield Part(part) if first and part.startswith(_BEGIN) else self._understand(part)

    def _size(self) -> int:
        """That of the next part; 0 where that is not whole."""
        if not self._begun and self._said.startswith(_BEGIN[:1]):
            size = _BEGIN_SIZE
        elif len(self._said) < 7:
            return 0
        else:
            size = 8 + struct.unpack_from("!I", self._said, 3)[0]
        return size if len(self._said) >= size else 0

    def _cut(self, size: int) -> bytes:
        part = bytes(self._said[:size])
        del self._said[:size]
        return part

    def _understand(self, frame: bytes) -> Part:
        kind, channel, size = struct.unpack_from("!BHI", frame)
        if kind == _METHOD:
            name = _NAMES.get(struct.unpack_from("!I", frame, 7)[0], "")
            self._open[channel] = name, 0
            return Part(frame, name, "" if name in _WITH_CONTENT else name, channel)
        if kind not in (_CONTENT, _BODY):  # a heartbeat
            return Part(frame)
        name, due = self._open.get(channel, ("", 0))
        due = struct.unpack_from("!Q", frame, 11)[0] if kind == _CONTENT else due - size
        self._open[channel] = name, due
        return Part(frame, "", "" if due else name, channel)
