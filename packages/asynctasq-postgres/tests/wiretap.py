"""What drivers say to a server, overheard on the way: every statement that runs, in its order."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from .servers import proxy as proxies
from .servers.wire import Conversation


@dataclass
class Wiretap:
    """On all connections by way of ``url``."""

    url: str = ""
    statements: list[str] = field(default_factory=list)
    """Those that were run, by whichever name."""
    prepared: list[str] = field(default_factory=list)
    round_trips: int = 0
    """How often an answer was asked for."""

    def forget(self) -> None:
        """Begin anew."""
        self.statements.clear()
        self.prepared.clear()
        self.round_trips = 0


@contextmanager
def overheard(url: str) -> Generator[Wiretap]:
    """A way to that server on which all is noted."""
    tap = Wiretap()

    class Noted(Conversation):
        def _understand(self, kind: bytes, body: bytes) -> tuple[bytes, int] | None:
            run = super()._understand(kind, body)
            if run is not None:
                tap.statements.append(run[0].decode())
            if kind == b"P":
                tap.prepared.append(body.split(b"\0", 2)[1].decode())
            tap.round_trips += kind in (b"Q", b"S", b"H")  # Query, Sync, Flush
            return run

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(proxies, "Conversation", Noted)
        with proxies.proxy(url) as between:
            tap.url = between.url
            yield tap
