"""One GET of an HTTP interface, bounded in size; whoever asks bounds the time.

The standard library's client would hold a thread for as long as a server likes.
"""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64encode
from collections.abc import Mapping
from http.client import HTTPException, HTTPResponse
from io import BytesIO
from typing import Any, Final, NamedTuple, cast
from urllib.parse import SplitResult, urlencode

from asynctasq_drivers.rabbitmq._parts import (
    Reader,
    Wrong,
    decoded,
    not_empty,
    one_or_zero,
    parameters,
    place,
    split,
)

_MOST: Final = 4 * 1024 * 1024
"""Bytes of an answer: some ten times what a page of queues has."""
_PORTS: Final = {"http": 15672, "https": 15671}
"""Those of RabbitMQ's management plugin."""
_PARAMETERS: Final[Mapping[str, Reader]] = {"cafile": not_empty, "no_verify_ssl": one_or_zero}


class Site(NamedTuple):
    """Where it is, and as whom to ask."""

    shown: str
    """As may be told."""
    host: str
    port: int
    tls: Mapping[str, str] | None
    path: str
    """Before all others, as a proxy may want it."""
    headers: str


class Answer(NamedTuple):
    """Whatever it says."""

    status: int
    body: bytes


def site(url: str) -> Site:
    """Raises `Wrong` and `UnicodeError`."""
    parts = split(url, _PORTS)
    user, _, where = parts.netloc.rpartition("@")
    host, port = place(where, _PORTS[parts.scheme])
    shown = f"{parts.scheme}://{host}:{port}"
    tls = _tls(parts)
    headers = (
        f"Host: {host.partition('%')[0]}:{port}",
        f"Authorization: Basic {_credentials(user)}",
        "Accept: application/json",
        "Connection: close",
    )
    path = parts.path.rstrip("/")
    return Site(shown, decoded(host.strip("[]")), port, tls, path, "\r\n".join(headers))


def _tls(parts: SplitResult) -> dict[str, str] | None:
    told = parameters(parts.query, _PARAMETERS)
    if parts.scheme == "https":
        return told
    if told:
        raise Wrong(f"{min(told)} is for https:// only")
    return None


def _credentials(user: str) -> str:
    """Without any they are those of a new broker, as aiormq has it, too."""
    name, _, password = user.partition(":")
    pair = f"{decoded(name) or 'guest'}:{decoded(password) or 'guest'}"
    return b64encode(pair.encode()).decode()


async def get(where: Site, path: str, query: Mapping[str, str]) -> Answer:
    """Raises `OSError` where none comes, `HTTPException` where it is none of HTTP."""
    request = f"GET {where.path}{path}?{urlencode(query)} HTTP/1.1\r\n{where.headers}\r\n\r\n"
    context = None if where.tls is None else await asyncio.to_thread(_context, where.tls)
    reader, writer = await asyncio.open_connection(where.host, where.port, ssl=context)
    try:
        writer.write(request.encode())
        return _parsed(await _to_its_end(reader))
    finally:
        writer.transport.abort()


def _context(told: Mapping[str, str]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=told.get("cafile"))
    if told.get("no_verify_ssl") == "1":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def _to_its_end(reader: asyncio.StreamReader) -> bytes:
    received = bytearray()
    while data := await reader.read(65536):
        received += data
        if len(received) > _MOST:
            raise HTTPException(f"an answer of more than {_MOST} bytes")
    return bytes(received)


class _Received:
    """A socket, as far as `HTTPResponse` knows one, from which all has been read."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _: str) -> BytesIO:
        return BytesIO(self._data)


def _parsed(received: bytes) -> Answer:
    response = HTTPResponse(cast("Any", _Received(received)))
    response.begin()
    return Answer(response.status, response.read())
