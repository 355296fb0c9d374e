"""One private server: a folder with its data, its log and a record of its process."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from tools.backends import hello, processes
from tools.backends.account import account
from tools.backends.home import new_folder, tidy
from tools.backends.ports import free_ports
from tools.backends.processes import Process
from tools.backends.recipes import RECIPES, Command, Recipe

_PATIENCE = {"start": 45.0, "stop": 15.0, "kill": 5.0, "pause": 5.0}
_TAIL = 60
Filling = Callable[[Path], list[Command]]
"""The commands that fill an empty data folder, in order."""


class Failed(Exception):
    """A server could not be prepared or started; the message ends with the end of its log."""


@dataclass
class Room:
    """A server with a port and data of its own, which stay through stop and start."""

    name: str
    folder: Path
    port: int
    owner: Process | None = None
    """Whose end makes it an orphan; None: it stays until `tools/services.py down`."""
    process: Process | None = None
    arguments: Sequence[str] = ()
    """What its program is told before all else, on every start."""
    _child: subprocess.Popen[bytes] | None = field(default=None, repr=False, compare=False)
    ports: ExitStack = field(default_factory=ExitStack, repr=False, compare=False)
    """Keeps its ports, also while its server does not listen there."""

    @property
    def url(self) -> str:
        """Where its clients find it, on every start."""
        return self._recipe.url.format(port=self.port)

    @property
    def data(self) -> Path:
        """The folder in which it runs: nobody but root and the server's own account may look in."""
        return self.folder / "data"

    def prepare(
        self, files: Mapping[str, str] = MappingProxyType({}), filling: Filling | None = None
    ) -> None:
        """Fill its empty data folder, with these too. Raises `Failed` where that does not work."""
        self._record()
        self.data.mkdir(mode=0o700)
        commands = (filling or self._recipe.prepare)(self.data)
        account().own([self.data, *self.data.iterdir()])
        for command in commands:
            self.run(command)
        # After them: PostgreSQL's want the folder empty, and write files of these names.
        for name, text in files.items():
            (self.data / name).write_text(text, encoding="utf-8")
            (self.data / name).chmod(0o600)  # a key that others may read is refused
            account().own([self.data / name])

    @property
    def alive(self) -> bool:
        """Whether a process of it is left."""
        return bool(self._family())

    @property
    def abandoned(self) -> bool:
        """Whether it belonged to a process that has ended."""
        return self.owner is not None and processes.current(self.owner.pid) != self.owner

    def answers(self) -> bool:
        """Whether it greets in its protocol."""
        return self.alive and hello.answers(self.name, self.url)

    def start(self) -> None:
        """Start it on its data, and wait until it answers. Raises `Failed` where it does not."""
        if self.alive:
            return
        who = account()
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(
                self._words(),
                cwd=self.data,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=who.user,
                group=who.group,
                extra_groups=who.others,
            )
        self.process = processes.current(self._child.pid)
        self._record()
        self._await_hello()

    def stop(self, how: signal.Signals | None = None) -> None:
        """Ask it to stop, by another signal than it should be, and wait until it is gone."""
        family = self._family()
        # A stopped process takes note of a signal once it goes on.
        processes.send(family, signal.SIGCONT)
        told = family if self._recipe.tell_all else [p for p in family if p == self.process]
        processes.send(told, how or self._recipe.stop)
        if self._wait_gone(family, _PATIENCE["stop"]) or self.alive:
            self.kill()

    def kill(self) -> None:
        """End it as a power cut does: all of its processes at once, without a word."""
        while family := self._family():
            processes.send(family, signal.SIGKILL)
            if self._wait_gone(family, _PATIENCE["kill"]):
                raise Failed(f"{self.name}: processes outlive SIGKILL: {family}")

    def pause(self) -> None:
        """Let it hang: connections stay open, and nothing is answered."""
        family = self._family()
        processes.send(family, signal.SIGSTOP)
        if left := processes.wait_stopped(family, _PATIENCE["pause"]):
            raise Failed(f"{self.name}: processes go on after SIGSTOP: {left}")

    def resume(self) -> None:
        """Let it go on after `pause`."""
        processes.send(self._family(), signal.SIGCONT)

    def run(self, command: Command, timeout: float | None = None) -> str:
        """What a program says that is run as the server is, in its data folder.

        Raises `Failed`, also where it takes longer than so many seconds.
        """
        who = account()
        with self._log.open("ab", buffering=0) as log:
            try:
                done = subprocess.run(
                    command.words,
                    cwd=self.data,
                    env=self._environment(),
                    input=command.feed.encode(),
                    stdout=subprocess.PIPE,
                    stderr=log,
                    start_new_session=True,
                    check=True,
                    timeout=timeout,
                    user=who.user,
                    group=who.group,
                    extra_groups=who.others,
                )
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
                log.write(error.stdout or b"")
                raise Failed(f"{self.name}: {command.words[0]} failed:\n{self._tail()}") from error
        return done.stdout.decode()

    def remove(self) -> None:
        """Stop it and remove its folder, with all data."""
        self.stop()
        self.let_go()
        shutil.rmtree(self.folder, ignore_errors=True)
        tidy()

    def let_go(self) -> None:
        """Keep its ports no longer than its server listens there."""
        self.ports.close()

    @property
    def _recipe(self) -> Recipe:
        return RECIPES[self.name]

    @property
    def _log(self) -> Path:
        return self.folder / "log"

    def _family(self) -> list[Process]:
        return processes.family(self.process, self.folder) if self.process else []

    def _wait_gone(self, family: list[Process], seconds: float) -> list[Process]:
        left = processes.wait_gone(family, seconds)
        if self._child and self.process not in left:
            self._child.wait()
        return left

    def _words(self) -> list[str]:
        program, *own = self._recipe.serve(self.data, self.port).words
        more = [word.format(port=self.port, next_port=self.port + 1) for word in self.arguments]
        return [program, *more, *own]

    def _environment(self) -> dict[str, str]:
        words = {name: os.environ[name] for name in ("PATH", "TZ") if name in os.environ}
        own = self._recipe.environment(self.data, self.port)
        return {**words, "HOME": str(self.data), "LC_ALL": "C.UTF-8", **own}

    def _await_hello(self) -> None:
        limit = time.monotonic() + _PATIENCE["start"]
        while not hello.answers(self.name, self.url):
            if not self.alive:
                self._wait_gone([], 0)
                raise Failed(f"{self.name} ended while it started:\n{self._tail()}")
            if time.monotonic() > limit:
                self.kill()
                raise Failed(
                    f"{self.name} did not answer for {_PATIENCE['start']:g} s:\n{self._tail()}"
                )
            time.sleep(0.02)

    def _tail(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"    {line}" for line in lines[-_TAIL:])

    def _record(self) -> None:
        content = {
            "name": self.name,
            "port": self.port,
            "owner": _plain(self.owner),
            "process": _plain(self.process),
            "arguments": list(self.arguments),
        }
        fresh = self.folder / "room.json.new"
        fresh.write_text(json.dumps(content), encoding="utf-8")
        fresh.replace(self.folder / "room.json")


