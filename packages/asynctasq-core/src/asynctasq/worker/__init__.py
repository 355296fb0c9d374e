"""The worker: takes deliveries, runs their tasks, and settles what became of them."""

from __future__ import annotations

from asynctasq.worker._worker import Worker as Worker
