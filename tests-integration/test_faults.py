"""The list of faults names tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tools import workspace

PAGE = Path(__file__).parent / "FAULTS.md"
FOLDERS = [Path(__file__).parent, *(package.folder / "tests" for package in workspace.find())]
SUITE = workspace.ROOT / "packages/asynctasq-core/src/asynctasq/testing/groups"


def _tests_in(node: ast.AST) -> set[str]:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {each.name for each in ast.walk(node) if isinstance(each, functions)}


def _known() -> set[str]:
    files = {file for folder in FOLDERS for file in folder.rglob("test_*.py")}
    known = {f"{file.name}::{t}" for file in files for t in _tests_in(ast.parse(file.read_text()))}
    for file in SUITE.glob("*.py"):
        classes = (n for n in ast.parse(file.read_text()).body if isinstance(n, ast.ClassDef))
        known |= {f"{group.name}.{test}" for group in classes for test in _tests_in(group)}
    return known


def test_every_fault_has_tests_and_each_of_them_exists() -> None:
    rows = re.findall(r"^\| (.+?) \| (`.+`) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) > 40
    named = {fault: set(re.findall(r"`([^`]+)`", tests)) for fault, tests in rows}
    known = _known()
    assert {fault: tests - known for fault, tests in named.items() if tests - known} == {}
