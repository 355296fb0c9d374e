"""``asynctasq worker``, as an operator runs it: a process, its output, and signals."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

APP = """
from asynctasq import task

@task
async def hello(name: str) -> None:
    print("hello", name, flush=True)

hello("world").dispatch_sync()
"""


@contextmanager
def start(folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "asynctasq", "worker", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()  # where it has not ended by itself


@pytest.fixture
def app(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(APP)
    return tmp_path


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_runs_what_the_app_dispatches_and_ends_with_0_on_a_signal(
    app: Path, number: signal.Signals
) -> None:
    with start(app, "--app", "shop", "--driver", "memory") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "hello world\n"
        process.send_signal(number)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    assert "worker_offline" in errors


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--app", "nothing.here", "--driver", "memory"), "--app nothing.here: no module"),
        (("--app", "./shop.py"), "expected a module name such as shop,"),
        (("--app", "shop.py"), "expected a module name such as shop,"),
        (("--app", "jobs/mail.py"), "expected a module name such as jobs.mail,"),
        (("--app", "shop:tasks"), "expected a module name such as shop.tasks,"),
        (("--app", "sho", "--driver", "memory"), "--app sho: no module"),
        (("--app", "shop", "--max-tasks", "0"), "0 is not in the range"),
        (("--app", "shop", "--stuck-after", "0"), "0.0 is not in the range"),
        (("--app", "shop", "--driver", "memory", "--workers", "2"), "keeps its messages in one"),
        (("--app", "shop", "--driver", "memory", "--queues", "b!d"), "queue 'b!d'"),
        (("--app", "shop", "--driver", "nosuch"), "'nosuch' is not installed"),
        (("--app", "shop", "--concurrency", "0"), "0 is not in the range"),
    ],
)
def test_what_cannot_work_is_one_clear_line_and_exit_code_2(
    app: Path, words: tuple[str, ...], said: str
) -> None:
    with start(app, *words) as process:
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 2
    assert said in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import nothing_like_this\n", "ModuleNotFoundError: No module named 'nothing_like_this'"),
        ("exit_early = 1\nraise SystemExit(0)\n", "SystemExit: 0"),
        ("def broken(:\n", "SyntaxError"),
    ],
)
def test_an_error_in_the_app_is_one_line_that_names_its_own_and_ends_with_1(
    tmp_path: Path, source: str, said: str
) -> None:
    (tmp_path / "shop.py").write_text(source)
    with start(tmp_path, "--app", "shop", "--driver", "memory") as process:
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert errors.count("\n") == 1
    assert errors.startswith(f"asynctasq: --app shop: {said}")
    assert f"({tmp_path / 'shop.py'}, line {len(source.splitlines())}" in errors


@pytest.mark.parametrize("source", ["1 / 0\n", "import sho\n"])
def test_an_error_in_a_package_above_the_app_names_its_own_line(
    tmp_path: Path, source: str
) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text(source)
    (tmp_path / "shop" / "tasks.py").touch()
    with start(tmp_path, "--app", "shop.tasks", "--driver", "memory") as process:
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert f"({tmp_path / 'shop' / '__init__.py'}, line 1, in <module>)" in errors


def test_an_error_in_the_app_shows_its_own_traceback_with_debug(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("import json\n\njson.loads('{')\n")
    with start(tmp_path, "--app", "shop", "--driver", "memory", "--debug") as process:
        _, errors = process.communicate(timeout=20)
    files = re.findall(r'File "(.*)", line', errors)
    assert Path(files[0]) == tmp_path / "shop.py"
    assert "asynctasq" not in {Path(file).parent.parent.name for file in files}
    assert errors.splitlines()[-1].startswith("asynctasq: --app shop: json.decoder.JSONDecodeError")
    assert f"({tmp_path / 'shop.py'}, line 3, in <module>)" in errors


def test_an_app_without_tasks_gets_one_warning(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("print('imported', flush=True)\n")
    with start(tmp_path, "--app", "shop", "--driver", "memory") as process:
        assert process.stderr is not None
        before = []
        while "worker_online" not in (line := process.stderr.readline()):
            before.append(line)
            assert line
        process.terminate()
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    assert ["--app shop: it defines no task" in line for line in before].count(True) == 1


@pytest.mark.parametrize(
    ("words", "warned"),
    [((), False), (("--queues", "mial,other"), True), (("--queues", "mial,default"), False)],
)
def test_queues_that_no_task_of_the_app_is_sent_to_get_one_warning(
    app: Path, words: tuple[str, ...], warned: bool
) -> None:
    with start(app, "--app", "shop", "--driver", "memory", *words) as process:
        assert process.stderr is not None
        before = []
        while "worker_online" not in (line := process.stderr.readline()):
            before.append(line)
            assert line
        process.terminate()
        process.communicate(timeout=20)
    said = "--queues mial,other: the tasks of shop are sent to default"
    assert [said in line for line in before] == [True] * warned


def test_ends_with_0_when_as_many_tasks_have_run_as_were_to(app: Path) -> None:
    with start(app, "--app", "shop", "--driver", "memory", "--max-tasks", "1") as process:
        shown, errors = process.communicate(timeout=20)
    assert (process.returncode, shown) == (0, "hello world\n"), errors


WAITS = """
from asynctasq import task

