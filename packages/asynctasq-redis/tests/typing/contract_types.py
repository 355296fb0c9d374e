"""What is asked for by name, and loaded late, keeps its type, and with it the core's contracts.

Nothing here runs: the file is read by mypy and pyright.
"""

from __future__ import annotations

from typing import assert_type

from asynctasq.driver import Context, Driver, ResultStore, TaskStore
from asynctasq.events import EventEmitter, EventsContext, EventSubscriber
from asynctasq_drivers.redis import (
    RedisDriver,
    RedisEventEmitter,
    RedisEventSubscriber,
    RedisOptions,
)

options, events = RedisOptions(), EventsContext(channel="asynctasq:events")
made = RedisDriver(options, Context())
assert_type(made, RedisDriver)

driver: Driver = made
tasks: TaskStore = made
results: ResultStore = made
emitter: EventEmitter = RedisEventEmitter(options, events)
subscriber: EventSubscriber = RedisEventSubscriber(options, events)

RedisDriver()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
