"""Every check of this repository: `nox -l` lists them, `nox` runs those that CI runs.

What a session looks at or decides stands in `tools/`; here is what it runs, and in which order.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import nox
from nox.command import CommandFailed

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tools import (
    constraints,
    import_contracts,
    interpreters,
    released,
    run_plan,
    servers,
    steps,
    wheel_contents,
    workspace,
)
from tools.report import Report, unmet
from tools.run_plan import Plan, Run
from tools.uv import UV
from tools.workspace import Package

nox.needs_version = ">=2025.2"
nox.options.default_venv_backend = "uv"
nox.options.sessions = ["lint", "types", "wheels", "oldest", "tests"]
os.environ["UV_PYTHON_DOWNLOADS"] = "never"
os.environ.pop("PYTHONPATH", None)

ROOT = workspace.ROOT
PACKAGES = workspace.find()
FLOORS = "packages/*/benchmarks"
SOURCES = [str(package.src) for package in PACKAGES]


@nox.session
def lint(session: nox.Session) -> None:
    """Style, the shape of the repository, and who may import whom."""
    session.install(*steps.PINNED, "--group", "lint")
    contracts = steps.empty_room(session) / "contracts.ini"
    import_contracts.write(contracts, PACKAGES)
    with steps.all_of(session, os.pathsep.join([*SOURCES, str(ROOT)])) as run:
        run("python", "-m", "tools.shape")
        run("ruff", "check")
        run("ruff", "format", "--check")
        run("lint-imports", "--no-logo", "--config", str(contracts))


@nox.session
def types(session: nox.Session) -> None:
    """Both type checkers, strict; what tests/typing marks as an error has to be one."""
    session.install(*steps.PINNED, "--group", "types", *workspace.from_elsewhere(PACKAGES))
    # Pyright takes packages on the import path for foreign ones, unless told that they are ours.
    project = steps.empty_room(session) / "pyrightconfig.json"
    ours = {"extends": str(ROOT / "pyproject.toml"), "extraPaths": [*SOURCES, str(ROOT)]}
    project.write_text(json.dumps(ours))
    with steps.all_of(session, os.pathsep.join(SOURCES)) as run:
        run("mypy", *SOURCES)
        run("mypy", "tools", "noxfile.py")
        for folder in sorted((*ROOT.glob("packages/*/tests/typing"), *ROOT.glob(FLOORS))):
            run("mypy", *map(str, sorted(folder.glob("*.py"))))
        run("pyright", "--project", str(project))
        for package in PACKAGES:
            run("pyright", "--verifytypes", package.import_name, "--ignoreexternal")


@nox.session(python=False)
def wheels(session: nox.Session) -> None:
    """Build every package: each wheel fills its own room, and all of them fit together."""
    room = steps.empty_room(session)
    built = {p: steps.build(session, p, room, "--sdist", "--wheel") for p in PACKAGES}
    if problems := [line for p in PACKAGES for line in wheel_contents.problems(built[p], p)]:
        session.error("\n".join(problems))
    wanted = steps.as_requirements(built, workspace.usable_extras(PACKAGES))
    python = steps.environment(session, room / "venv", Path(sys.executable), *wanted, *steps.PINNED)
    for package in PACKAGES:
        session.run(str(python), "-P", "-c", f"import {package.import_name}", external=True)
    session.run(str(python.with_name("asynctasq")), "--help", external=True)


@nox.session(python=False)
def oldest(session: nox.Session) -> None:
    """The smoke test of each package, with the oldest of all that its ranges promise."""
    plan, words = _plan(session, every_python=False)
    room = steps.empty_room(session)
    report = Report((CommandFailed,))
    for run in plan.runs:
        if run.subject:
            report.part(run.title, partial(_smoke, session, run, room / run.name, words))
    _finish(session, report, plan)


def _smoke(session: nox.Session, run: Run, room: Path, words: Sequence[str]) -> None:
    """Beside the oldest releases of our own packages too, once there are some."""
    assert run.subject
    needed = released.oldest(run.subject, PACKAGES, room / "released")
    built = {p: steps.build(session, p, room / "wheels", "--wheel") for p in needed}
    wanted = [*steps.as_requirements(built, ["testing"]), *steps.groups([run.subject], "test")]
    wanted += workspace.from_elsewhere(needed)  # to uv, a wheel's own needs are not direct
    lowest = ("--resolution", "lowest-direct")
    python = steps.environment(session, room / "venv", run.interpreter.path, *wanted, *lowest)
    steps.pytest(session, python, run.folder, "-m", "smoke", *words, env=servers.told(PACKAGES))


@nox.session(python=False)
def tests(session: nox.Session) -> None:
    """All tests, on wheels, on every Python here. Words: packages, Pythons, pytest's options."""
    plan, words = _plan(session)
    none_may_match = {"-k", "-m"} & set(words)
    _run_tests(session, plan, words, accept=(0, 5) if none_may_match else (0,))


