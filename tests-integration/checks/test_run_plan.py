"""What runs where, what is not tested, and what that means: `tools/run_plan.py`, `report.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import run_plan, workspace
from tools.interpreters import Interpreter
from tools.report import Report, unmet
from tools.run_plan import Plan, Untested

from .conftest import Repository

OLD, NEW = Interpreter("3.11", Path("/11")), Interpreter("3.12", Path("/12"))
PROMISED = ["3.11", "3.12"]


def _plan(repository: Repository, found: list[Interpreter], red: str | None = None) -> Plan:
    return run_plan.plan(workspace.find(repository.root), PROMISED, found, {"red": red})


def _names(plan: Plan) -> list[tuple[str, str]]:
    return [(run.interpreter.name, run.name) for run in plan.runs]


def test_the_oldest_runs_everything_and_the_others_what_needs_no_server(
    repository: Repository,
) -> None:
    plan = _plan(repository, [OLD, NEW])
    assert _names(plan) == [
        ("3.12", "asynctasq-core"),
        ("3.11", "asynctasq-core"),
        ("3.11", "asynctasq-red"),
        ("3.11", "tests-integration"),
    ]
    assert [run.further for run in plan.runs] == [True, False, False, False]
    assert plan.untested == []


def test_a_package_without_its_server_is_listed_and_not_excused(repository: Repository) -> None:
    plan = _plan(repository, [OLD, NEW], red="no red anywhere")
    assert ("3.11", "asynctasq-red") not in _names(plan)
    assert plan.untested == [Untested("asynctasq-red", "no red anywhere")]


def test_a_python_that_is_not_here_is_listed_and_excused(repository: Repository) -> None:
    plan = _plan(repository, [NEW])
    assert ("3.12", "asynctasq-red") in _names(plan)
    (missing,) = plan.untested
    assert missing.what == "Python 3.11"
    assert missing.excused


def test_without_any_python_nothing_runs_and_nothing_is_excused(repository: Repository) -> None:
    plan = _plan(repository, [])
    assert plan.runs == []
    assert unmet(plan.untested, "all") == ["everything: no Python was found to test on"]


@pytest.mark.parametrize(
    ("words", "names", "rest"),
    [
        ([], 4, []),
        (["-x", "-k", "lease"], 4, ["-x", "-k", "lease"]),
        (["asynctasq-core", "-x"], 2, ["-x"]),
        (["3.12"], 1, []),
        (["asynctasq-core", "3.11"], 1, []),
        (["tests-integration", "asynctasq-red"], 2, []),
    ],
)
def test_words_choose_packages_and_pythons_and_the_rest_is_for_pytest(
    repository: Repository, words: list[str], names: int, rest: list[str]
) -> None:
    plan, left = run_plan.chosen(_plan(repository, [OLD, NEW]), words)
    assert (len(plan.runs), left) == (names, rest)


def test_a_package_without_its_server_is_not_taken_for_an_option_of_pytest(
    repository: Repository,
) -> None:
    plan, left = run_plan.chosen(_plan(repository, [OLD], red="no red"), ["asynctasq-red"])
    assert (plan.runs, left) == ([], [])


def test_what_is_required_and_missing_fails_the_run() -> None:
    missing = [Untested("asynctasq-red", "no red"), Untested("Python 3.14", "none", excused=True)]
    assert unmet(missing, "all") == ["asynctasq-red: no red"]
    assert unmet(missing, None) == []


def test_an_unknown_requirement_fails_the_run() -> None:
    (problem,) = unmet([], "everything")
    assert "'everything'" in problem


def test_a_part_that_fails_hides_no_other() -> None:
    report = Report((RuntimeError,))

    def fail() -> None:
        raise RuntimeError

    report.part("first", fail)
    report.part("second", lambda: None)
    assert report.failed == ["first"]
    lines = report.lines([Untested("third", "no server")])
    assert lines[0] == "not tested: third: no server"
    assert lines[1].endswith("FAILED  first")
    assert lines[2].endswith("passed  second")


def test_an_error_of_the_tools_themselves_is_not_taken_for_a_failed_test() -> None:
    def fail() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        Report((RuntimeError,)).part("first", fail)
