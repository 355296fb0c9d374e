"""What a run of the benchmark leaves behind: the shape of its JSON, which only ever grows."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

FORMAT = 1
"""Of the JSON; a number more where something in it changes its meaning."""


class Wanted(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What one row has to reach. All of it holds, or the row does not."""

    at_least: float | None = None
    """The ratio."""
    at_most: float | None = None
    """The ratio, where less is better."""
    limit: float | None = None
    """The value is at most this."""
    above: float | None = None
    """The value is at most so much more than its floor."""
    about: float | None = None
    """The value on the machine on which the ratios were found: for orientation, no condition."""

    def holds(self, value: float, floor: float | None, ratio: float | None) -> bool | None:
        """Whether it is reached; None: nothing is asked, or what it is asked of is not known."""
        asked = (
            (self.limit, self.limit, value),
            (self.at_most, self.at_most, ratio),
            (self.at_least, ratio, self.at_least),
            (self.above, self.above, None if floor is None else value - floor),
        )
        told = [
            None if more is None or less is None else less <= more
            for is_asked, more, less in asked
            if is_asked is not None
        ]
        return None if not told or None in told else all(told)


class Run(Struct, frozen=True):
    """One of the repeats: floor and system, one after the other."""

    value: float
    floor: float | None = None


class Row(Struct, frozen=True, kw_only=True):
    """One figure of one driver."""

    name: str
    title: str
    unit: str
    state: Literal["measured", "failed", "not applicable"]
    value: float | None = None
    """The median of the runs."""
    floor: float | None = None
    """The median of the runs."""
    floor_is: str = ""
    """What was measured as the floor."""
    ratio: float | None = None
    """The median of what each run's value is by its own floor: a machine that is slower for a
    while is so for both."""
    wanted: Wanted | None = None
    holds: bool | None = None
    """None where nothing is wanted, or nothing was measured."""
    note: str = ""
    """What to know of it; why it failed, or why it is not applicable."""
    runs: tuple[Run, ...] = ()
    """Every repeat: their spread tells how far the medians can be trusted."""


class DriverReport(Struct, frozen=True, kw_only=True):
    """One driver."""

    driver: str
    version: str
    """Of its distribution."""
    options: dict[str, str]
    """Those asked for, without texts, which may be secret."""
    results_stored: bool
    rows: tuple[Row, ...]


class Machine(Struct, frozen=True, kw_only=True):
    """Where it ran, without saying whose machine that is."""

    cpus: int
    system: str
    architecture: str
    python: str
    loop: str
    """The event loop: `uvloop`, where it is installed, or `asyncio`."""
    versions: dict[str, str]


class Report(Struct, frozen=True, kw_only=True):
    """All of it."""

    format: int = FORMAT
    machine: Machine
    size: str
    """`full`, or what makes the figures less telling than those of a full run."""
    repeat: int
    drivers: tuple[DriverReport, ...]

    @property
    def failed(self) -> list[str]:
        """What could not be measured although it should have been."""
        rows = ((each.driver, row) for each in self.drivers for row in each.rows)
        return [f"{driver}: {row.name}" for driver, row in rows if row.state == "failed"]
