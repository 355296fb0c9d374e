"""What happened to tasks and workers, told after the fact, and where it is told."""

from __future__ import annotations

from asynctasq.events._bus import EventBus as EventBus
from asynctasq.events._emitter import EventEmitter as EventEmitter
from asynctasq.events._emitter import Selective as Selective
from asynctasq.events._logging import LoggingEventEmitter as LoggingEventEmitter
from asynctasq.events._subscriber import EventsContext as EventsContext
from asynctasq.events._subscriber import EventSubscriber as EventSubscriber
from asynctasq.events._types import Event as Event
from asynctasq.events._types import TaskCancelled as TaskCancelled
from asynctasq.events._types import TaskCompleted as TaskCompleted
from asynctasq.events._types import TaskEnqueued as TaskEnqueued
from asynctasq.events._types import TaskEvent as TaskEvent
from asynctasq.events._types import TaskFailed as TaskFailed
from asynctasq.events._types import TaskReenqueued as TaskReenqueued
from asynctasq.events._types import TaskStarted as TaskStarted
from asynctasq.events._types import WorkerEvent as WorkerEvent
from asynctasq.events._types import WorkerHeartbeat as WorkerHeartbeat
from asynctasq.events._types import WorkerOffline as WorkerOffline
from asynctasq.events._types import WorkerOnline as WorkerOnline
from asynctasq.events._wire import AnyEvent as AnyEvent
from asynctasq.events._wire import decode_events as decode_events
from asynctasq.events._wire import encode_events as encode_events
