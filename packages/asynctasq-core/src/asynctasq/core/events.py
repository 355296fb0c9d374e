"""Re-exports `asynctasq.events`, under the path that earlier documentation names."""

from __future__ import annotations

from asynctasq.events import EventEmitter as EventEmitter
from asynctasq.events import LoggingEventEmitter as LoggingEventEmitter
