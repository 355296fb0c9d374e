"""The commands that tools/README.md gives are commands of the benchmark, and do what they say."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tools import workspace

PAGE = (workspace.ROOT / "tools/README.md").read_text(encoding="utf-8").replace("\\\n", "")
COMMANDS = re.findall(r"^\.venv/bin/python tools/bench\.py(.*)$", PAGE, re.MULTILINE)


def test_there_are_some() -> None:
    assert len(COMMANDS) == 3


@pytest.mark.timeout(420)  # all drivers one after the other: two minutes with five of them
@pytest.mark.usefixtures("startable")
@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_of_the_page_measures_what_it_asks_for(words: str, tmp_path: Path) -> None:
    asked = shlex.split(words, comments=True)
    ran = subprocess.run(
        [sys.executable, workspace.ROOT / "tools/bench.py", *asked, "--scale=0.002", "--repeat=1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(r"^\| noop-100 +\|.*\d tasks/s \|", ran.stdout, re.MULTILINE), ran.stdout
    files = {Path(word).name for word in asked if word.endswith((".json", ".svg"))}
    assert {file.name for file in tmp_path.iterdir()} == files
