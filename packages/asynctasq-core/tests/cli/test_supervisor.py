"""``asynctasq worker --workers N``, as an operator runs it: processes, output, and signals."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from asynctasq.cli._exits import described, for_shells
from asynctasq.cli.supervisor._supervisor import pause_after

SHARED = """
import msgspec
from asynctasq.memory import MemoryDriver

class AcmeDriver(MemoryDriver):
    name = "acme"
    capabilities = msgspec.structs.replace(MemoryDriver.capabilities, process_local=False)
"""
"""A driver that may be used by several processes; what each of them dispatches is its own."""

TASK = """
from asynctasq import task

@task
def work() -> None:
    {body}

work().dispatch_sync()
"""
QUICK = TASK.format(body="pass")
WAITS = TASK.format(
    body='print("running", flush=True); open("gate").close(); print("finished", flush=True)'
)
"""Runs until somebody opens the gate."""
IMPORTS = 'print("importing", flush=True); open("gate").close()'
DIES = "import os; os._exit(5)"


class Command:
    """A running command, and what it and its workers have written so far."""

    def __init__(self, *words: str, path: Path) -> None:
        inherited = os.environ.get("PYTHONPATH", "")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "asynctasq", "worker", "--driver", "acme", *words],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(path), inherited])},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        self.output = self.process.stdout
        self.written = ""

    def until(self, pattern: str, times: int = 1) -> list[str]:
        """Read on until the pattern has been written so often; all that matched it."""
        while len(found := re.findall(pattern, self.written)) < times:
            line = self.output.readline()
            assert line, f"{pattern!r} was not written {times} times:\n{self.written}"
            self.written += line
        return found

    def until_all_are_gone(self) -> str:
        """Read on while any process has the output open; all that was written."""
        self.written += self.output.read()
        return self.written

    def ended(self) -> int:
        self.until_all_are_gone()
        return self.process.wait()


class Shop:
    """A folder with an app and a driver, and the commands started in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.commands: list[Command] = []
        self.gate: int | None = None

    def start(self, app: str, *words: str) -> Command:
        Path("shop.py").write_text(app)
        words = ("--app", "shop", "--workers", "2", *words)
        self.commands.append(Command(*words, path=self.path))
        return self.commands[-1]

    def open_gate(self) -> None:
        """Whoever waits at it goes on, and whoever comes later."""
        self.gate = os.open("gate", os.O_WRONLY)


@pytest.fixture
def shop(site) -> Iterator[Shop]:
    site.driver("acme", source=SHARED)
    os.mkfifo("gate")
    shop = Shop(site.folder)
    yield shop
    if shop.gate is not None:
        os.close(shop.gate)
    for command in shop.commands:
        command.process.kill()  # its workers notice
        command.process.wait()
        command.output.close()


def pids(command: Command, count: int = 2) -> list[int]:
    return [int(pid) for pid in command.until(r"worker \d \(pid (\d+)\) started", count)]


@pytest.mark.parametrize(
    ("ran_for", "last", "pause"),
    [(0, 0, 1), (0, 1, 2), (59.9, 2, 4), (0, 16, 30), (0, 30, 30), (60, 30, 1), (900, 0, 1)],
)
def test_the_pause_doubles_up_to_30_seconds_until_a_worker_has_run_for_a_minute(
    ran_for: float, last: float, pause: float
) -> None:
    assert pause_after(ran_for, last) == pause


@pytest.mark.parametrize(
    ("code", "text", "shown"),
    [
        (5, "exit code 5, a task did not stop within stop_grace after its time-out", 5),
        (-9, "was ended by SIGKILL", 137),
        (143, "exit code 143, at once on SIGTERM", 143),
        (7, "exit code 7, which no worker uses", 7),
    ],
)
def test_how_a_worker_ended_is_said_in_words(code: int, text: str, shown: int) -> None:
    assert text in described(code)
    assert for_shells(code) == shown


@pytest.mark.concurrent
def test_a_killed_worker_is_replaced(shop: Shop) -> None:
    command = shop.start(QUICK)
    command.until("worker_online", 2)
    killed = pids(command)[1]
    os.kill(killed, signal.SIGKILL)
    command.until(rf"worker 2 \(pid {killed}\) was ended by SIGKILL: replaced in 1.0 s")
    command.until("worker_online", 3)
    command.process.terminate()
    assert command.ended() == 0
    assert len(re.findall(r"worker 2 \(pid \d+\) started", command.written)) == 2


@pytest.mark.concurrent
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_signal_to_the_group_lets_every_worker_finish(shop: Shop, number: int) -> None:
    command = shop.start(WAITS)
    command.until("running", 2)
    os.killpg(command.process.pid, number)
    command.until("workers stop")
    shop.open_gate()
    assert command.ended() == 0
    assert command.written.count("finished") == 2
    assert len(re.findall("ended with exit code 0, stopped as asked", command.written)) == 2


