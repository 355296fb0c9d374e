"""The options of a distribution that carries events over a socket."""

from __future__ import annotations

from msgspec import Struct


class Options(Struct, frozen=True, kw_only=True):
    enable_event_emitter_wire: bool = False
    wire_port: int = 0
