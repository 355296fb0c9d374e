"""The server that the tests cut off and restart leaves nobody hanging."""

from __future__ import annotations

import socket
from contextlib import closing, suppress

import pytest

from .remote_server import HOST, Server

pytestmark = pytest.mark.once


def _is_ended(client: socket.socket) -> bool:
    """Whether the other side ends the connection, instead of keeping it open."""
    client.settimeout(5)
    with suppress(ConnectionError):
        return client.recv(1) == b""
    return True


@pytest.mark.parametrize("clients", [1, 2, 3])
def test_who_connects_while_it_is_cut_off_is_cut_off_too(clients: int) -> None:
    for _ in range(50):
        with Server() as server:
            callers = [socket.create_connection((HOST, server.port)) for _ in range(clients)]
        for caller in callers:
            with closing(caller):
                assert _is_ended(caller), "accepted, and then forgotten"


def test_it_can_be_cut_off_twice() -> None:
    with Server() as server:
        server.cut()
        server.cut()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((HOST, server.port))
        server.heal()
        socket.create_connection((HOST, server.port)).close()
