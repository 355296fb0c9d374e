"""Whether `postgres_dsn` can be read: told before asyncpg reads it, whose words quote of it."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs, urlsplit

from asynctasq.errors import ConfigError

_EXPECTED: Final = (
    "expected postgresql://user:password@host:5432/database, where all but letters and digits of "
    "user and password is percent-encoded (`/` is %2F)"
)


def check_dsn(dsn: str) -> None:
    """Raise `ConfigError` for what can lead nowhere. It quotes no more than the scheme."""
    if not dsn.startswith(("postgresql://", "postgres://")):
        scheme = dsn.partition("://")[0] if "://" in dsn else ""
        wrong = f"it begins with {scheme}://" if scheme else "no URL"
    else:
        wrong = _wrong(dsn)
    if wrong:
        raise ConfigError(f"postgres_dsn: {wrong}; {_EXPECTED}")


def _wrong(dsn: str) -> str:
    try:
        parts = urlsplit(dsn)
        more = parse_qs(parts.query, strict_parsing=True) if parts.query else {}
    except ValueError:  # which may quote a part of the password
        return "its host, or what stands behind `?`, cannot be read"
    before, at, behind = parts.netloc.partition("@")
    places = behind if at else before
    if "#" in dsn or "@" in places:
        return "it has a # or more than one @"
    ports = [_port(place) for place in places.split(",")]
    ports += [port for value in more.get("port", ()) for port in value.split(",")]
    if not all(_is_port(port) for port in ports if port):
        return "a port is not a number from 1 to 65535"
    return ""


def _port(place: str) -> str:
    """Of `host:port` or `[address]:port`; empty where there is none."""
    address, closed, behind = place.partition("]")
    return (behind if closed else address).partition(":")[2]


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < int(text) < 65536
