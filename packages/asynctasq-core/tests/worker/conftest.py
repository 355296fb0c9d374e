"""What the tests of the worker share: drivers made for one test, loops, and processes."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any, TypeAlias

import msgspec
import pytest

import asynctasq
from asynctasq import plugins
from asynctasq._loop import fastest_loop
from asynctasq.codec import Envelope, encode_envelope
from asynctasq.driver import Message
from asynctasq.events import Event
from asynctasq.memory import MemoryDriver, _driver
from asynctasq.memory._store import STORE
from asynctasq.worker import Worker, _slots

from ..conformance.remote_server import Server  # noqa: TID252
from .effects import Scripted
from .steady_clock import SteadyClock

with suppress(ImportError):  # before a test narrows the import path
    import uvloop  # noqa: F401


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[SteadyClock]:
    """What the memory backend goes by."""
    clock = SteadyClock()
    monkeypatch.setattr(_driver, "CLOCK", clock)
    yield clock
    clock.close()


def end_leases(queue: str) -> None:
    """Let every lease of a queue end now, as it would some time after its worker has died."""
    with STORE.lock:
        line = STORE.queues[queue]
        for held in [one for one in line.tasks.values() if one.state == "running"]:
            line.wait(held, 0.0, 1.0)
    STORE.wake(queue)


async def lose(driver: MemoryDriver, queue: str, times: int, count: int = 1) -> None:
    """Take all messages of a queue and drop them, as killed workers would."""
    for _ in range(times):
        taken = await driver.dequeue([queue], limit=count, wait=0)
        assert len(taken) == count
        assert all(delivery.losses == delivery.deliveries - 1 for delivery in taken)
        end_leases(queue)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any task is short, and what waits beside the slots may wait for long."""
    monkeypatch.setattr(_slots, "_LONG", 60.0)


