"""Whether a server answers in its own protocol: a port that listens may still be starting."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from urllib.parse import SplitResult, urlsplit


def _redis(peer: socket.socket, url: SplitResult) -> bool:
    peer.sendall(b"PING\r\n")
    return peer.recv(64).startswith((b"+PONG", b"-NOAUTH"))


def _postgres(peer: socket.socket, url: SplitResult) -> bool:
    words = ("user", url.username or "postgres", "database", url.path.lstrip("/") or "postgres")
    body = struct.pack("!i", 3 << 16) + b"".join(word.encode() + b"\0" for word in words) + b"\0"
    peer.sendall(struct.pack("!i", len(body) + 4) + body)
    return peer.recv(1) == b"R"  # a request to authenticate, or that there is no need to


def _pgbouncer(peer: socket.socket, url: SplitResult) -> bool:
    # Its console; what it says of a database waits for the server behind it.
    return _postgres(peer, url._replace(path="/pgbouncer"))


def _mysql(peer: socket.socket, url: SplitResult) -> bool:
    greeting = peer.recv(64)
    return greeting[3:5] == b"\x00\x0a"  # the first packet, protocol version 10


def _rabbitmq(peer: socket.socket, url: SplitResult) -> bool:
    peer.sendall(b"AMQP\x00\x00\x09\x01")
    frame = peer.recv(11)
    return frame[:1] == b"\x01" and frame[7:11] == b"\x00\x0a\x00\x0a"  # connection.start


_HELLOS: dict[str, Callable[[socket.socket, SplitResult], bool]] = {
    "mysql": _mysql,
    "pgbouncer": _pgbouncer,
    "postgres": _postgres,
    "rabbitmq": _rabbitmq,
    "redis": _redis,
}


def answers(server: str, url: str, timeout: float = 2.0) -> bool:
    """Whether that server greets as it should at that URL, within so many seconds."""
    parts = urlsplit(url)
    try:
        place = (parts.hostname or "", parts.port or 0)
        with socket.create_connection(place, timeout=timeout) as peer:
            return _HELLOS[server](peer, parts)
    except (OSError, ValueError):
        return False
