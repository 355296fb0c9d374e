"""What a client and a PostgreSQL server say to each other: which statement runs, what answers it.

Version 3 of the protocol, https://www.postgresql.org/docs/current/protocol-message-formats.html.
Whatever is encrypted cannot be read, and passes as it is.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_CANCEL, _TLS, _GSS = 80877102, 80877103, 80877104
"""What a client may ask for in the place of a version."""
_HANDSHAKE = b"\x16"
"""The first byte of TLS, where a client begins it unasked."""


class Conversation:
    """On one connection, from its first byte.

    Answers come in groups: the first is that to the start-up, and each further one, which
    ReadyForQuery ends, that to a simple query or to all that was said before a Sync.
    """

    def __init__(self) -> None:
        self.losing: int | None = None
        """The group of answers that is not to reach the client, nor anything after it."""
        self._begun = self._opaque = self._may_encrypt = False
        self._said, self._answer = bytearray(), bytearray()
        self._asked = self._answered = 0
        self._statements: dict[bytes, bytes] = {}
        self._portals: dict[bytes, bytes] = {}

    def asks(self, data: bytes) -> Iterator[tuple[bytes, int]]:
        """The SQL of each statement that is run by what the client says next, and its group.

        Preparing one does not run it; running it does, by whichever name.
        """
        self._said += data
        while not self._opaque and (message := self._said_next()):
            kind, body = message
            if run := self._understand(kind, body):
                yield run

    def answers(self, data: bytes) -> tuple[bytes, bool]:
        """What the client may hear of what the server says next; and whether all is lost by now."""
        heard = bytearray()
        if self._may_encrypt and data[:1] in b"SGN":
            heard += data[:1]
            self._opaque, data = data[:1] != b"N", data[1:]
        self._may_encrypt = False
        if self._opaque:
            return bytes(heard + data), False
        self._answer += data
        while message := _cut(self._answer, 1):
            if self.losing is None or self._answered < self.losing:
                heard += message
            self._answered += message[:1] == b"Z"
            if self.losing is not None and self._answered > self.losing:
                return bytes(heard), True
        return bytes(heard), False

    def _said_next(self) -> tuple[bytes, bytes] | None:
        if self._begun:
            message = _cut(self._said, 1)
            return (message[:1], message[5:]) if message else None
        self._opaque = self._said.startswith(_HANDSHAKE)
        message = b"" if self._opaque else _cut(self._said, 0)
        if not message:
            return None
        code = struct.unpack("!i", message[4:8])[0]
        self._may_encrypt = code in (_TLS, _GSS)
        self._begun = code not in (_TLS, _GSS, _CANCEL)
        return b"", message[4:]

    def _understand(self, kind: bytes, body: bytes) -> tuple[bytes, int] | None:
        words = body.split(b"\0", 2)
        if kind == b"P":  # Parse: a name, and the SQL it is to have
            self._statements[words[0]] = words[1]
        elif kind == b"B":  # Bind: a portal, and the statement that it will run
            self._portals[words[0]] = self._statements.get(words[1], b"")
        elif kind == b"E":  # Execute
            return self._portals.get(words[0], b""), self._asked + 1
        elif kind in (b"Q", b"F", b"S"):  # Query, FunctionCall and Sync
            self._asked += 1
            return (words[0], self._asked) if kind == b"Q" else None
        return None


def _cut(stream: bytearray, kind: int) -> bytes:
    """The first message, taken off; nothing where it is not whole. With so many bytes of kind."""
    if len(stream) < kind + 4:
        return b""
    size = kind + struct.unpack_from("!i", stream, kind)[0]
    if len(stream) < size:
        return b""
    message = bytes(stream[:size])
    del stream[:size]
    return message
