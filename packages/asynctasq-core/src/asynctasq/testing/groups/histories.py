"""Any history: whatever is done in whatever order, driver and model tell the same."""

from __future__ import annotations

import asyncio

from hypothesis import HealthCheck, given, settings

from asynctasq.testing._group import Group
from asynctasq.testing._history import History, Step, histories
from asynctasq.testing._rig import Rig


class Histories(Group):
    """Property-based: the same examples in every run, so that green means the same everywhere."""

    def test_any_history_goes_as_the_model_says(self, bench: Rig) -> None:
        driver = bench.new()
        with asyncio.Runner() as runner:

            @settings(
                max_examples=self.examples,
                deadline=None,
                derandomize=True,
                database=None,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
            )
            @given(histories)
            def live(steps: list[Step]) -> None:
                runner.run(History(bench, driver).live(steps))

            runner.run(driver.open())
            try:
                live()
            finally:
                runner.run(driver.close())
