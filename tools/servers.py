"""The servers that tests need, where they are looked for, and whether one answers there."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:  # tools/services.py runs before anything is installed that this imports
    from tools.workspace import Package

DEFAULTS = {
    "mysql": "mysql://root@127.0.0.1:3306/test",
    "postgres": "postgresql://postgres@127.0.0.1:5432/test",
    "rabbitmq": "amqp://guest:guest@127.0.0.1:5672/",
    "redis": "redis://127.0.0.1:6379",
}
"""Where a server is looked for unless its variable says otherwise."""

_PATIENCE = 2.0


@dataclass(frozen=True)
class Server:
    """A server that a package's tests need."""

    name: str
    url: str | None
    """None: neither given nor known by default."""

    @property
    def variable(self) -> str:
        """The environment variable that says where it is, and by which tests are told."""
        return f"ASYNCTASQ_TEST_{self.name.upper()}_URL"

    def problem(self) -> str | None:
        """Why it cannot be used; None: something listens there."""
        if self.url is None:
            return f"no server: set {self.variable}"
        parts = urlsplit(self.url)
        try:
            place = (parts.hostname or "", parts.port or 0)
            socket.create_connection(place, timeout=_PATIENCE).close()
        except (OSError, ValueError) as error:
            where = parts.netloc.rpartition("@")[2]
            return f"no {self.name} at {where} ({error}): start one, or set {self.variable}"
        return None


def server(name: str, environment: Mapping[str, str] = os.environ) -> Server:
    """The server of that name: where its variable says, else at its default port."""
    unplaced = Server(name, None)
    return Server(name, environment.get(unplaced.variable) or DEFAULTS.get(name))


def problems(packages: Iterable[Package]) -> dict[str, str | None]:
    """For each server that a package names, why it cannot be used; None: it can."""
    names = {package.server for package in packages if package.server}
    return {name: server(name).problem() for name in sorted(names)}


def told(packages: Iterable[Package]) -> dict[str, str]:
    """The environment in which tests find the servers that can be used."""
    usable = [server(name) for name, problem in problems(packages).items() if problem is None]
    return {known.variable: known.url for known in usable if known.url}
