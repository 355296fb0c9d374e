"""Whatever answers at rabbitmq_management_url, a call ends soon, and says what to look at."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from asynctasq.errors import BackendRefused, ConfigError, DriverError, DriverUnavailable
from asynctasq_drivers.rabbitmq import _management
from asynctasq_drivers.rabbitmq._management import Management, QueueNumbers

pytestmark = pytest.mark.asyncio

Says = Callable[[asyncio.StreamWriter, bytes], Awaitable[None]]
"""What a server does with a request."""


@asynccontextmanager
async def serving(says: Says, scheme: str = "http") -> AsyncGenerator[Management]:
    """A server for a moment; connections end when it has said what it says."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await says(writer, await reader.readuntil(b"\r\n\r\n"))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield Management(f"{scheme}://app:tiger@127.0.0.1:{port}")
    finally:
        server.close()


def response(body: bytes, status: str = "200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(body), body)


def saying(data: bytes) -> Says:
    async def says(writer: asyncio.StreamWriter, _: bytes) -> None:
        writer.write(data)
        await writer.drain()

    return says


async def refusal(management: Management, kind: type[DriverError]) -> str:
    """What it says when it cannot."""
    with pytest.raises(kind) as raised:
        await management.queues("/")
    told = "".join(traceback.format_exception(raised.value))
    assert "tiger" not in told
    assert "YXBwOnRpZ2Vy" not in told  # as it is sent
    return str(raised.value)


async def for_ever(writer: asyncio.StreamWriter, _: bytes) -> None:
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.01)


async def drips_headers(writer: asyncio.StreamWriter, request: bytes) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nX: ")
    await for_ever(writer, request)


async def keeps_silent(writer: asyncio.StreamWriter, _: bytes) -> None:
    await asyncio.get_running_loop().create_future()


@pytest.mark.parametrize("says", [keeps_silent, for_ever, drips_headers])
async def test_one_that_does_not_come_to_an_end_is_left(
    monkeypatch: pytest.MonkeyPatch, says: Says
) -> None:
    monkeypatch.setattr(_management, "_WITHIN", 0.2)
    async with serving(says) as management, asyncio.timeout(5):
        assert "no answer in 0.2 s" in await refusal(management, DriverUnavailable)


async def test_pages_without_end_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_management, "_WITHIN", 0.5)
    page = response(b'{"items":[],"page_count":999999999}')
    async with serving(saying(page)) as management, asyncio.timeout(5):
        assert "no answer in 0.5 s" in await refusal(management, DriverUnavailable)


async def test_an_answer_that_is_too_large_is_not_read_to_its_end() -> None:
    sent = 0

    async def says(writer: asyncio.StreamWriter, _: bytes) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()
            sent += 65536

    async with serving(says) as management:
        assert "more than 4194304 bytes" in await refusal(management, BackendRefused)
    assert sent < 20_000_000


@pytest.mark.parametrize(
    ("data", "kind", "told"),
    [
        (b"", DriverUnavailable, "is the management plugin enabled there"),
        (response(b"{}" * 50)[:-1], DriverUnavailable, "IncompleteRead"),
        (response(b"busy", "503 Service Unavailable"), DriverUnavailable, "status 503"),
        (response(b"slower", "429 Too Many Requests"), DriverUnavailable, "status 429"),
        (b"AMQP\x00\x00\x09\x01", BackendRefused, "no management plugin of RabbitMQ answers"),
        (response(b"<html>"), BackendRefused, "is no management plugin"),
        (response(b'{"items":[{}],"page_count":1}'), BackendRefused, "is no management plugin"),
        (response(b"", "301 Moved"), BackendRefused, "name that place in rabbitmq_management_url"),
        (response(b'["no"]', "403 Forbidden"), BackendRefused, "status 403; wrong user or"),
        (response(b"", "418 Teapot"), BackendRefused, "status 418"),
    ],
    ids=["nothing", "half", "503", "429", "amqp", "html", "other", "301", "403", "418"],
)
async def test_every_other_answer_is_told(data: bytes, kind: type[DriverError], told: str) -> None:
    async with serving(saying(data)) as management:
        said = await refusal(management, kind)
    assert said.startswith("http://127.0.0.1:")
    assert told in said


async def test_what_the_server_says_is_told_in_one_short_line() -> None:
    reason = '{"reason": "a\\n\\u001bb%s"}' % ("x" * 1000)
    async with serving(saying(response(reason.encode(), "400 Bad"))) as management:
        said = await refusal(management, BackendRefused)
    assert len(said) < 300
    assert said.isprintable()


async def test_where_no_tls_is_spoken_that_is_told() -> None:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(response(b"", "400 Bad Request"))
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        management = Management(f"https://app:tiger@127.0.0.1:{port}")
        assert "no TLS is spoken there" in await refusal(management, BackendRefused)


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    async with serving(keeps_silent) as management:
        pass
    assert "cannot be reached" in await refusal(management, DriverUnavailable)


async def test_several_pages_are_one_answer_also_if_the_last_has_gone() -> None:
    async def says(writer: asyncio.StreamWriter, request: bytes) -> None:
        number = int(request.partition(b"page=")[2].partition(b"&")[0])
        page = b'{"items":[{"name":"q%d","messages":%d}],"page_count":3}' % (number, number)
        gone = response(b'{"error":"page_out_of_range"}', "400 Bad Request")
        writer.write(response(page) if number < 3 else gone)

    async with serving(says) as management:
        assert await management.queues("/") == {
            "q1": QueueNumbers(None, None, 1),
            "q2": QueueNumbers(None, None, 2),
        }


async def test_user_vhost_and_prefix_are_sent_as_they_are_named() -> None:
    heard: list[bytes] = []

    async def says(writer: asyncio.StreamWriter, request: bytes) -> None:
        heard.append(request)
        writer.write(response(b'{"items":[],"page_count":0}'))

    async with serving(says) as management:
        await management.queues("a/b ü?")
    assert heard[0].startswith(b"GET /api/queues/a%2Fb%20%C3%BC%3F?page=1&")
    assert b"\r\nAuthorization: Basic YXBwOnRpZ2Vy\r\n" in heard[0]  # app:tiger
    assert b"\r\nHost: 127.0.0.1:" in heard[0]


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("app:tiger@host", "no URL"),
        ("amqp://app:tiger@host", "it begins with amqp://"),
        ("http://app:ti/ger@host", "a #, or an @"),
        ("http://app:tiger@host:x", "a port is not"),
        ("http://app:tiger@", "a host is missing"),
        ("http://app:tiger@a,b", "a host cannot be read"),
        ("http://app:tiger%FF@host", "not UTF-8"),
        ("http://app:tiger@host?cafile=ca.pem", "cafile is for https:// only"),
        ("https://app:tiger@host?cafil=ca.pem", "no parameter 'cafil': did you mean cafile"),
    ],
)
async def test_a_url_that_leads_nowhere_is_refused_and_not_told(url: str, told: str) -> None:
    with pytest.raises(ConfigError, match=rf"^rabbitmq_management_url: .*{told}.*; exp") as raised:
        Management(url)
    assert "tiger" not in repr(raised.value)
    assert raised.value.__context__ is None
