"""Of a broken driver that was caught, the rest of the tests need not run."""

from __future__ import annotations

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
    report = yield
    if report.failed:
        _caught.add(getattr(item, "cls", None))
    return report
