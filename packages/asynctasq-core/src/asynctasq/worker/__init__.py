"""The worker: takes deliveries, runs their tasks, and settles what became of them.

Reading goes `_worker` (what users see), `_engine` (the I/O loop) and what it is made of, in the
order in which a task passes: `_fetcher`, `_slots`, `_runner` or `_children`, `_settler`.
"""

from __future__ import annotations

from asynctasq.worker._exit import ExitCode as ExitCode
from asynctasq.worker._snapshot import BlockedLoop as BlockedLoop
from asynctasq.worker._snapshot import QueueSnapshot as QueueSnapshot
from asynctasq.worker._snapshot import RunningTask as RunningTask
from asynctasq.worker._snapshot import WorkerSnapshot as WorkerSnapshot
from asynctasq.worker._worker import Worker as Worker
