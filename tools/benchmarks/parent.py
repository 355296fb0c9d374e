"""A child's side of the talk with its parent: orders and words come in, answers go out.

Standard output is the talk's alone: what libraries print goes to standard error. A child whose
parent is gone ends at once.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from typing import IO

import msgspec

from tools.benchmarks.orders import Answer, Failed, Order, Word


class Parent:
    """Who started this process."""

    def __init__(self) -> None:
        self._out: IO[bytes] = os.fdopen(os.dup(1), "wb", buffering=0)
        os.dup2(2, 1)
        self.order: Order = msgspec.json.decode(sys.stdin.buffer.readline(), type=Order)
        self._words: asyncio.Queue[str] = asyncio.Queue()
        self._is_answered = False

    def tell(self, word: Word) -> None:
        """Say something."""
        self._out.write(msgspec.json.encode(word) + b"\n")

    def answer(self, word: Answer | Failed) -> None:
        """Say the last thing. What was opened is closed afterwards, with or without a parent."""
        self._is_answered = True
        self.tell(word)

    def listen(self) -> None:
        """Hear words from now on, on the running loop."""
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._hear, args=(loop,), daemon=True).start()

    def _hear(self, loop: asyncio.AbstractEventLoop) -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(self._words.put_nowait, line.strip())
        if not self._is_answered:
            os._exit(1)

    async def word(self) -> str:
        """The next word."""
        return await self._words.get()
