"""Which tests run on which Python, and what is not tested and why. Decides; runs nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.interpreters import Interpreter
from tools.workspace import ROOT, Package

INTEGRATION = "tests-integration"


@dataclass(frozen=True)
class Run:
    """One run of pytest, in an environment of its own."""

    interpreter: Interpreter
    subject: Package | None
    """The package that is tested; None: all of them together, by `tests-integration/`."""
    further: bool = False
    """Whether another Python runs the same tests, those marked `once` among them."""

    @property
    def name(self) -> str:
        """The package's, or `tests-integration`."""
        return self.subject.name if self.subject else INTEGRATION

    @property
    def title(self) -> str:
        """What the report calls it."""
        return f"{self.name} on Python {self.interpreter.name}"

    @property
    def folder(self) -> Path:
        """Where its tests are."""
        return self.subject.folder / "tests" if self.subject else ROOT / INTEGRATION


@dataclass(frozen=True)
class Untested:
    """Something that this machine does not allow to test."""

    what: str
    why: str
    excused: bool = False
    """Nobody is required to have every Python; a server can always be had."""


@dataclass(frozen=True)
class Plan:
    """What will run, in order, and what will not."""

    runs: list[Run]
    untested: list[Untested]


def plan(
    packages: Sequence[Package],
    promised: Sequence[str],
    found: Sequence[Interpreter],
    problems: Mapping[str, str | None],
) -> Plan:
    """Further Pythons run what needs no server; the oldest one, last, runs everything.

    `problems` holds, for each server that a package names, why it cannot be used, or None.
    """
    names = {interpreter.name for interpreter in found}
    untested = [
        Untested(f"Python {name}", "not found on this machine", excused=True)
        for name in promised
        if name not in names
    ]
    if not found:
        return Plan([], [*untested, Untested("everything", "no Python was found to test on")])
    bare = [package for package in packages if package.server is None]
    runs = [Run(other, package, further=True) for other in found[1:] for package in bare]
    for package in packages:
        problem = problems[package.server] if package.server else None
        if problem:
            untested.append(Untested(package.name, problem))
        else:
            runs.append(Run(found[0], package))
    return Plan([*runs, Run(found[0], None)], untested)


def chosen(plan: Plan, words: Sequence[str]) -> tuple[Plan, list[str]]:
    """The part of a plan that words name (packages, Pythons), and the other words: pytest's."""
    names = {run.name for run in plan.runs}
    versions = {run.interpreter.name for run in plan.runs}
    known = names | {missing.what for missing in plan.untested}
    rest = [word for word in words if word not in known | versions]
    names = known & set(words) or names
    versions = versions & set(words) or versions
    runs = [run for run in plan.runs if run.name in names and run.interpreter.name in versions]
    return Plan(runs, plan.untested), rest
