"""Every option by `init()`, by the environment and by its flag: what any driver's have to stand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

import msgspec
import pytest

import asynctasq
import asynctasq.config._state as state
from asynctasq.config import Config
from asynctasq.driver import Secret

PASSWORD: Final = "tiger"
"""It stands in every secret that a suite sets."""


class OptionsSuite:
    """To be subclassed in a package's `tests/test_options.py`, which has to have `unconfigured`."""

    struct: ClassVar[type[msgspec.Struct]]
    driver: ClassVar[str]
    every: ClassVar[Mapping[str, tuple[str, Any]]]
    """Each option as text, and what becomes of it."""
    shown: ClassVar[Mapping[str, str]]
    """Of those that are secret, what may be seen."""
    clients: ClassVar[frozenset[str]]
    """Modules that nobody needs who only asks for options."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """A test that asks for a name is one for each option."""
        if "name" in metafunc.fixturenames:
            metafunc.parametrize("name", self.every)

    @pytest.fixture(autouse=True)
    def _unconfigured(self, unconfigured: None) -> None: ...

    def test_none_is_forgotten_here(self) -> None:
        assert tuple(self.every) == self.struct.__struct_fields__

    def test_each_is_set_by_init(self, name: str) -> None:
        text, value = self.every[name]
        asynctasq.init({name: text if isinstance(value, Secret) else value})
        assert getattr(self._options(), name) == getattr(Config.get(), name) == value
        assert Config.get().origin(name) == "init()"

    @pytest.mark.parametrize("prefix", ["ASYNCTASQ_", "ASYNC_TASK_"])
    def test_each_is_set_by_the_environment(
        self, monkeypatch: pytest.MonkeyPatch, name: str, prefix: str
    ) -> None:
        text, value = self.every[name]
        monkeypatch.setenv(prefix + name.upper(), text)
        assert getattr(self._options(), name) == value
        assert type(getattr(self._options(), name)) is type(value)

    def test_each_is_set_by_its_flag(self) -> None:
        flags = {name: f"--{name.replace('_', '-')}" for name in self.every}
        words = [word for name in self.every for word in (flags[name], self.every[name][0])]
        command = [sys.executable, "-m", "asynctasq", "config", *words, *self.every, "--json"]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=50, check=True)
        told = {row["option"]: (row["value"], row["origin"]) for row in json.loads(ran.stdout)}
        assert told == {
            name: (self.shown.get(name, value), f"flag {flags[name]}")
            for name, (_, value) in self.every.items()
        }

    def test_no_secret_is_shown(self) -> None:
        assert self.shown.keys() == {n for n, (_, v) in self.every.items() if type(v) is Secret}
        asynctasq.init({name: self.every[name][0] for name in self.shown})
        config = Config.get()
        plain = " ".join(str(getattr(config, name)) for name in self.shown)
        told = f"{config!r} {config.rows()} {self._options()!r} {plain}"
        assert all(PASSWORD in self.every[name][0] for name in self.shown)
        assert PASSWORD not in told

    def test_asking_for_options_imports_no_client_library(self) -> None:
        name = next(iter(self.shown))
        code = (
            f"import asynctasq, sys, asynctasq_drivers.{self.driver} as door\n"
            f"door.{self.struct.__name__}\n"
            f"asynctasq.init({{{name!r}: {self.every[name][0]!r}}})\n"
            f"sys.exit(', '.join({set(self.clients)!r} & sys.modules.keys()) or None)"
        )
        command = [sys.executable, "-c", code]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (ran.returncode, ran.stderr) == (0, "")

    def _options(self) -> object:
        """What the driver would be given."""
        found = Config.get().driver_options(self.driver)
        assert isinstance(found, self.struct)
        return found


@pytest.fixture(autouse=True)
def unconfigured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is set: in the environment, in a `.env`, or by an `init()` before."""
    for name in [*os.environ]:
        if name.startswith(("ASYNCTASQ_", "ASYNC_TASK_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(state, "_state", state._State())  # pyright: ignore[reportPrivateUsage]
