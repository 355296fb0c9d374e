"""A third party's driver: the memory driver under another name, with options of its own."""

from __future__ import annotations

from echo_driver_options import EchoOptions

from asynctasq.driver import Context
from asynctasq.memory import MemoryDriver


class EchoDriver(MemoryDriver):
    """Keeps messages in this process, and knows how to greet."""

    name = "echo"

    def __init__(self, options: EchoOptions, context: Context) -> None:
        super().__init__(None, context)
        self.greeting = options.echo_greeting
        self.token = options.echo_token
