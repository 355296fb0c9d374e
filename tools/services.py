"""Brings up the servers that tests need, and takes down what it brought up.

    python tools/services.py up              # those that packages name; or names, or `all`
    eval "$(python tools/services.py env)"   # tells tests where they are
    python tools/services.py down

One that already answers is used. Otherwise an installed program is started on a free port of
127.0.0.1 in a folder of its own; with `--install`, apt-get brings what is missing.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.backends import Failed, listing
from tools.backends.home import alone, place
from tools.backends.recipes import RECIPES
from tools.backends.room import create

ROOT = Path(__file__).resolve().parent.parent


def up(
    names: Sequence[str], *, private: bool, install: bool, installed: Sequence[str] = ()
) -> bool:
    """Bring these up, at the same time; prints the names of those that it started.

    With `install`, the programs of those others are there too: tests start some of their own.
    """
    if not names and not installed:
        _say("no package needs a server; `all` or names bring some up")
        return True
    with alone():
        _sweep()
        absent = [name for name in names if not _in_use(name, private=private)]
        if install:
            _install([*absent, *installed])
            absent = [name for name in absent if not _in_use(name, private=private)]
        return _each(absent, _bring_up)


def down(names: Sequence[str]) -> bool:
    """Stop what `up` started, of these or of all, and remove its folders."""
    if not place().exists():
        return True
    with alone():
        _sweep()
        names = names or sorted(RECIPES)
        return _each([name for name in names if listing.room_of(name)], _take_down)


def status(*, as_json: bool) -> bool:
    """Print a line for each server that runs, or that should."""
    rows = list(listing.status())
    if as_json:
        print(json.dumps([row.plain() for row in rows], indent=2))
        return True
    for row in rows:
        state = "answers" if row.answers else "DOES NOT ANSWER"
        details = f"  pid {row.pid}, {row.folder}" if row.folder else ""
        print(f"{row.server:9} {row.origin:9} {state}  {row.url}{details}")
    return True


def env() -> bool:
    """Print a line for `eval` for each server that answers."""
    for variable, url in listing.usable().items():
        print(f"export {variable}={shlex.quote(url)}")
    return True


def _in_use(name: str, *, private: bool) -> bool:
    room = listing.room_of(name)
    url = room.url if room and room.answers() else None
    if url is None and not private:
        url = listing.listening(name)
    if url:
        _say(f"{name}: already at {url}")
    return url is not None


def _bring_up(name: str) -> None:
    if room := listing.room_of(name):
        _say(f"{name}: starting it again on its data")
        room.kill()
        room.start()
    else:
        _say(f"{name}: starting")
        room = create(name)
    _say(f"{name}: at {room.url}")
    print(name, flush=True)


def _take_down(name: str) -> None:
    if room := listing.room_of(name):
        room.remove()
        _say(f"{name}: gone")


def _sweep() -> None:
    """Remove what tests left behind that were killed."""
    abandoned = [room for room in listing.rooms() if room.abandoned]
    for room in abandoned:
        room.kill()
        room.remove()


def _each(names: Sequence[str], work: Callable[[str], None]) -> bool:
    def attempt(name: str) -> bool:
        try:
            work(name)
        except (Failed, OSError) as error:
            _say(str(error))
            return False
        return True

    with ThreadPoolExecutor(max_workers=max(1, len(names))) as pool:
        return all([*pool.map(attempt, names)])


def _install(names: Sequence[str]) -> None:
    missing = [RECIPES[name] for name in dict.fromkeys(names) if RECIPES[name].missing()]
    packages = [recipe.package for recipe in missing]
    if not packages:
        return
    apt = shutil.which("apt-get")
    if os.getuid() or apt is None:
        _say(f"cannot install {' '.join(packages)}: that needs root and apt-get")
        return
    _say(f"installing {' '.join(packages)}")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        subprocess.run([apt, "-q", *words], env=quiet, stdout=sys.stderr, check=False)
    if service := shutil.which("service"):
        for name in (recipe.unasked for recipe in missing if recipe.unasked):
            subprocess.run([service, name, "stop"], env=quiet, stdout=sys.stderr, check=False)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    known = ", ".join(sorted(RECIPES))
    parser = argparse.ArgumentParser(prog="tools/services.py", description="Servers for tests.")
    parts = parser.add_subparsers(dest="part", required=True)
    part = parts.add_parser("up", help="bring servers up; says on stdout which it started")
    part.add_argument("names", nargs="*", help=f"{known}; all; default: what packages need")
    part.add_argument("--private", action="store_true", help="use none that already listens")
    part.add_argument("--install", action="store_true", help="apt-get what is missing, as root")
    part = parts.add_parser("down", help="stop what `up` started, and remove its data")
    part.add_argument("names", nargs="*", help=f"{known}; default: all")
    part = parts.add_parser("status", help="what runs, where from, and whether it answers")
    part.add_argument("--json", action="store_true")
    parts.add_parser("env", help='lines for eval "$(…)"')
    return parser


def _names(parser: argparse.ArgumentParser, given: list[str]) -> list[str]:
    if given == ["all"]:
        return sorted(RECIPES)
    for name in given:
        if name not in RECIPES:
            parser.error(f"unknown server {name!r}: expected {', '.join(sorted(RECIPES))} or all")
    return sorted(set(given))


def main(words: Sequence[str] | None = None) -> bool:
    """Run one part; whether all went well."""
    parser = _parser()
    given = parser.parse_args(words)
    if given.part == "status":
        return status(as_json=given.json)
    if given.part == "env":
        return env()
    names = _names(parser, given.names)
    if given.part == "down":
        return down(names)
    installed = [] if names else listing.started_by_tests(ROOT)
    names = names or listing.wanted(ROOT)
    return up(names, private=given.private, install=given.install, installed=installed)


if __name__ == "__main__":
    sys.exit(not main())