@task
async def hold() -> None:
    print("holds the event loop", flush=True)
    open("gate").close()

hold().dispatch_sync()
"""


@pytest.mark.concurrent
def test_a_second_signal_ends_at_once_although_the_event_loop_is_blocked(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(WAITS)
    os.mkfifo(tmp_path / "gate")
    with start(tmp_path, "--app", "shop", "--driver", "memory") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "holds the event loop\n"
        process.terminate()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert process.returncode in (128 + signal.SIGINT, 128 + signal.SIGTERM), errors


LEAVES_A_THREAD = """
import asyncio
from asynctasq import init, task

init({"stop_grace": 1})

@task(max_attempts=1, timeout=0.1)
async def forget() -> None:
    await asyncio.to_thread(lambda: open("gate").close())

forget().dispatch_sync()
"""


def test_a_thread_that_a_task_left_behind_does_not_keep_the_process(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(LEAVES_A_THREAD)
    os.mkfifo(tmp_path / "gate")
    with start(tmp_path, "--app", "shop", "--driver", "memory", "--max-tasks", "1") as process:
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    assert "threads that go on 1.0 s after the end are left behind" in errors


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        ("errors.BackendRefused('no such table')", 3, "asynctasq: no such table\n"),
        ("errors.DriverUnavailable('no server')", 1, "asynctasq: no server\n"),
        ("ValueError('a bug')", 4, "--debug shows the traceback\n"),
    ],
)
def test_the_exit_code_says_what_a_worker_died_of(
    tmp_path: Path, raised: str, code: int, said: str
) -> None:
    (tmp_path / "shop.py").write_text(
        f"from asynctasq import errors, memory\n"
        f"async def refuse(self): raise {raised}\n"
        f"memory.MemoryDriver.open = refuse\n"
    )
    with start(tmp_path, "--app", "shop", "--driver", "memory") as process:
        _, errors = process.communicate(timeout=20)
    assert process.returncode == code, errors
    assert errors.endswith(said)


def test_an_app_that_raises_what_is_no_error_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("import asyncio\nraise asyncio.CancelledError\n")
    with start(tmp_path, "--app", "shop", "--driver", "memory") as process:
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert errors.startswith("asynctasq: --app shop: asyncio.exceptions.CancelledError (")
    assert errors.count("\n") == 1


KEYBOARD = """
from asynctasq import task

@task(max_attempts=2, retry_delay=0)
async def interrupt() -> None:
    raise KeyboardInterrupt("of its own")

@task
async def fine() -> None:
    print("fine", flush=True)

interrupt().dispatch_sync()
fine().delay(0.2).dispatch_sync()
"""


def test_a_keyboard_interrupt_of_a_task_is_a_failed_attempt_of_it(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(KEYBOARD)
    with start(tmp_path, "--app", "shop", "--driver", "memory", "--max-tasks", "3") as process:
        shown, errors = process.communicate(timeout=20)
    assert (process.returncode, shown) == (0, "fine\n")
    assert "is dead on attempt 2 (queue default): KeyboardInterrupt: of its own" in errors
