"""What is measured: a driver, what its package tells of it, and fresh places to measure it in."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asynctasq.driver import Capabilities, ResultStore
from asynctasq.plugins import driver_class
from tools import workspace
from tools.backends import private
from tools.benchmarks import floors
from tools.benchmarks.children import ask
from tools.benchmarks.floors import Floor
from tools.benchmarks.orders import Done, Fill, Purge


@dataclass
class Place:
    """Somewhere that one measurement has for itself."""

    folder: Path
    queue: str
    options: Mapping[str, str]
    waiting: int = 0
    """How many tasks were left in it."""

    def fill(self, count: int) -> None:
        """Have so many no-op tasks wait in it."""
        ask(Fill(task="noop", queue=self.queue, count=count), self.options, self.folder, Done)
        self.waiting += count


@dataclass
class Subject:
    """One driver under measurement."""

    driver: str
    given: Mapping[str, str]
    """Options that were asked for."""
    room: Path
    """A folder, removed at the end."""
    file: Path | None = None
    """Its floor file."""
    floor: Floor | None = None
    server: str | None = None
    """The URL of the server that was started for it."""
    client: tuple[str, ...] = ()
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _kept: dict[str, Place] = field(default_factory=dict[str, Place])

    @property
    def capabilities(self) -> Capabilities:
        """What it declares."""
        return driver_class(self.driver).capabilities

    @property
    def is_local(self) -> bool:
        """Whether no other process sees its messages."""
        return self.capabilities.process_local

    @property
    def results_stored(self) -> bool:
        """Whether workers store what tasks return."""
        asked = self.given.get("store_results", "true").lower() in {"true", "1", "yes", "on"}
        can = issubclass(driver_class(self.driver), ResultStore) or "result_driver" in self.given
        return asked and can

    def options(self, folder: Path, url: str | None = None) -> dict[str, str]:
        """Those of core and driver, for that folder; by another way to its server, if given."""
        own = dict(self.floor.options(folder, url or self.server)) if self.floor else {}
        return {"driver": self.driver, **own, **self.given}

    @contextmanager
    def place(self) -> Generator[Place]:
        """A fresh one, of which nothing is left afterwards."""
        place = self._new()
        try:
            yield place
        finally:
            if self.server is not None:  # of the others, all is in the folder
                ask(Purge(queue=place.queue), place.options, place.folder, Done)
            shutil.rmtree(place.folder)

    def kept(self, name: str) -> Place:
        """One that stays as long as this, for what is costly to fill."""
        if name not in self._kept:
            self._kept[name] = self._new()
        return self._kept[name]

    def _new(self) -> Place:
        folder = Path(tempfile.mkdtemp(dir=self.room))
        return Place(folder, f"bench-{next(self._numbers)}", self.options(folder))


@contextmanager
def subject(driver: str, given: Mapping[str, str], file: Path | None) -> Generator[Subject]:
    """That driver, with a server of its own if it needs one. Raises `floors.Unusable`, `Failed`."""
    floor = floors.load(file) if file else None
    owner = next((p for p in workspace.find() if driver in p.drivers), None)
    with (
        tempfile.TemporaryDirectory(prefix="asynctasq-bench-") as room,
        _server(floor, owner.server if owner else None, Path(room)) as url,
    ):
        client = tuple(floor.CLIENT) if floor else ()
        yield Subject(driver, given, Path(room), file, floor, url, client)


@contextmanager
def _server(floor: Floor | None, name: str | None, room: Path) -> Generator[str | None]:
    serve: Any = getattr(floor, "server", None)
    if serve is not None:
        served: AbstractContextManager[str] = serve(room)
        with served as url:
            yield url
    elif name is not None and floor is not None:
        with private(name) as started:
            yield started.url
    else:
        with nullcontext() as url:
            yield url
