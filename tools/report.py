"""What a session says at its end: what ran and for how long, and what was not tested and why."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tools.run_plan import Untested


@dataclass
class Report:
    """Collects the parts of a session, so that one that fails does not hide the others."""

    failures: tuple[type[Exception], ...]
    """What a part raises when it fails."""
    parts: list[tuple[str, float, bool]] = field(default_factory=list[tuple[str, float, bool]])

    def part(self, name: str, action: Callable[[], object]) -> None:
        """Do it, and remember how long it took and whether it failed."""
        start = time.monotonic()
        try:
            action()
        except self.failures:
            self.parts.append((name, time.monotonic() - start, False))
        else:
            self.parts.append((name, time.monotonic() - start, True))

    @property
    def failed(self) -> list[str]:
        """The names of the parts that failed."""
        return [name for name, _, passed in self.parts if not passed]

    def lines(self, untested: Iterable[Untested] = ()) -> list[str]:
        """The report, a line each."""
        return [
            *(f"not tested: {missing.what}: {missing.why}" for missing in untested),
            *(
                f"{seconds:7.1f} s  {'passed' if passed else 'FAILED'}  {name}"
                for name, seconds, passed in self.parts
            ),
        ]


def unmet(untested: Iterable[Untested], required: str | None) -> list[str]:
    """What makes the run fail: with `ASYNCTASQ_REQUIRE=all`, all that nothing excuses."""
    if required not in {None, "", "all"}:
        return [f"ASYNCTASQ_REQUIRE is {required!r}, expected 'all' or nothing"]
    return [
        f"{missing.what}: {missing.why}"
        for missing in untested
        if required == "all" and not missing.excused
    ]