def create(
    name: str,
    owner: Process | None = None,
    arguments: Sequence[str] = (),
    files: Mapping[str, str] = MappingProxyType({}),
    filling: Filling | None = None,
) -> Room:
    """A started server in a new room; its folder is gone where that fails. Raises `Failed`."""
    recipe = RECIPES[name]
    if missing := recipe.missing():
        raise Failed(f"{name} needs {', '.join(missing)}: install {recipe.package}")
    room = Room(name, new_folder(name), 0, owner, arguments=arguments)
    try:
        room.port, room.ports = free_ports(recipe.ports)
        room.prepare(files, filling)
        room.start()
    except BaseException:
        room.remove()
        raise
    if owner is None:
        room.let_go()  # it outlives this process
    return room


@contextmanager
def private(
    name: str,
    *arguments: str,
    files: Mapping[str, str] = MappingProxyType({}),
    filling: Filling | None = None,
) -> Generator[Room]:
    """A server for one test or a few: `mysql`, `pgbouncer`, `postgres`, `rabbitmq` or `redis`.

    It may be stopped, killed and paused at will, and is removed at the end. Raises `Failed`.
    More arguments stand before its own (RabbitMQ, which a shell starts, takes none), with `{port}`
    and `{next_port}` filled in; Redis needs the second only in a cluster. The files are in its data
    folder, in which it runs: RabbitMQ's `more.conf` there may name `{tls_port}` and
    `{management_port}`. Other commands may fill that folder, as with a copy of another server's.
    """
    room = create(name, processes.current(os.getpid()), arguments, files, filling)
    try:
        yield room
    finally:
        room.remove()


def load(folder: Path) -> Room | None:
    """The room in that folder; None where it is none, or is being made or removed."""
    try:
        content = json.loads((folder / "room.json").read_text(encoding="utf-8"))
        owner, process = (Process(*p) if (p := content[k]) else None for k in ("owner", "process"))
        arguments = tuple(content["arguments"])
        return Room(content["name"], folder, content["port"], owner, process, arguments)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _plain(process: Process | None) -> tuple[int, int] | None:
    return (process.pid, process.started) if process else None