@nox.session(python=False)
def repeat(session: nox.Session) -> None:
    """Twenty times, those tests whose name or mark says `concurrent`."""
    plan, words = _plan(session, every_python=False)
    _run_tests(session, plan, ["-k", "concurrent", "--count", "20", *words], accept=(0, 5))


@nox.session(python=False)
def pins(session: nox.Session) -> None:
    """Write tools/constraints.txt anew, with the newest version of everything."""
    if problems := constraints.write(UV):
        session.error("\n".join(problems))


@nox.session(python=False)
def pages(session: nox.Session) -> None:
    """Write the README files' tables: options as declared, drivers as the suite has seen them."""
    room = steps.empty_room(session)
    built = {p: steps.build(session, p, room, "--wheel") for p in PACKAGES}
    wanted = [*steps.as_requirements(built, ["testing"]), *steps.groups(PACKAGES, "test")]
    python = steps.environment(session, room / "venv", Path(sys.executable), *wanted, *steps.PINNED)
    reports: list[str] = []
    for suite in (suite for package in PACKAGES for suite in package.suites):
        reports.append(str(room / f"{suite.stem}.json"))
        words = ("-n", "auto", "-p", "asynctasq.testing.report", "--driver-report", reports[-1])
        steps.pytest(session, python, suite, *words, env=servers.told(PACKAGES))
    session.run(str(python), "-m", "tools.pages", *reports, external=True)


def _plan(session: nox.Session, *, every_python: bool = True) -> tuple[Plan, list[str]]:
    promised = interpreters.promised(PACKAGES)
    found = interpreters.find(promised)
    if not every_python:
        promised, found = [], found[:1]
    plan = run_plan.plan(PACKAGES, promised, found, servers.problems(PACKAGES))
    return run_plan.chosen(plan, session.posargs)


def _run_tests(
    session: nox.Session, plan: Plan, words: Sequence[str], accept: Sequence[int]
) -> None:
    room = steps.empty_room(session)
    built = {p: steps.build(session, p, room / "wheels", "--wheel") for p in PACKAGES}
    report = Report((CommandFailed,))
    for run in plan.runs:
        report.part(run.title, partial(_test, session, run, room, built, words, accept))
    _finish(session, report, plan)


def _test(
    session: nox.Session,
    run: Run,
    room: Path,
    built: Mapping[Package, Path],
    words: Sequence[str],
    accept: Sequence[int],
) -> None:
    needed = workspace.tested_with(run.subject, PACKAGES) if run.subject else PACKAGES
    group = "test" if run.subject else "integration"
    extras = ["testing"] if run.subject else workspace.usable_extras(PACKAGES)
    wanted = steps.as_requirements({package: built[package] for package in needed}, extras)
    wanted += [*steps.groups(needed, group), *steps.PINNED]
    python = steps.environment(
        session, room / f"{run.name}-{run.interpreter.name}", run.interpreter.path, *wanted
    )
    env = {**servers.told(PACKAGES), "ASYNCTASQ_TEST_WHEELS": str(room / "wheels")}
    words = [*words, "-m", "not once"] if run.further else words
    steps.pytest(session, python, run.folder, *steps.PARALLEL, *words, env=env, accept=accept)


def _finish(session: nox.Session, report: Report, plan: Plan) -> None:
    """Say what happened, at the very end, and fail if something did."""
    print("", *report.lines(plan.untested), sep="\n", flush=True)
    refused = unmet(plan.untested, os.environ.get("ASYNCTASQ_REQUIRE"))
    if not report.parts:
        refused.append("nothing was run")
    if report.failed or refused:
        session.error("; ".join([*(f"{name} failed" for name in report.failed), *refused]))