@pytest.mark.concurrent
def test_a_signal_sent_to_supervisor_and_workers_alike_is_one_stop(shop: Shop) -> None:
    command = shop.start(WAITS)
    command.until("running", 2)
    for pid in (command.process.pid, *pids(command)):
        os.kill(pid, signal.SIGTERM)
    command.until("workers stop")
    shop.open_gate()
    assert command.ended() == 0
    assert command.written.count("finished") == 2


@pytest.mark.concurrent
@pytest.mark.parametrize("reached", [False, True], ids=["group", "everybody"])
def test_a_stop_while_workers_start_is_as_clean(shop: Shop, reached: bool) -> None:
    command = shop.start(IMPORTS)
    command.until("importing")
    os.killpg(command.process.pid, signal.SIGINT)
    command.until("workers stop")
    if reached:
        os.kill(pids(command, 1)[0], signal.SIGTERM)
    else:
        shop.open_gate()
    assert command.ended() == 0
    assert command.written.count(") started") == 1
    assert not re.search("Aborted|Traceback", command.written)


@pytest.mark.concurrent
def test_a_second_signal_ends_all_at_once(shop: Shop) -> None:
    command = shop.start(WAITS)
    command.until("running", 2)
    command.process.terminate()
    command.until("workers stop")
    command.process.send_signal(signal.SIGINT)
    assert command.ended() == 128 + signal.SIGINT
    assert "finished" not in command.written
    assert len(re.findall("exit code 143, at once on SIGTERM", command.written)) == 2


@pytest.mark.concurrent
def test_workers_stop_gracefully_when_their_supervisor_is_killed(shop: Shop) -> None:
    command = shop.start(WAITS)
    command.until("running", 2)
    command.process.kill()
    shop.open_gate()
    written = command.until_all_are_gone()
    assert written.count("finished") == 2
    assert written.count("worker_offline") == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--queues", "b!d"), "queue 'b!d'"),
        (("--driver", "memory"), "--workers 2: the memory driver keeps its messages in one"),
        (("--driver", "nosuch"), "'nosuch' is not installed"),
        (("--app", "nothing.here"), "--app nothing.here: no module"),
    ],
)
def test_what_is_asked_for_wrongly_is_said_once_and_ends_with_2(
    shop: Shop, words: tuple[str, ...], said: str
) -> None:
    command = shop.start(QUICK, *words)
    assert command.ended() == 2
    assert command.written.count(said) == 1
    assert "Traceback" not in command.written


@pytest.mark.concurrent
def test_a_worker_that_dies_again_and_again_is_named_and_waited_for_ever_longer(shop: Shop) -> None:
    command = shop.start(DIES)
    died = r"worker 1 \(pid \d+\) ended with exit code 5, a task did not stop within stop_grace"
    command.until(died + r" after its time-out: replaced in 1\.0 s")
    command.until(died + r" after its time-out: replaced in 2\.0 s")
    command.until(died + r" after its time-out: replaced in 4\.0 s")
    before = time.monotonic()
    command.process.terminate()  # in the pause
    assert command.ended() == 0
    assert time.monotonic() - before < 3.5
    assert "worker 2" not in command.written


@pytest.mark.concurrent
def test_workers_that_have_run_their_tasks_are_not_replaced(shop: Shop) -> None:
    command = shop.start(QUICK, "--max-tasks", "1")
    assert command.ended() == 0
    assert command.written.count(") started") == 2


def test_the_process_list_shows_no_more_than_was_typed(shop: Shop) -> None:
    command = shop.start(WAITS, "--concurrency", "3")
    command.until("running", 2)
    ours, *theirs = (
        subprocess.check_output(["ps", "-ww", "-o", "args=", "-p", str(pid)], text=True).strip()
        for pid in (command.process.pid, *pids(command))
    )
    assert [re.sub(r" --supervisor-fd \d+$", "", each) for each in theirs] == [ours, ours]
    assert all("--supervisor-fd" in each for each in theirs)
    command.process.terminate()
    shop.open_gate()
    assert command.ended() == 0


REVEALS = """
import hashlib
from asynctasq import task
from asynctasq.config import Config

url = Config.get().events_redis_url
print("secret:", hashlib.sha256(url.reveal().encode()).hexdigest(), flush=True)

@task
def work() -> None: ...

work().dispatch_sync()
"""


@pytest.mark.parametrize("password", ["tiger", "t" * 200_000], ids=["short", "huge"])
def test_each_worker_reads_the_secrets_that_came_by_standard_input(shop, password: str) -> None:
    Path("secret").write_text(f"redis://:{password}@host\n")
    reading = os.open("secret", os.O_RDONLY)
    before = os.dup(0)
    os.dup2(reading, 0)  # what the command inherits
    try:
        command = shop.start(REVEALS, "--max-tasks", "1", "--events-redis-url", "-")
    finally:
        os.dup2(before, 0)
        os.close(before)
        os.close(reading)
    assert command.ended() == 0, command.written
    # Not the secret itself: a long one may have what others write in its midst.
    found = hashlib.sha256(f"redis://:{password}@host".encode()).hexdigest()
    assert command.written.count(f"secret: {found}\n") == 2
