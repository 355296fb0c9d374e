"""The one place that knows which configuration is in force, and how it is replaced.

Nothing is built under the lock: building imports modules of plugins, and the import lock of one
that reads the configuration would wait for ours.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from asynctasq.config._build import build, check_flags
from asynctasq.config._checks import about_completed, about_namesake
from asynctasq.config._config import Config
from asynctasq.config._given import Given, by_flags, by_init
from asynctasq.errors import ConfigError
from asynctasq.events import EventEmitter


class ConfigWarning(UserWarning):
    """A configuration that works, but will probably not do what its author meant."""


class Settings(Struct, frozen=True, eq=False):
    """What `init` leaves behind. Another object means: it was called again."""

    config: Config
    emitters: tuple[EventEmitter, ...] = ()
    """Those given to `init`, beside the ones that options switch on."""


class _State:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.flags: Mapping[str, Given] = {}
        self.overrides: Mapping[str, Given] = {}
        self.settings: Settings | None = None
        self.namesake_told = False


_state = _State()


def init(
    config_overrides: Mapping[str, Any] | None = None,
    event_emitters: Iterable[EventEmitter] | None = None,
) -> None:
    """Set options, and where events are told beside the log. Replaces an earlier call whole.

    Options are named as in ``Config``; what is not given comes from flags (which win), the
    environment, ``.env`` or defaults. Safe in any thread. Open drivers are closed at next use.

    Raises ConfigError for an option that is unknown, of the wrong type or out of range, and
    `DriverNotInstalled` or `DriverBroken` for a driver that was asked for. Then nothing changed.
    """
    hidden = Given(config_overrides, "init()", text=False)
    config_overrides = None  # out of sight of tracebacks that show local variables
    _replace(hidden, event_emitters)


def set_global_config(**options: Any) -> None:
    """Older spelling of ``init({...})``."""
    hidden = Given(options, "init()", text=False)
    options = {}  # out of sight of tracebacks that show local variables
    _replace(hidden, None)


def set_flags(flags: Mapping[str, Any]) -> None:
    """Set what the command line gave. It wins over every `init`, earlier and later.

    Text is read as in the environment. Raises as `init` does; then nothing changed.
    """
    hidden = Given(flags, "flags", text=True)
    flags = {}  # out of sight of tracebacks that show local variables
    given = by_flags(hidden)
    check_flags(given)
    was = _state.settings
    settings = _build(given, _state.overrides, was.emitters) if was else None
    with _state.lock:
        _state.flags = given
        _state.settings = settings


def current() -> Settings:
    """What is in force; without `init`, made once of flags, environment and defaults."""
    if (settings := _state.settings) is not None:
        return settings
    built = _build(_state.flags, {}, ())
    with _state.lock:
        if _state.settings is None:
            _state.settings = built
        return _state.settings


def _replace(hidden: Given, emitters: Iterable[EventEmitter] | None) -> None:
    overrides = by_init(hidden)
    settings = _build(_state.flags, overrides, _checked(emitters))
    with _state.lock:
        _state.overrides = overrides
        _state.settings = settings


def _build(
    flags: Mapping[str, Given],
    overrides: Mapping[str, Given],
    emitters: tuple[EventEmitter, ...],
) -> Settings:
    built = build(flags, overrides)
    texts = [*built.warnings, about_completed(built.config)]
    if not _state.namesake_told:
        _state.namesake_told = True
        texts.append(about_namesake())
    for text in filter(None, texts):
        warnings.warn(text, ConfigWarning, stacklevel=4)  # who called init()
    return Settings(built.config, emitters)


def _checked(emitters: Iterable[EventEmitter] | None) -> tuple[EventEmitter, ...]:
    if emitters is None:
        return ()
    try:
        given = tuple(emitters)
    except TypeError:
        raise ConfigError(
            f"event_emitters: expected a list of emitters, found {type(emitters).__name__}"
        ) from None
    for emitter in given:
        _check_emitter(emitter)
    return given


def _check_emitter(emitter: object) -> None:
    if isinstance(emitter, type):
        raise ConfigError(f"event_emitters: expected an instance, found class {emitter.__name__}")
    for method in ("emit", "close"):
        if not callable(getattr(emitter, method, None)):
            raise ConfigError(f"event_emitters: {type(emitter).__name__} has no method {method}()")
