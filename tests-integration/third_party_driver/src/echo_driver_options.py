"""The options of the driver `echo`, in a module that imports no client library."""

from __future__ import annotations

import msgspec

from asynctasq.driver import Secret


class EchoOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the driver `echo` can be told."""

    echo_greeting: str = "hello"
    echo_token: Secret | None = None
