"""Tests run on what is installed, and refuse to run on a source tree: `tools/installed_only.py`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools import installed_only
from tools.workspace import ROOT

SOURCE = str(ROOT / "packages" / "asynctasq-core" / "src")


def _pytest(folder: Path, *words: str, **environment: str) -> tuple[int, str]:
    options = ["-c", "pyproject.toml", "-p", "tools.installed_only", *words]
    command = [sys.executable, "-m", "pytest", *options, str(folder)]
    env = {"PATH": os.environ["PATH"], **environment}
    answer = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    return answer.returncode, answer.stdout + answer.stderr


@pytest.mark.parametrize("words", [(), ("-n", "1")], ids=["in one process", "in workers"])
def test_what_is_installed_is_tested_and_named(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "test_it.py").write_text("import asynctasq.driver\ndef test_it(): pass\n")
    code, said = _pytest(tmp_path, *words)
    assert code == 0, said
    assert f"asynctasq: {Path(sys.prefix)}" in said


def test_a_source_tree_on_the_path_is_refused(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_it(): pass\n")
    code, said = _pytest(tmp_path, PYTHONPATH=SOURCE)
    assert code == 4
    assert "expected asynctasq from site-packages" in said


@pytest.mark.parametrize("words", [(), ("-n", "1")], ids=["in one process", "in workers"])
def test_a_test_that_turns_to_the_source_tree_is_refused(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    text = f"import sys\nsys.path.insert(0, {SOURCE!r})\nimport asynctasq\ndef test_it(): pass\n"
    (tmp_path / "test_it.py").write_text(text)
    code, said = _pytest(tmp_path, *words)
    assert code == 1
    assert "expected asynctasq from site-packages" in said


def test_files_outside_of_the_environment_are_found(tmp_path: Path) -> None:
    inside = str(tmp_path / "lib" / "site-packages" / "asynctasq" / "__init__.py")
    elsewhere = "/other/site-packages/asynctasq/__init__.py"
    editable = str(tmp_path / "src" / "asynctasq" / "__init__.py")
    assert installed_only.outside([inside, elsewhere, editable, None], tmp_path) == sorted(
        [elsewhere, editable, "None"]
    )
