"""Single brokers with a way in of their own: TLS, a user with few rights."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import trustme

from tools.backends import Room

from .own import HOST, ask, server, tls_port, vhost_of, wait_for

_TLS = """\
listeners.ssl.1 = 127.0.0.1:{{tls_port}}
ssl_options.cacertfile = ca.pem
ssl_options.certfile = server.pem
ssl_options.keyfile = server.key
ssl_options.verify = {verify}
ssl_options.fail_if_no_peer_cert = {required}
"""
_USER = """\
rabbit_auth_backend_internal:add_user(<<"{user}">>, <<"secret">>, <<"tests">>),
rabbit_auth_backend_internal:set_permissions(
    <<"{user}">>, <<"{vhost}">>, <<"{configure}">>, <<"{write}">>, <<"{read}">>, <<"tests">>).
"""


@dataclass(frozen=True)
class Single:
    """One broker, and where its clients find it. `room.url` is that of who may do anything."""

    room: Room
    url: str
    other_url: str
    """The same broker by another way; what that is, its maker says."""
    authority: str = ""
    """The file with the certificate that vouches for it."""


@contextmanager
def tls(*, clients: bool = False) -> Generator[Single]:
    """One whose TLS listener has a certificate; the other URL goes there and trusts nobody.

    With `clients` it wants a certificate of who comes; the other URL has none.
    """
    authority = trustme.CA()
    own = authority.issue_cert(HOST)
    client = authority.issue_cert("app@example.org", common_name="app")
    verify = "verify_peer" if clients else "verify_none"
    conf = _TLS.format(verify=verify, required=str(clients).lower())
    files = {"ca.pem": _text(authority.cert_pem), **_pair("server", own)}
    with (
        tempfile.TemporaryDirectory(prefix="asynctasq-tls-") as folder,
        server(conf, files=files) as room,
    ):
        for name, text in {"ca.pem": files["ca.pem"], **_pair("client", client)}.items():
            Path(folder, name).write_text(text, encoding="ascii")
            Path(folder, name).chmod(0o600)
        wait_for(lambda: _listens(tls_port(room)), "a listener for TLS")  # which comes second
        plain = f"amqps://guest:guest@{HOST}:{tls_port(room)}/"
        verified = f"{plain}?cafile={folder}/ca.pem"
        mine = f"{verified}&certfile={folder}/client.pem&keyfile={folder}/client.key"
        other = verified if clients else plain
        yield Single(room, mine if clients else verified, other, f"{folder}/ca.pem")


@contextmanager
def with_user(room: Room, configure: str, write: str, read: str) -> Generator[Single]:
    """In a virtual host there, `app` may do what these patterns allow; the other is guest's URL."""
    with vhost_of(room) as url:
        parts = urlsplit(url)
        vhost, user = parts.path[1:], f"app-{parts.path[1:]}"
        rights = {"configure": configure, "write": write, "read": read}
        escaped = {name: pattern.replace("\\", "\\\\") for name, pattern in rights.items()}
        ask(room, _USER.format(user=user, vhost=vhost, **escaped))
        place = f"{quote(user)}:secret@{HOST}:{room.port}"
        yield Single(room, parts._replace(netloc=place).geturl(), url)


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False


def _pair(name: str, issued: trustme.LeafCert) -> dict[str, str]:
    """Files with a certificate and its key."""
    chain = "".join(map(_text, issued.cert_chain_pems))
    return {f"{name}.pem": chain, f"{name}.key": _text(issued.private_key_pem)}


def _text(blob: trustme.Blob) -> str:
    return blob.bytes().decode("ascii")
