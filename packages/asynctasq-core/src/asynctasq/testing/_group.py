"""A group of tests: what a subclass gives to it, and which of its tests can run with that."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from types import FunctionType
from typing import Any, ClassVar, TypeVar

import pytest
import pytest_asyncio

from asynctasq.driver import Driver
from asynctasq.testing._rig import NewDriver, Rig

T = TypeVar("T", bound=Callable[..., Any] | type)

NEEDS = "__asynctasq_needs__"


def needs(*what: str | type) -> Callable[[T], T]:
    """Run a test, or all of a group, only where hooks (by name) and protocols are given."""

    def mark(thing: T) -> T:
        setattr(thing, NEEDS, what)
        return thing

    return mark


class Group:
    """Fixtures and settings of every group. See `asynctasq.testing` for what to override."""

    driver_class: ClassVar[type[Any] | None] = None
    lease: ClassVar[float] = 1.0
    patience: ClassVar[float] = 5.0
    quiet: ClassVar[float] = 0.1
    examples: ClassVar[int] = 40

    backend: Any = None
    restart_backend: Any = None
    cut_backend: Any = None
    kill: Any = None
    transaction: Any = None
    empty_schema: Any = None

    not_run: ClassVar[dict[str, str]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for test in vars(cls).values():
            # A mark on the class would reach the tests that run loops of their own.
            if inspect.iscoroutinefunction(test) and test.__name__.startswith("test_"):
                pytest.mark.asyncio(test)
        cls.not_run = {}
        for name, test, wanted in tests_of(cls):
            missing = [_name(what) for what in wanted if not _gives(cls, what)]
            if missing:
                cls.not_run[name] = f"needs {', '.join(missing)}"
                setattr(cls, name, None)
            elif name not in vars(cls) and getattr(cls, name) is None:
                setattr(cls, name, test)
            elif getattr(cls, name) is None:
                cls.not_run[name] = f"switched off by {cls.__qualname__}"

    @pytest.fixture
    def new_driver(self) -> NewDriver:
        """The one fixture to override: a factory of unopened drivers on one backend."""
        raise NotImplementedError(
            f"{type(self).__qualname__}: override the fixture new_driver; it gives a function "
            "that takes a Context and makes an unopened driver (see asynctasq.testing)"
        )

    @pytest.fixture
    def bench(self, new_driver: NewDriver) -> Rig:
        """A rig for tests that run loops of their own, and close what they open."""
        return Rig(new_driver, self.lease, self.patience, self.quiet)

    @pytest_asyncio.fixture
    async def rig(self, bench: Rig) -> AsyncIterator[Rig]:
        """A rig that closes its drivers when the test ends."""
        yield bench
        await bench.close()

    @pytest_asyncio.fixture
    async def driver(self, rig: Rig) -> Driver:
        """An open driver."""
        return await rig.open()

    @pytest_asyncio.fixture
    async def second(self, rig: Rig) -> Driver:
        """Another open driver, on the same backend."""
        return await rig.open()

    @pytest.fixture
    def queue(self, bench: Rig) -> str:
        """A queue that nobody else uses."""
        return bench.queue()


def tests_of(cls: type) -> Iterator[tuple[str, FunctionType, tuple[str | type, ...]]]:
    """Every test of a class, as its nearest definition has it, with what its group needs."""
    for name in sorted({name for c in cls.__mro__ for name in vars(c) if name.startswith("test_")}):
        defined = [c for c in cls.__mro__ if inspect.isfunction(vars(c).get(name))]
        if defined:
            group, test = vars(defined[-1]), vars(defined[0])[name]
            yield name, test, (*group.get(NEEDS, ()), *getattr(group[name], NEEDS, ()))


def group_of(cls: type, name: str) -> str:
    """The group that a test belongs to: the class that had it first."""
    return [c.__name__ for c in cls.__mro__ if inspect.isfunction(vars(c).get(name))][-1]


def _name(what: str | type) -> str:
    return what if isinstance(what, str) else what.__name__


def _gives(cls: type[Group], what: str | type) -> bool:
    if isinstance(what, str):
        return getattr(cls, what) is not None
    return cls.driver_class is None or issubclass(cls.driver_class, what)
