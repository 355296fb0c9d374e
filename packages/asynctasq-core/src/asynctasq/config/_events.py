"""Making the emitters and subscribers of events that are configured, as `_driver` makes drivers."""

from __future__ import annotations

from typing import Any, Final

from asynctasq.config._config import Config
from asynctasq.errors import PluginError
from asynctasq.events import EventEmitter, EventsContext, EventSubscriber
from asynctasq.plugins import emitter, subscriber, told

_SWITCHES: Final = "enable_event_emitter_"


def make_emitters(config: Config) -> tuple[EventEmitter, ...]:
    """The emitters that options switch on. Raises `PluginError`."""
    switches = [row.name for row in config.rows() if row.name.startswith(_SWITCHES)]
    names = [switch.removeprefix(_SWITCHES) for switch in switches if getattr(config, switch)]
    return tuple(_made("emitter", name, emitter(name), config, "emit", "close") for name in names)


def make_subscriber(name: str, config: Config) -> EventSubscriber:
    """The subscriber of that name, not opened. Raises `PluginError`."""
    methods = ("open", "__aiter__", "close")
    made: EventSubscriber = _made("subscriber", name, subscriber(name), config, *methods)
    return made


def _made(kind: str, name: str, make: Any, config: Config, *methods: str) -> Any:
    context = EventsContext(channel=config.events_channel, url=config.events_redis_url)
    try:
        made = make(config.driver_options(name), context)
    except Exception as error:
        raise PluginError(f"event {kind} {name!r} cannot be made: {told(error)}") from error
    if missing := [method for method in methods if not callable(getattr(made, method, None))]:
        raise PluginError(f"event {kind} {name!r} is none: it lacks {', '.join(missing)}")
    return made
