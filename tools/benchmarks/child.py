"""`python -m tools.benchmarks.child`: a process that carries out one order and answers.

A fresh interpreter for each: nothing that one figure left behind is in the next.
"""

from __future__ import annotations

import asyncio
import selectors

import asynctasq
from tools.benchmarks.orders import Failed, Relay
from tools.benchmarks.parent import Parent
from tools.benchmarks.roles import carry_out
from tools.benchmarks.roles.relaying import relay


def main() -> None:
    """Until the order is carried out."""
    parent = Parent()
    if isinstance(parent.order, Relay):
        # epoll rounds times up to whole milliseconds, select does not.
        with asyncio.Runner(loop_factory=_precise_loop) as runner:
            runner.run(relay(parent.order, parent))
    else:
        asynctasq.run(_answer(parent))


async def _answer(parent: Parent) -> None:
    parent.listen()
    try:
        parent.answer(await carry_out(parent.order, parent))
    except Exception as error:
        parent.answer(Failed(f"{type(error).__name__}: {error}"))


def _precise_loop() -> asyncio.AbstractEventLoop:
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


if __name__ == "__main__":
    main()
