"""Single servers with a way in of their own: TLS, a Unix socket, a user with few rights."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme

from tools.backends import Room

from .own import HOST, server

RIGHTS = (
    "~queue:* ~asynctasq:* &asynctasq:* "
    "+@read +@write +@scripting +@connection +@pubsub -@dangerous -@admin "
    "+info +time +wait +client|setname"
)
"""The least that a task queue needs: its keys and its channels, scripts, and WAIT for replicas.

TIME is in no group and scripts ask it; INFO is in a dangerous one, and CLIENT too on Redis 6.2. Who
has these cannot flush, list all keys, see what others do or change a setting.
"""
_SOCKET = "redis.sock"
_LONGEST = 100
"""Bytes in the path of a socket; the system's own limit is 107."""


@dataclass(frozen=True)
class Single:
    """One server, and where its clients find it."""

    room: Room
    url: str
    other_url: str
    """The same server by another way; what that is, its maker says."""


@contextmanager
def tls() -> Generator[Single]:
    """One that wants a certificate of its clients; the other URL has none."""
    authority = trustme.CA()
    own, client = authority.issue_cert(HOST), authority.issue_cert("app@example.org")
    files = {"ca.pem": _text(authority.cert_pem), **_pair("server", own)}
    names = ("--tls-ca-cert-file", "ca.pem", "--tls-cert-file", "server.pem")
    port = ("--tls-port", "{next_port}", "--tls-auth-clients", "yes")
    with (
        tempfile.TemporaryDirectory(prefix="asynctasq-tls-") as folder,
        server(*port, *names, "--tls-key-file", "server.key", files=files) as room,
    ):
        for name, text in {"ca.pem": files["ca.pem"], **_pair("client", client)}.items():
            Path(folder, name).write_text(text, encoding="ascii")
        anonymous = f"rediss://{HOST}:{room.port + 1}?ssl_ca_certs={folder}/ca.pem"
        mine = f"&ssl_certfile={folder}/client.pem&ssl_keyfile={folder}/client.key"
        yield Single(room, anonymous + mine, anonymous)


@contextmanager
def unix() -> Generator[Single]:
    """One on a Unix socket; the other URL is its port's."""
    with server("--unixsocket", _SOCKET) as room:
        path = room.data / _SOCKET
        if len(str(path)) >= _LONGEST:
            raise OSError(f"{path} is too long for a socket: set TMPDIR to a shorter one")
        yield Single(room, f"unix://{path}", room.url)


@contextmanager
def with_user() -> Generator[Single]:
    """One that lets in `app`, with `RIGHTS`; the other URL is of `admin`, who may do anything."""
    users = (
        "default off",
        f"app on >secret resetchannels {RIGHTS}",
        "admin on >secret ~* &* +@all",
    )
    words = (word for user in users for word in ("--user", *user.split()))
    with server(*words) as room:
        place = f"secret@{HOST}:{room.port}"
        yield Single(room, f"redis://app:{place}", f"redis://admin:{place}")


def _pair(name: str, issued: trustme.LeafCert) -> dict[str, str]:
    """Files with a certificate and its key."""
    chain = "".join(map(_text, issued.cert_chain_pems))
    return {f"{name}.pem": chain, f"{name}.key": _text(issued.private_key_pem)}


def _text(blob: trustme.Blob) -> str:
    return blob.bytes().decode("ascii")
