"""A pytest plugin (`-p tools.installed_only`): what is tested is what was installed.

A test that passes on the source tree says nothing of the wheel that users get.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import pytest

from tools.workspace import NAMESPACE

_CORE = "asynctasq"


def _origin() -> str | None:
    spec = find_spec(_CORE)
    return spec.origin if spec else None


def outside(files: Iterable[str | None], prefix: Path) -> list[str]:
    """Those files that are not in `site-packages` of the environment at `prefix`."""
    return sorted(
        str(file)
        for file in files
        if file is None
        or "site-packages" not in Path(file).parts
        or not Path(file).is_relative_to(prefix)
    )


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] in {_CORE, NAMESPACE}


def _refuse(files: Iterable[str | None]) -> None:
    if strays := outside(files, Path(sys.prefix)):
        raise pytest.UsageError(
            f"expected {_CORE} from site-packages of {sys.prefix}, found {', '.join(strays)}"
        )


def pytest_configure() -> None:
    """Refuse to start where an import would find the source tree."""
    _refuse([_origin()])


def pytest_report_header() -> str:
    """Say what is tested."""
    return f"{_CORE}: {_origin()}"


def pytest_runtest_setup() -> None:
    """Refuse each test before which something was imported from elsewhere all the same."""
    loaded = [module for name, module in sys.modules.copy().items() if _is_ours(name)]
    _refuse(file for module in loaded if (file := getattr(module, "__file__", None)))
