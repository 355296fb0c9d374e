"""The ``memory`` driver: the whole contract in one process, with no server and no file.

It is the reference that other drivers are read against, and it serves tests and scripts. All
loops and threads of a process share one store; what it holds ends with the process.
"""

from __future__ import annotations

from asynctasq.memory._driver import MemoryDriver as MemoryDriver
from asynctasq.memory._transaction import MemoryTransaction as MemoryTransaction
