"""The options in force: every one an attribute, none of them changeable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, NamedTuple, overload

from msgspec import Struct

from asynctasq._options import CoreOptions, Option
from asynctasq.config._given import DEFAULT
from asynctasq.config._known import CORE, about_unknown
from asynctasq.driver import Context

_OF_A_DRIVER: Final = {
    "max_attempts": "max_attempts",
    "retry_delay": "retry_delay_seconds",
    "visibility_timeout": "visibility_timeout_seconds",
}


class Row(NamedTuple):
    """One option as it may be shown to anybody."""

    name: str
    shown: str
    """Its value in text, with secrets masked."""
    origin: str
    """See `Config.origin`."""


class Config(CoreOptions, frozen=True, kw_only=True, eq=False):
    """The options in force, made by `init` or from defaults and environment.

    Core's options are attributes, and so are those of every installed driver
    (``config.redis_url``). Passwords and URLs are `Secret`: they do not show themselves.
    """

    _drivers: Mapping[str, Struct] = {}
    _of_drivers: Mapping[str, Any] = {}
    _options: Mapping[str, Option] = CORE
    _origins: Mapping[str, str] = {}

    @classmethod
    def get(cls) -> Config:
        """The configuration in force now. Raises ConfigError if the environment has a wrong one."""
        from asynctasq.config._state import current  # it is made of configs, so not above

        return current().config

    def origin(self, name: str) -> str:
        """Where an option's value comes from.

        ``"flag --driver"``, ``"init()"``, the variable (``"ASYNCTASQ_DRIVER"``), the variable and
        its file (``"ASYNCTASQ_DRIVER in .env"``) or ``"default"``. Raises AttributeError for an
        unknown option.
        """
        getattr(self, name)
        return self._origins.get(name, DEFAULT)

    def driver_options(self, name: str) -> Struct | None:
        """The options struct of an installed driver; None: it declares none."""
        return self._drivers.get(name)

    @overload
    def task_default(self, option: Literal["max_attempts"], driver: str) -> int: ...
    @overload
    def task_default(
        self, option: Literal["retry_delay", "visibility_timeout"], driver: str
    ) -> float: ...
    def task_default(self, option: str, driver: str) -> float:
        """What holds for a task that does not say: the driver's own default, else core's."""
        begins = driver.replace("-", "_").replace(".", "_")
        own = getattr(self._drivers.get(driver), f"{begins}_{_OF_A_DRIVER[option]}", None)
        value: float = getattr(self, f"default_{option}") if own is None else own
        return value

    def rows(self) -> tuple[Row, ...]:
        """Every option with its value, fit to be shown, and where that comes from."""
        return tuple(Row(n, str(getattr(self, n)), self.origin(n)) for n in self._options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # asked for by copy, rich and others, of every object
            raise AttributeError(name)
        if name not in self._of_drivers:
            raise AttributeError(f"no option {about_unknown(name, repr(name), self._options)}")
        return self._of_drivers[name]

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *self._of_drivers]

    def __repr__(self) -> str:
        return f"Config({', '.join(f'{n}={getattr(self, n)!r}' for n in self._options)})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [(name, getattr(self, name)) for name in self._options]


def context(config: Config) -> Context:
    """What every driver is told of the configuration, beside its own options."""
    return Context(
        result_ttl=config.result_ttl,
        dead_ttl=config.dead_ttl,
        keep_completed_tasks=config.keep_completed_tasks,
        completed_ttl=config.completed_ttl,
        task_scan_limit=config.task_scan_limit,
    )
