"""A driver under test: how one is made, and which of its options says where the server is."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

from asynctasq.driver import Context, Driver, Secret

D = TypeVar("D", bound=Driver)
_DEFAULT = Context()


class Subject(Generic[D]):
    """Options are given without their prefix, which is the driver's name."""

    def __init__(self, driver: type[D], options: Callable[..., object], place: str) -> None:
        """``place``: the option that says where the server is, such as ``url``."""
        self._driver = driver
        self._options = options
        self._place = place

    def made(self, url: str, context: Context = _DEFAULT, **options: Any) -> D:
        """One that is not opened."""
        named = self._named({self._place: Secret(url), **options})
        return self._driver(self._options(**named), context)

    @asynccontextmanager
    async def opened(
        self, url: str, context: Context = _DEFAULT, **options: Any
    ) -> AsyncGenerator[D]:
        """An open one, which is closed when the block ends."""
        driver = self.made(url, context, **options)
        await driver.open()
        try:
            yield driver
        finally:
            await driver.close()

    def settings(self, url: str, **options: Any) -> dict[str, Any]:
        """What `asynctasq.init` is given; workers that are killed are no reason to give up."""
        named = self._named({self._place: url, **options})
        return {"driver": self._driver.name, "max_losses": 100, **named}

    def _named(self, options: dict[str, Any]) -> dict[str, Any]:
        return {f"{self._driver.name}_{name}": value for name, value in options.items()}
