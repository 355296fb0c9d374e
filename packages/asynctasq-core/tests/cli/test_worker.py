"""``asynctasq worker``, as an operator runs it: a process, its output, and signals."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

APP = """
from asynctasq import task

@task
async def hello(name: str) -> None:
    print("hello", name, flush=True)

hello("world").dispatch_sync()
"""


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "asynctasq", "worker", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


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


def test_an_error_in_the_app_shows_its_traceback(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("import nothing_like_this\n")
    with start(tmp_path, "--app", "shop", "--driver", "memory") as process:
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "No module named 'nothing_like_this'" in errors
    assert 'shop.py", line 1' in errors
