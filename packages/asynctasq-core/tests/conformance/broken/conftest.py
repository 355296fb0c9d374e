"""Of a broken driver that was caught, the rest of the tests need not run."""

from __future__ import annotations

import gc
from collections.abc import Generator

import pytest

_caught: set[object] = set()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    return True if pyfuncitem.cls in _caught else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    # What a broken driver leaves is not collected while a failure is described: both parse source,
    # and Python 3.11 cannot do that within itself (https://github.com/python/cpython/issues/106905)
    gc.disable()
    try:
        report = yield
    finally:
        gc.enable()
    if report.failed:
        _caught.add(getattr(item, "cls", None))
    return report
