"""Reads a tour of a page, so that it can be walked: files to be written, commands and their output.

A file is the code block below `<!-- file: name -->`. A block of language `console` is a terminal:
a command stands behind `$ `, what it shows below it.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PART = re.compile(
    r"(?:<!-- file: (?P<file>\S+) -->\s*)?```(?P<language>\w+)\n(?P<text>.*?)```", re.DOTALL
)
_MARK = "-- what follows is of another command --"
_LIKE = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "ID"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} \d+"), "TIME PID"),
    (re.compile(r"[\w.-]+:\d+ on "), "HOST:PID on "),
    (re.compile(r"\d+ s\b"), "N s"),
    (re.compile(r" {2,}"), "  "),
)
"""What is another at every walk, and what stands for it."""


@dataclass(frozen=True)
class Step:
    """A command of the tour, and what it shows."""

    command: str
    shown: str


def files(tour: str) -> dict[str, str]:
    """The files that a tour has its reader write, by name."""
    return {part["file"]: part["text"] for part in _PART.finditer(tour) if part["file"]}


def steps(tour: str) -> list[Step]:
    """Every command, in order."""
    return [step for part in _PART.finditer(tour) for step in _steps(part)]


def _steps(part: re.Match[str]) -> Iterator[Step]:
    if part["language"] == "console":
        for chunk in part["text"].removeprefix("$ ").split("\n$ "):
            command, _, shown = chunk.partition("\n")
            yield Step(command, shown.strip("\n"))


def walk(
    commands: Sequence[str], folder: Path, environment: Mapping[str, str], seconds: float = 50.0
) -> list[str]:
    """What each command shows in one shell, output and errors together, in so many seconds."""
    script = "".join(f"{command}\necho; echo '{_MARK}'\n" for command in commands)
    ran = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
        check=False,
    )
    *shown, rest = ran.stdout.split(f"\n{_MARK}\n")
    if rest or len(shown) != len(commands):
        raise RuntimeError(f"the shell ended early: {ran.stdout}")
    return [text.strip("\n") for text in shown]


def likeness(text: str) -> str:
    """The text without ids, times and widths: equal for what only differs by these."""
    for pattern, instead in _LIKE:
        text = pattern.sub(instead, text)
    return "\n".join(line.rstrip() for line in text.splitlines())
