"""The HTTP interface of RabbitMQ's management plugin: numbers that AMQP does not give.

Its figures are up to five seconds old: queues tell theirs at that interval.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from http.client import HTTPException, IncompleteRead, RemoteDisconnected
from typing import Final, NamedTuple
from urllib.parse import quote

import msgspec
from msgspec import Struct

from asynctasq.errors import BackendRefused, ConfigError, DriverError, DriverUnavailable
from asynctasq_drivers.rabbitmq._http import Answer, Site, get, site
from asynctasq_drivers.rabbitmq._parts import Wrong

_EXPECTED: Final = (
    "expected http://user:password@host:15672, or https:// with `?cafile=` for a CA of your own, "
    "where all but letters and digits of user and password is percent-encoded"
)
_WITHIN: Final = 5.0
"""Seconds for all that one call asks."""
_PAGE: Final = 500
"""Queues; the plugin gives no more at a time."""


class QueueNumbers(NamedTuple):
    """How many messages a queue has; None where it has not said so."""

    messages_ready: int | None = None
    messages_unacknowledged: int | None = None
    messages: int | None = None


class _Queue(Struct, frozen=True, kw_only=True):
    name: str
    messages_ready: int | None = None
    messages_unacknowledged: int | None = None
    messages: int | None = None

    def numbers(self) -> QueueNumbers:
        return QueueNumbers(self.messages_ready, self.messages_unacknowledged, self.messages)


class _Page(Struct, frozen=True):
    items: list[_Queue]
    page_count: int


class Management:
    """That of one broker, or of a cluster: each node knows of the queues of all."""

    def __init__(self, url: str) -> None:
        """Connects nowhere. Raises `ConfigError`."""
        self._site = _site(url)

    async def queues(self, vhost: str) -> dict[str, QueueNumbers]:
        """All queues of a vhost, by name. Raises `DriverUnavailable` and `BackendRefused`."""
        try:
            async with asyncio.timeout(_WITHIN):
                return await self._queues(vhost)
        except (OSError, HTTPException, UnicodeError) as error:
            raise _of_asking(error, self._site.shown) from error

    async def _queues(self, vhost: str) -> dict[str, QueueNumbers]:
        found: dict[str, QueueNumbers] = {}
        number, last = 1, 1
        while number <= last:
            answer = await get(self._site, f"/api/queues/{quote(vhost, safe='')}", _asked(number))
            if answer.status == 400 and number > 1:
                break  # that page has gone since, with the queues that were on it
            page = _page(answer, self._site.shown, vhost)
            found |= {queue.name: queue.numbers() for queue in page.items}
            number, last = number + 1, page.page_count
        return found


def _site(url: str) -> Site:
    try:
        return site(url.strip())
    except Wrong as error:
        wrong = str(error)
    except UnicodeError:
        wrong = "it is not UTF-8"
    # Out here, where no error that quotes the URL is the context of this one.
    raise ConfigError(f"rabbitmq_management_url: {wrong}; {_EXPECTED}")


def _asked(number: int) -> dict[str, str]:
    """Numbers from the queues themselves: statistics would be older, and may be switched off."""
    return {
        "page": str(number),
        "page_size": str(_PAGE),
        "sort": "name",
        "disable_stats": "true",
        "enable_queue_totals": "true",
        "columns": ",".join(("name", *QueueNumbers._fields)),
    }


def _page(answer: Answer, where: str, vhost: str) -> _Page:
    if answer.status != 200:
        raise _of_status(answer, where, vhost)
    try:
        return msgspec.json.decode(answer.body, type=_Page)
    except msgspec.DecodeError as error:
        raise BackendRefused(f"{where} is no management plugin of RabbitMQ: {error}") from error


class _Reason(Struct):
    reason: str = ""


def _of_status(answer: Answer, where: str, vhost: str) -> DriverError:
    said = ""
    with suppress(msgspec.DecodeError):
        said = _line(msgspec.json.decode(answer.body, type=_Reason).reason)
    told = f"{where}: status {answer.status}" + (f", {said}" if said else "")
    if answer.status >= 500 or answer.status == 429:
        return DriverUnavailable(told)
    hint = _hint(answer.status, said, vhost)
    return BackendRefused(f"{told}; {hint}" if hint else told)


def _hint(status: int, said: str, vhost: str) -> str:
    if 300 <= status < 400:
        return "it leads elsewhere: name that place in rabbitmq_management_url"
    if status == 404:
        return (  # RabbitMQ 4.3 does not tell who has no right in it whether it is there
            f"there is no vhost {vhost!r}, or this user has no right in it (rabbitmqctl "
            "set_permissions), or the management plugin is not what answers there"
        )
    if status not in (401, 403):
        return ""
    if "virtual host" in said:
        return f"give this user a right in vhost {vhost!r} (rabbitmqctl set_permissions)"
    if "Not management user" in said:
        return "give this user the tag `management` or `monitoring` (rabbitmqctl set_user_tags)"
    return (
        "wrong user or password? See rabbitmq_management_url; guest is let in from localhost only"
    )


def _of_asking(error: Exception, where: str) -> DriverError:
    """The contract's error for no answer, or one that is none of HTTP."""
    said = _line(str(error)) or f"no answer in {_WITHIN:g} s"
    if isinstance(error, ssl.SSLCertVerificationError | FileNotFoundError):
        return BackendRefused(f"{where}: {said}; see `cafile` in rabbitmq_management_url")
    if isinstance(error, ssl.SSLError) and error.reason == "WRONG_VERSION_NUMBER":
        return BackendRefused(f"{where}: no TLS is spoken there")
    if isinstance(error, OSError | IncompleteRead | RemoteDisconnected):
        return DriverUnavailable(
            f"{where} cannot be reached: {said}; is the management plugin enabled there "
            "(rabbitmq-plugins enable rabbitmq_management), and is this its port?"
        )
    return BackendRefused(f"{where}: {said}; no management plugin of RabbitMQ answers there")


def _line(text: str) -> str:
    """A short one, which moves no cursor."""
    words = " ".join(text.split())[:200]
    return "".join(letter if letter.isprintable() else "?" for letter in words)
