"""A URL is read as aiormq is to read it; one that leads nowhere is refused, and nothing is told."""

from __future__ import annotations

import asyncio
import base64
import traceback

import pytest
from aiormq.connection import Connection

from asynctasq.errors import ConfigError
from asynctasq_drivers.rabbitmq._url import hosts, shown

WRONG = {
    "app:tiger@host/shop": "no URL",
    "tiger": "no URL",
    "": "no URL",
    "app:ti://ger@host/shop": "no URL",
    "redis://app:tiger@host/shop": "it begins with redis://",
    "amqp://app:ti/ger@host:5672/shop": "a #, or an @",
    "amqp://app:ti#ger@host/shop": "a #, or an @",
    "amqp://app:ti?ger@host/shop": "a #, or an @",
    "amqp://app:ti@ger@host/shop": "a #, or an @",
    "amqp://app:ti ger@host/shop": "a space",
    "amqp://app:ti\nger@host/shop": "a line end",
    "amqp://app:ti[ger@host/shop": "host cannot be read",
    "amqp://app:tiger\N{FULLWIDTH COMMERCIAL AT}@host/shop": "host cannot be read",
    "amqp://app:tiger\udcff@host/shop": "not UTF-8",
    "amqp://app:tiger%FF@host/shop": "not UTF-8",
    "amqp://app:ti,http://ger@host/shop": "a #, or an @",
    "amqp://app:tiger@host:port/shop": "a port is not",
    "amqp://app:tiger@host:0/shop": "a port is not",
    "amqp://app:tiger@host:65536/shop": "a port is not",
    f"amqp://app:tiger@host:{'9' * 5000}/shop": "a port is not",
    "amqp://app:tiger@host,other:x/shop": "a port is not",
    "amqp://app:tiger@::1:5672/shop": "a host is missing",
    "amqp://app:tiger@[::1]x:5672/shop": "host cannot be read",
    "amqp://app:tiger@[:::1]:5672/shop": "host cannot be read",
    "amqp://app:tiger@ho..st/shop": "host cannot be read",
    "amqp://app:tiger@/shop": "a host is missing",
    "amqp://app:tiger@host,/shop": "a host is missing",
    "amqp://app:tiger@host/shop,http://other/": "is not written %2F",
    "amqp://app:tiger@host/shop/": "is not written %2F",
    "amqp://app:tiger@host/..": "vhost of that name",
    "amqp://app:tiger@host/a%252Fb": "vhost of that name",
    f"amqp://app:tiger@host/{'x' * 256}": "more than 255 bytes",
    "amqp://app:tiger@host/shop?tiger": "behind \\? cannot be read",
    "amqp://app:tiger@host/shop?name=%FF": "behind \\? cannot be read",
    "amqp://app:tiger@host/shop?heartbeet=3": "no parameter 'heartbeet': did you mean heartbeat",
    "amqp://app:tiger@host/shop?timeout=3": "no parameter 'timeout', only heartbeat, name",
    "amqp://app:tiger@host/shop?heartbeat=0": "heartbeat is not a whole number of seconds from 1",
    "amqp://app:tiger@host/shop?heartbeat=2.5": "heartbeat is not",
    "amqp://app:tiger@host/shop?heartbeat=": "heartbeat is not",
    "amqp://app:tiger@host/shop?heartbeat=1&heartbeat=2": "stands twice",
    "amqp://app:tiger@host/shop?name=": "name is empty",
    "amqp://app:tiger@host/shop?auth=amqplain": "auth is neither",
    "amqp://app:tiger@host/shop?cafile=a.pem": "cafile is for amqps:// only",
    "amqp://app:tiger@host/shop?no_verify_ssl=1": "no_verify_ssl is for amqps:// only",
    "amqps://app:tiger@host/shop?no_verify_ssl=never": "no_verify_ssl is neither",
    "amqps://app:tiger@host/shop?keyfile=a.key": "keyfile without certfile",
    "amqps://app:tiger@host/shop?cadata=-": "cadata is not base64",
}


@pytest.mark.parametrize("url", WRONG, ids=lambda url: ascii(url)[:60])
def test_what_leads_nowhere_is_refused_and_not_told(url: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"^rabbitmq_url: .*{WRONG[url]}.*; expected amqp://"
    ) as e:
        hosts(url)
    told = repr(e.value) + "".join(traceback.format_exception_only(e.value))
    for part in ("tiger", "'ti'", "ti/", "ger@", "shop"):
        assert part not in told
    assert e.value.__cause__ is None
    assert e.value.__context__ is None


def as_read(url: str) -> Connection:
    """By aiormq, which connects later."""
    (one,) = hosts(url)

    async def read() -> Connection:
        return Connection(one)

    return asyncio.run(read())


@pytest.mark.parametrize(
    ("url", "vhost"),
    [
        ("amqp://host", "/"),
        ("amqp://host/", "/"),
        ("amqp://host//", "/"),
        ("amqp://host/%2F", "/"),
        ("amqp://host/%2f", "/"),
        ("amqp://host/shop", "shop"),
        ("amqp://host/%2Fshop", "/shop"),
        ("amqp://host/a%2Fb%2fc", "a/b/c"),
        ("amqp://host/100%25", "100%"),
        ("amqp://host/a%20b%3Fc%23d%40e%5Cf", "a b?c#d@e\\f"),
        ("amqp://host/a+b", "a+b"),
        ("amqp://host/Größe", "Größe"),
        ("amqp://host/Gr%C3%B6%C3%9Fe?heartbeat=3", "Größe"),
        (f"amqp://host/{'x' * 255}", "x" * 255),
    ],
)
def test_the_vhost_is_the_one_that_is_named(url: str, vhost: str) -> None:
    assert as_read(url).vhost == vhost


