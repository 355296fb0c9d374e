"""A pytest plugin that writes what a run of the suite has shown, for machines.

``pytest -p asynctasq.testing.report --driver-report report.json``, with or without xdist.
"""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Generator, Iterable
from importlib import metadata
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import pytest

from asynctasq.driver import (
    Driver,
    JoinsTransaction,
    Migrates,
    ResultStore,
    SettlesInTransaction,
    TaskStore,
)
from asynctasq.testing._group import Group, group_of, tests_of
from asynctasq.testing._rig import Rig

Facts: TypeAlias = dict[str, Any]

FORMAT = 1
PROTOCOLS = (TaskStore, ResultStore, Migrates, JoinsTransaction, SettlesInTransaction)
FACTS = "asynctasq_facts"
"""Attribute of a test's report; xdist sends it from worker to controller as it is."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that names the file."""
    parser.addoption(
        "--driver-report", metavar="FILE", type=Path, help="write what the driver suite has shown"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Start listening, if a file was named."""
    if file := config.getoption("--driver-report"):
        config.pluginmanager.register(Reporter(file, writes=not hasattr(config, "workerinput")))


class Reporter:
    """Attaches facts to the reports of tests where they run, and sums them up at the end."""

    def __init__(self, file: Path, *, writes: bool) -> None:
        self._file = file
        self._writes = writes
        self._drivers: dict[str, Facts] = {}
        self._outcomes: dict[str, dict[str, tuple[str, str]]] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Say which suite and test this was; the first time, what its driver is."""
        report = yield
        if isinstance(item, pytest.Function) and isinstance(item.instance, Group):
            kind = type(item.instance)
            suite = f"{kind.__module__}.{kind.__qualname__}"
            facts: Facts = {"suite": suite, "test": item.originalname}
            rigs = [value for value in item.funcargs.values() if isinstance(value, Rig)]
            made = [rig.latest for rig in rigs if rig.latest is not None]
            if suite not in self._drivers and made:
                facts["driver"] = describe(made[0], item.instance)
            setattr(report, FACTS, facts)
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take note, where the test ran and, under xdist, in the controller too."""
        facts: Facts | None = getattr(report, FACTS, None)
        if facts is None:
            return
        suite = facts["suite"]
        if "driver" in facts:
            self._drivers[suite] = facts["driver"]
        if report.outcome != "passed" or report.when == "call":
            outcomes = self._outcomes.setdefault(suite, {})
            _, before = outcomes.get(report.nodeid, ("", ""))
            after = "failed" if before == "failed" else report.outcome
            outcomes[report.nodeid] = facts["test"], after

    def pytest_sessionfinish(self) -> None:
        """Write the file."""
        if self._writes:
            drivers = [self._summary(suite) for suite in sorted(self._drivers)]
            report = {"format": FORMAT, "drivers": drivers}
            self._file.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")

    def _summary(self, suite: str) -> Facts:
        facts = dict(self._drivers[suite])
        tests: dict[str, str] = facts.pop("tests")
        not_run: dict[str, str] = facts.pop("not_run")
        groups: dict[str, Facts] = {
            group: {"passed": 0, "failed": [], "not_run": {}}
            for group in sorted(set(tests.values()))
        }
        outcomes = self._outcomes.get(suite, {})
        for nodeid, (test, outcome) in sorted(outcomes.items()):
            _count(groups[tests[test]], nodeid.partition("::")[2], outcome)
        ran = {test for test, _ in outcomes.values()}
        for test in sorted(tests.keys() - ran):
            groups[tests[test]]["not_run"][test] = not_run.get(test, "not selected")
        return {**facts, "suite": suite, "groups": groups}


def _count(group: Facts, test: str, outcome: str) -> None:
    if outcome == "passed":
        group["passed"] += 1
    elif outcome == "failed":
        group["failed"].append(test)
    else:
        group["not_run"][test] = outcome


def describe(driver: Driver, suite: Group) -> Facts:
    """What a driver is and declares, as JSON; and the tests that its suite has."""
    kind = type(driver)
    distribution = _distribution(kind)
    return {
        "name": driver.name,
        "class": f"{kind.__module__}.{kind.__qualname__}",
        "distribution": distribution,
        "api": list(driver.api),
        "backend": suite.backend,
        "capabilities": capabilities(driver),
        "protocols": protocols(kind),
        "versions": dict(_versions(distribution)),
        "tests": {name: group_of(type(suite), name) for name, _, _ in tests_of(type(suite))},
        "not_run": suite.not_run,
    }


def capabilities(driver: Driver | type[Driver]) -> Facts:
    """What a driver declares, as JSON."""
    facts: Facts = msgspec.to_builtins(driver.capabilities)
    return {**facts, "atomic": sorted(driver.capabilities.atomic)}


def protocols(kind: type[Driver]) -> list[str]:
    """Names of the optional protocols that a driver implements."""
    return [protocol.__name__ for protocol in PROTOCOLS if issubclass(kind, protocol)]


def _distribution(kind: type[Driver]) -> str | None:
    for entry in metadata.entry_points(group="asynctasq.drivers", name=kind.name):
        if entry.attr == kind.__qualname__ and entry.dist is not None:
            return entry.dist.name
    return None


def _versions(distribution: str | None) -> Iterable[tuple[str, str]]:
    """Of Python, the core, the driver's distribution and what that requires."""
    yield "python", platform.python_version()
    names = ["asynctasq-core"]
    if distribution is not None:
        required = metadata.requires(distribution) or []
        plain = [r for r in required if "extra ==" not in r]
        names += [distribution, *(re.split(r"[^\w.-]", r, maxsplit=1)[0] for r in plain)]
    for name in sorted(set(names)):
        try:
            yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            yield name, "not installed"
