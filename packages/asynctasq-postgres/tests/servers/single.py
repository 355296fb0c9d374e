"""Single servers with a way in of their own: TLS, a password, a role with few rights."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import trustme

from tools.backends import Room

from .own import HOST, ask, server

_HBA = "pg_hba.conf"
_OURS = f"host all postgres {HOST}/32 trust\n"
"""So that a test may ask the server about itself, whoever else is let in."""


@dataclass(frozen=True)
class Single:
    """One server, and where its clients find it. `room.url` is that of who may do anything."""

    room: Room
    url: str
    other_url: str
    """The same server by another way; what that is, its maker says."""


@contextmanager
def tls(*, clients: bool = False) -> Generator[Single]:
    """One that lets `app` in over TLS only; the other URL goes there without.

    With `clients` it wants a certificate of who comes; the other URL has none.
    """
    authority = trustme.CA()
    own = authority.issue_cert(HOST)
    client = authority.issue_cert("app@example.org", common_name="app")
    way = f"hostssl all app {HOST}/32 {'cert' if clients else 'trust'}\n"
    files = {_HBA: _OURS + way, "ca.pem": _text(authority.cert_pem), **_pair("server", own)}
    names = ("ssl=on", "ssl_ca_file=ca.pem", "ssl_cert_file=server.pem", "ssl_key_file=server.key")
    with (
        tempfile.TemporaryDirectory(prefix="asynctasq-tls-") as folder,
        server(*(word for name in names for word in ("-c", name)), files=files) as room,
    ):
        for name, text in {"ca.pem": files["ca.pem"], **_pair("client", client)}.items():
            Path(folder, name).write_text(text, encoding="ascii")
            Path(folder, name).chmod(0o600)  # a client refuses a key that others may read
        _create_owner(room, "app")
        verified = f"{_as(room, 'app')}?sslmode=verify-full&sslrootcert={folder}/ca.pem"
        mine = f"{verified}&sslcert={folder}/client.pem&sslkey={folder}/client.key"
        plain = f"{_as(room, 'app')}?sslmode=disable"
        yield Single(room, mine, verified) if clients else Single(room, verified, plain)


@contextmanager
def with_password() -> Generator[Single]:
    """One that lets in `app` with its password, `secret`; the other URL has none."""
    files = {_HBA: _OURS + f"host all app {HOST}/32 scram-sha-256\n"}
    with server(files=files) as room:
        _create_owner(room, "app", "LOGIN PASSWORD 'secret'")
        yield Single(room, _as(room, "app:secret"), _as(room, "app"))


@contextmanager
def few_rights() -> Generator[Single]:
    """One where `app` may read and write the rows of `owner`'s tables, and do nothing else.

    So it may create no table; the other URL is the owner's.
    """
    with server() as room:
        _create_owner(room, "owner")
        ask(room, "CREATE ROLE app LOGIN")
        for sql in (
            "REVOKE ALL ON DATABASE test FROM PUBLIC",
            "REVOKE ALL ON SCHEMA public FROM PUBLIC",
            "GRANT CONNECT ON DATABASE test TO app",
            "GRANT USAGE ON SCHEMA public TO app",
            "ALTER DEFAULT PRIVILEGES FOR ROLE owner "
            "GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO app",
        ):
            ask(room, sql)
        yield Single(room, _as(room, "app"), _as(room, "owner"))


def _create_owner(room: Room, name: str, options: str = "LOGIN") -> None:
    """Who may do anything in the database `test`, and nothing elsewhere."""
    ask(room, f"CREATE ROLE {name} {options}")
    ask(room, f"ALTER DATABASE test OWNER TO {name}")
    ask(room, f"ALTER SCHEMA public OWNER TO {name}")


def _as(room: Room, user: str) -> str:
    return urlsplit(room.url)._replace(netloc=f"{user}@{HOST}:{room.port}").geturl()


def _pair(name: str, issued: trustme.LeafCert) -> dict[str, str]:
    """Files with a certificate and its key."""
    chain = "".join(map(_text, issued.cert_chain_pems))
    return {f"{name}.pem": chain, f"{name}.key": _text(issued.private_key_pem)}


def _text(blob: trustme.Blob) -> str:
    return blob.bytes().decode("ascii")