@pytest.fixture
def use(memory: MemoryDriver, site: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Install a driver class as a distribution would, and configure it."""

    def install(driver: type, **options: Any) -> None:
        module: Any = ModuleType("asynctasq_test_driver")
        module.Driver = driver
        monkeypatch.setitem(sys.modules, module.__name__, module)
        site.install("probe", points={plugins.DRIVERS: {"probe": f"{module.__name__}:Driver"}})
        asynctasq.init({"driver": "probe", **options})

    return install


class ShortLeases(MemoryDriver):
    """Grants a fraction of a second, whatever is asked for, and counts what is asked of it."""

    name = "probe"
    lease = 0.1

    async def enqueue(self, messages: Any) -> Any:
        return await super().enqueue([_shortened(message, self.lease) for message in messages])


def _shortened(message: Message, lease: float) -> Message:
    return Message(
        id=message.id,
        queue=message.queue,
        body=message.body,
        delay=message.delay,
        visibility_timeout=lease,
    )


@pytest.fixture
def short_leases(use: Callable[..., None]) -> type[ShortLeases]:
    """The configured driver grants leases of a tenth of a second."""
    driver = type("OfThisTest", (ShortLeases,), {})
    use(driver)
    return driver


@pytest.fixture
def scripted(use: Callable[..., None]) -> type[Scripted]:
    """The configured driver: one that does as this test says at the end of a transaction."""
    driver = type("OfThisTest", (Scripted,), {})
    use(driver)
    return driver


@pytest.fixture
def effects(memory: MemoryDriver, queue: str) -> Callable[[], Awaitable[int | None]]:
    """How many effects of the tasks of `queue` were committed."""

    async def count() -> int | None:
        (stats,) = await memory.stats([f"{queue}-effects"])
        return stats.pending

    return count


class Recorder:
    """An emitter that keeps what it was told."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def emit(self, events: Any) -> None:
        self.events += events

    async def close(self) -> None:
        """Nothing is held."""

    def names(self) -> list[str]:
        """What happened to tasks, in order."""
        return [event.name for event in self.events if event.name.startswith("task_")]


@pytest.fixture
def recorder() -> Recorder:
    """An emitter, to be given to init()."""
    return Recorder()


async def until(reached: Callable[[], Any], seconds: float = 5.0) -> None:
    """Wait until something holds that no event tells."""
    async with asyncio.timeout(seconds):
        while not reached():
            await asyncio.sleep(0.005)


@pytest.fixture(name="until")
def _until() -> Callable[..., Awaitable[None]]:
    return until


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> str:
    """The kind of loop that tasks run on."""
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    name: str = request.param
    return name


@asynccontextmanager
async def apart(worker: Worker, loop: str = "asyncio") -> AsyncIterator[Worker]:
    """A worker whose tasks run on a loop of their own, in a thread: they can block no test."""
    factory = asyncio.new_event_loop if loop == "asyncio" else fastest_loop()

    def serve() -> None:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(worker.run())

    running = asyncio.ensure_future(asyncio.to_thread(serve))
    try:
        yield worker
    finally:
        worker.stop()
        await running


@pytest.fixture(name="apart")
def _apart() -> Callable[..., AbstractAsyncContextManager[Worker]]:
    return apart


def envelope(task: str, timeout: float | None = None, **arguments: Any) -> bytes:
    """What a producer elsewhere would have sent."""
    raw = msgspec.Raw(msgspec.msgpack.encode(arguments))
    return encode_envelope(Envelope(1, task, raw, 3, "fixed", 0.0, 0.0, timeout, None, True))


Put: TypeAlias = Callable[..., Awaitable[Message]]


@pytest.fixture
def put(memory: MemoryDriver, queue: str) -> Put:
    """Enqueue a task that need not be known here."""

    async def enqueue(
        task: str, lease: float = 30, timeout: float | None = None, **arguments: Any
    ) -> Message:
        body = envelope(task, timeout, **arguments)
        message = Message(queue=queue, body=body, visibility_timeout=lease)
        await memory.enqueue([message])
        return message

    return enqueue


PROGRAM = """
import asyncio, ctypes, hashlib, os, signal, sys, threading, time
import asynctasq
from asynctasq import task
from asynctasq.errors import WorkerFailed
from asynctasq.worker import Worker

def say(text):
    with open(os.environ["JOURNAL"], "a") as journal:
        journal.write(f"{text}\\n")

def said(text):
    with open(os.environ["JOURNAL"]) as journal:
        return text in journal.read().splitlines()

def serve(**orders):
    worker = Worker([os.environ["QUEUE"]], on_fatal=os._exit, **orders)
    worker.handle_signals()
    run = asyncio.run if os.environ["LOOP"] == "asyncio" else asynctasq.run
    try:
        run(worker.run())
    except WorkerFailed as failure:
        print(failure, file=sys.stderr)
    say(f"completed {worker.completed}")
    sys.exit(worker.exit_code)
"""

REMOTE = """
import os
from conformance.remote import RemoteDriver

class Driver(RemoteDriver):
    def __init__(self, options, context):
        super().__init__(int(os.environ["PORT"]), context)
"""


class Programs:
    """Workers in processes of their own, on the memory backend of this one: it outlives them."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder = folder
        self._environment = environment
        self._journal = folder / "journal"
        self._journal.touch()
        self.started: list[subprocess.Popen[str]] = []

    def start(self, source: str, loop: str = "asyncio", **options: object) -> subprocess.Popen[str]:
        """Run a script; `options` are those of the library."""
        path = self._folder / f"program{len(self.started)}.py"
        path.write_text(PROGRAM + dedent(source), encoding="utf-8")
        given = {f"ASYNCTASQ_{name.upper()}": str(value) for name, value in options.items()}
        process = subprocess.Popen(
            [sys.executable, str(path)],
            cwd=self._folder,
            env={**self._environment, "LOOP": loop, "JOURNAL": str(self._journal), **given},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def said(self) -> list[str]:
        """What they noted."""
        return self._journal.read_text(encoding="utf-8").splitlines()

    @staticmethod
    async def ended(process: subprocess.Popen[str], seconds: float = 10) -> tuple[int, str]:
        """Wait for its end: its exit code, and what it logged."""
        _, errors = await asyncio.to_thread(process.communicate, timeout=seconds)
        return process.returncode, errors


@pytest.fixture
def programs(memory: MemoryDriver, site: Any, queue: str, tmp_path: Path) -> Iterator[Programs]:
    """Start processes that work on `queue`."""
    points = {plugins.DRIVERS: {"remote": "asynctasq_remote:Driver"}}
    site.install("remote", points=points, modules={"asynctasq_remote": REMOTE})
    path = [Path(asynctasq.__file__).parent.parent, Path(__file__).parent.parent, site.folder]
    with Server() as server:
        variables = {"PORT": str(server.port), "QUEUE": queue, "ASYNCTASQ_DRIVER": "remote"}
        path_variable = {"PYTHONPATH": os.pathsep.join(map(str, path))}
        started = Programs(tmp_path, {**os.environ, **path_variable, **variables})
        yield started
        for process in started.started:
            process.kill()
            process.communicate()
