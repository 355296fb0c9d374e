"""A DSN that leads nowhere is refused before anything is sent, and nothing of it is told."""

from __future__ import annotations

import traceback

import pytest

from asynctasq.errors import ConfigError

from .drivers import made

WRONG = [
    "postgresql+asyncpg://app:tiger@host/shop",
    "postgres+psycopg://app:tiger@host/shop",
    "mysql://app:tiger@host/shop",
    "app:tiger@host/shop",
    "tiger",
    "",
    "postgresql://app:ti/ger@host:5432/shop",
    "postgresql://app:ti#ger@host/shop",
    "postgresql://app:ti?ger@host/shop",
    "postgresql://app:ti@ger@host/shop",
    "postgresql://app:ti[ger@host/shop",
    "postgresql://app:tiger\N{FULLWIDTH COMMERCIAL AT}@host/shop",
    "postgresql://app:tiger@host:port/shop",
    "postgresql://app:tiger@host:0/shop",
    "postgresql://app:tiger@host:65536/shop",
    "postgresql://app:tiger@host,other:x/shop",
    "postgresql://app:tiger@::1:5432/shop",
    "postgresql://app:tiger@host/shop?tiger",
    "postgresql://app:tiger@/shop?host=a,b&port=5432,x",
]
RIGHT = [
    "postgres://host",
    "postgresql://",
    "postgresql:///shop",
    "postgresql://app:tiger@/shop",
    "postgresql://app:t%2Fg%23r%40@host:5432/shop",
    "postgresql://app@[::1]:5432,[fe80::1],host:1/shop?sslmode=require&application_name=a%23b",
    "postgresql://app@%2Frun%2Fpostgresql/shop",
    "postgresql://app@/shop?host=a,b&port=5432,5433",
]


@pytest.mark.parametrize("dsn", WRONG)
def test_what_leads_nowhere_is_refused_and_not_told(dsn: str) -> None:
    with pytest.raises(ConfigError, match=r"^postgres_dsn: .*; expected postgresql://") as raised:
        made(dsn)
    told = repr(raised.value) + "".join(traceback.format_exception_only(raised.value))
    for part in ("tiger", "'ti'", "ti/", "ger@", "host/", "shop"):
        assert part not in told
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


@pytest.mark.parametrize("dsn", RIGHT)
def test_what_asyncpg_can_read_is_not_refused(dsn: str) -> None:
    assert made(dsn).name == "postgres"
