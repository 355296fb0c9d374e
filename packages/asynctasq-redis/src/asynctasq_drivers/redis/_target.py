"""Where a URL leads. Connects nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import parse_qs, urlsplit

from asynctasq.driver import Secret
from asynctasq.errors import ConfigError
from asynctasq_drivers.redis._client import RedisError, connection_of, new_connection
from asynctasq_drivers.redis._options import RedisOptions

Address = tuple[str, int]

_PLAIN: Final = ("redis", "rediss", "unix")
_EXPECTED: Final = (
    "expected redis://host:6379, rediss://host:6379, unix:///path/redis.sock, "
    "redis+sentinel://host:26379,host2:26379/service or redis+cluster://host:6379,host2:6379"
)


_PARAMETERS: Final = ("client_name", "db", "socket_connect_timeout", "socket_keepalive")
"""What may stand behind `?`, beside `ssl_...` of TLS: others would change what the driver reads."""


class Target(NamedTuple):
    """One server, a service that Sentinels watch, or a cluster."""

    kind: Literal["server", "sentinel", "cluster"]
    connection: Mapping[str, Any]
    """What a connection is made with."""
    addresses: tuple[Address, ...] = ()
    """Of the Sentinels, or of some nodes of the cluster."""
    service: str = ""
    """The name under which Sentinels know the master."""


def target_of(options: RedisOptions, url: Secret | None = None) -> Target:
    """What options lead to, or, with their password and database, another URL.

    Raises ConfigError, without the URL, which may hold a password.
    """
    text = (url or options.redis_url).reveal()
    scheme, separator, rest = text.partition("://")
    name = "redis_url" if url is None else "events_redis_url"
    family, _, kind = scheme.partition("+")
    try:
        if not separator or family not in _PLAIN or kind not in ("", "sentinel", "cluster"):
            raise ValueError(f"scheme {scheme[:20]!r}" if separator else "no URL")
        if family != "unix" and set("/?#") & set(rest.rpartition("@")[0]):
            raise ValueError("in a password, '/', '?' and '#' are written %2F, %3F and %23")
        if not kind:
            return Target("server", _with_defaults(_connection(text), options))
        return _several(kind, family, rest, options)
    except ValueError as error:
        raise ConfigError(f"{name}: {error}: {_EXPECTED}") from None


def _connection(url: str) -> dict[str, Any]:
    """What a connection to a single server is made with. Raises ValueError."""
    split = urlsplit(url)
    tls, local = split.scheme == "rediss", split.scheme == "unix"
    for name in parse_qs(split.query, keep_blank_values=True):
        if name not in _PARAMETERS and not (tls and name.startswith("ssl_")):
            raise ValueError(f"no parameter is named {name[:50]!r}")
    database = split.path.strip("/")
    if local and not database:
        raise ValueError("no path of a socket")
    if not local and database and not (database.isascii() and database.isdecimal()):
        raise ValueError(f"database {database[:20]!r}: no number")
    connection = connection_of(url)
    try:
        new_connection(connection)
    except (TypeError, RedisError) as error:
        raise ValueError(str(error)) from None
    return connection


def _several(kind: str, family: str, rest: str, options: RedisOptions) -> Target:
    """A URL with several hosts. User, password and query are as in one for a single server."""
    split = urlsplit(f"//{rest}")
    user, at, hosts = split.netloc.rpartition("@")
    addresses = tuple(
        _address(host, 26379 if kind == "sentinel" else 6379) for host in hosts.split(",")
    )
    first, path = split.path.strip("/").partition("/")[::2]
    database = path if kind == "sentinel" else first
    query = f"?{split.query}" if split.query else ""
    connection = _connection(f"{family}://{user}{at}{addresses[0][0]}/{database}{query}")
    connection = {k: v for k, v in connection.items() if k not in ("host", "port")}
    connection = _with_defaults(connection, options)
    if kind == "sentinel":
        if not first:
            raise ValueError("no name of the service that the Sentinels watch")
        return Target("sentinel", connection, addresses, first)
    if connection.pop("db", 0):
        raise ValueError("a cluster has no numbered databases: leave redis_db at 0")
    return Target("cluster", connection, addresses)


def _address(host: str, port: int) -> Address:
    name, colon, number = host.rpartition(":")
    if not colon:
        name = host
    if not name or (colon and not (number.isascii() and number.isdecimal())):
        raise ValueError(f"host {host[:100]!r}")
    return name.strip("[]"), int(number) if colon else port


def _with_defaults(connection: dict[str, Any], options: RedisOptions) -> dict[str, Any]:
    connection.setdefault("db", options.redis_db)
    if options.redis_password is not None:
        connection.setdefault("password", options.redis_password.reveal())
    return connection