@pytest.mark.parametrize(
    ("userinfo", "user", "password"),
    [
        ("", None, None),
        ("app@", "app", None),
        ("app:tiger@", "app", "tiger"),
        ("a%40b:t%2Fi%23g%3Ae%25r%20%2B+@", "a@b", "t/i#g:e%r ++"),
        ("app:ti:ger@", "app", "ti:ger"),
        ("app:ti,ger@", "app", "ti,ger"),
        ("app:100%@", "app", "100%"),
        ("app:Gr%C3%B6%C3%9Fe@", "app", "Größe"),
        ("app:Größe@", "app", "Größe"),
    ],
)
def test_user_and_password_are_those_that_are_given(
    userinfo: str, user: str | None, password: str | None
) -> None:
    read = as_read(f"amqp://{userinfo}host/").url
    assert (read.user, read.password) == (user, password)


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("amqp://host", "host", 5672),
        ("amqp://host:", "host", 5672),
        ("amqps://host", "host", 5671),
        ("AMQPS://host.example.:1", "host.example.", 1),
        ("amqp://127.0.0.1:65535/", "127.0.0.1", 65535),
        ("amqp://[::1]", "::1", 5672),
        ("amqps://app:tiger@[2001:db8::1]:7/", "2001:db8::1", 7),
        ("amqp://[fe80::1%25eth0]/", "fe80::1%eth0", 5672),
        ("amqp://under_score/", "under_score", 5672),
    ],
)
def test_host_and_port_are_those_that_are_named(url: str, host: str, port: int) -> None:
    read = as_read(url).url
    assert (read.host, read.port) == (host, port)


def test_several_hosts_share_all_but_their_ports_and_keep_their_order() -> None:
    assert hosts("amqp://user:pw@h1:5672,h2:5673,[::1],h1/vhost?heartbeat=20") == (
        "amqp://user:pw@h1:5672/vhost?heartbeat=20",
        "amqp://user:pw@h2:5673/vhost?heartbeat=20",
        "amqp://user:pw@[::1]:5672/vhost?heartbeat=20",
        "amqp://user:pw@h1:5672/vhost?heartbeat=20",
    )


@pytest.mark.parametrize("comma", [",", ", ", " ,\n"])
def test_several_urls_share_nothing(comma: str) -> None:
    assert hosts(f"amqp://a:b@c,d/e{comma}amqps://f/?heartbeat=3{comma}AMQP://g ") == (
        "amqp://a:b@c:5672/e?heartbeat=10",
        "amqp://a:b@d:5672/e?heartbeat=10",
        "amqps://f:5671/%2F?heartbeat=3",
        "amqp://g:5672/%2F?heartbeat=10",
    )


@pytest.mark.parametrize(("told", "read"), [("", 10), ("?heartbeat=1", 1), ("?heartbeat=60", 60)])
def test_a_heartbeat_is_never_left_out(told: str, read: int) -> None:
    assert as_read(f"amqp://host/{told}").heartbeat_timeout == read


def test_every_parameter_is_what_aiormq_reads() -> None:
    data = bytes(range(240, 256)) * 3
    told = base64.b64encode(data).decode()
    assert set("+/") < set(told)
    for cadata in (told, told.replace("+", "%2B")):  # a bare + means a space in a query
        read = as_read(
            f"amqps://h?name=a+b%26&auth=EXTERNAL&cafile=/c%20a.pem&capath=/d&cadata={cadata}"
            "&certfile=c.pem&keyfile=k.pem&no_verify_ssl=1&heartbeat=007"
        )
        assert read.connection_name == "a b&"
        assert read.url.query["auth"] == "external"
        assert read.heartbeat_timeout == 7
        certs = read.ssl_certs
        assert (certs.cafile, certs.capath, certs.cadata) == ("/c a.pem", "/d", data)
        assert (certs.cert, certs.key, certs.verify) == ("c.pem", "k.pem", False)


@pytest.mark.parametrize("word", ["", *(f"?no_verify_ssl={no}" for no in ("0", "no", "False"))])
def test_certificates_are_verified_unless_that_is_refused(word: str) -> None:
    assert as_read(f"amqps://host/{word}").ssl_certs.verify


def test_what_has_been_read_once_stays_as_it_is_when_read_again() -> None:
    told = "amqps://a%40:t%2Fi%25@[::1]:7/a%2Fb%25?name=a+b&no_verify_ssl=yes"
    (once,) = hosts(told)
    assert hosts(once) == (once,)


def test_what_is_shown_has_no_user_no_password_and_no_parameter() -> None:
    url = "amqp://app:tiger@h1,h2:3/shop?name=x,amqps://app:ti%2Cger@[::1]/"
    assert shown(url) == "amqp://h1:5672/shop, amqp://h2:3/shop, amqps://[::1]:5671/%2F"
