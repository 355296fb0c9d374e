"""Where `rabbitmq_url` leads: the brokers to try, in order. Connects nowhere.

aiormq takes a URL for one host, and what it does not know or cannot read in it for nothing: here
that is refused.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import SplitResult, quote, urlencode, urlsplit

from asynctasq.errors import ConfigError
from asynctasq_drivers.rabbitmq._parts import (
    Reader,
    Wrong,
    decoded,
    is_within,
    not_empty,
    one_or_zero,
    parameters,
    place,
    split,
)

_PORTS: Final = {"amqp": 5672, "amqps": 5671}
_HEARTBEAT: Final = "10"
"""Seconds, where a URL does not say: a dead connection is known, and so left, in two or three."""
_EXPECTED: Final = (
    "expected amqp://user:password@host:5672,host2:5672/vhost, or amqps:// with TLS, where all but "
    "letters and digits of user, password and vhost is percent-encoded (`/` is %2F)"
)
_NEXT_URL: Final = re.compile(r"\s*,\s*(?=amqps?://)", re.IGNORECASE)
_LONGEST: Final = 255
"""Bytes of the name of a vhost, by the protocol."""


def hosts(url: str) -> tuple[str, ...]:
    """A URL for aiormq for each host of `rabbitmq_url`. Raises `ConfigError`."""
    try:
        return tuple(one for text in _NEXT_URL.split(url.strip()) for one in _of_each(text))
    except Wrong as error:
        wrong = str(error)
    except UnicodeError:
        wrong = "it is not UTF-8"
    # Out here, where no error that quotes the URL is the context of this one.
    raise ConfigError(f"rabbitmq_url: {wrong}; {_EXPECTED}")


def shown(url: str) -> str:
    """Where it leads, as may be told: without users, passwords and parameters."""
    parts = map(urlsplit, hosts(url))
    return ", ".join(f"{p.scheme}://{p.netloc.rpartition('@')[2]}{p.path}" for p in parts)


def _of_each(text: str) -> Iterator[str]:
    parts = split(text, _PORTS)
    user, at, places = parts.netloc.rpartition("@")
    before = ":".join(quote(decoded(part), safe="") for part in user.split(":", 1)) + at
    behind = f"/{_vhost(parts.path)}?{urlencode(_query(parts))}"
    for each in places.split(","):
        host, port = place(each, _PORTS[parts.scheme])
        yield f"{parts.scheme}://{before}{host}:{port}{behind}"


def _vhost(path: str) -> str:
    """Percent-encoded. No path, `/` and, as Celery has it, `//` are the vhost `/`."""
    if path in ("", "/", "//"):
        return "%2F"
    name = decoded(path[1:])
    if "/" in path[1:]:
        raise Wrong("its vhost has a / that is not written %2F")
    if len(name.encode()) > _LONGEST:
        raise Wrong(f"its vhost has more than {_LONGEST} bytes")
    if name in (".", "..") or "%2F" in name:  # for which aiormq would read another
        raise Wrong("a vhost of that name cannot be reached")
    return quote(name, safe="")


def _query(parts: SplitResult) -> dict[str, str]:
    found = parameters(parts.query, _PARAMETERS)
    if parts.scheme != "amqps" and (of_tls := _OF_TLS & found.keys()):
        raise Wrong(f"{min(of_tls)} is for amqps:// only")
    if "keyfile" in found and "certfile" not in found:
        raise Wrong("keyfile without certfile")
    return {"heartbeat": _HEARTBEAT, **found}


def _seconds(name: str, value: str) -> str:
    # Without heartbeats a connection that is dead would hold its messages for ever.
    if not is_within(value, 65534):
        raise Wrong(f"{name} is not a whole number of seconds from 1 to 65534")
    return str(int(value))


def _mechanism(name: str, value: str) -> str:
    if value.lower() not in ("plain", "external"):
        raise Wrong(f"{name} is neither plain nor external")
    return value.lower()


def _certificates(name: str, value: str) -> str:
    text = value.replace(" ", "+")  # what a + means in a query
    try:
        b64decode(text, validate=True)
    except binascii.Error:
        raise Wrong(f"{name} is not base64") from None
    return text


_PARAMETERS: Final[Mapping[str, Reader]] = {
    "heartbeat": _seconds,
    "name": not_empty,
    "auth": _mechanism,
    "cafile": not_empty,
    "capath": not_empty,
    "cadata": _certificates,
    "certfile": not_empty,
    "keyfile": not_empty,
    "no_verify_ssl": one_or_zero,  # aiormq takes all but 0 for yes: `no` and `false`, too
}
"""What aiormq acts on. It reads a `timeout`, too, and does nothing with it."""
_OF_TLS: Final = {"cafile", "capath", "cadata", "certfile", "keyfile", "no_verify_ssl"}
