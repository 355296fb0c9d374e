"""How much is measured: everything is bounded, in count and in time."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Sizes:
    """Counts of tasks, and seconds."""

    name: str = "full"
    tasks: int = 20_000
    """Preloaded no-op tasks; also the most of anything that is stored one by one or in batches."""
    seconds: float = 1.5
    """After which storing one by one or in batches ends, however far it came."""
    naps: int = 2_000
    """Tasks that sleep."""
    pulses: int = 200
    """Dispatches to an idle worker, 20 a second."""
    idle: float = 5.0
    """Seconds for which an idle worker is watched."""
    settle: float = 2.0
    """Seconds that a worker has before that, to come to rest."""
    waiting: tuple[int, int, int] = (1_000, 20_000, 1_000_000)
    head: int = 5_000
    """How many are taken from the head of those that wait."""

    def scaled(self, factor: float) -> Sizes:
        """The same with every count and time multiplied."""
        if factor == 1:
            return self

        def count(number: int) -> int:
            return max(10, round(number * factor))

        low, middle, high = map(count, self.waiting)
        return replace(
            self,
            name=f"{self.name}, scaled by {factor:g}",
            tasks=count(self.tasks),
            seconds=self.seconds * factor,
            naps=count(self.naps),
            pulses=count(self.pulses),
            idle=max(0.2, self.idle * factor),
            settle=max(0.1, self.settle * factor),
            waiting=(low, middle, high),
            head=count(self.head),
        )


FULL = Sizes()
QUICK = Sizes(
    name="quick",
    tasks=3_000,
    seconds=0.3,
    naps=1_000,
    pulses=20,
    idle=1.0,
    settle=0.5,
    waiting=(1_000, 5_000, 20_000),
    head=1_000,
)
