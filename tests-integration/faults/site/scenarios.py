"""What a worker has to do while it is killed: together, these lead it through all of its awaits."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Scenario:
    """What a worker has to do, and what makes it end if nothing kills it."""

    name: str
    tasks: tuple[str, ...]
    """Where each is defined, and its name."""
    attempts: int
    """Runs after which it ends; 0: it is stopped while all of them run."""
    options: dict[str, str] = field(default_factory=dict)

    def load(self) -> None:
        """Import what defines them, and nothing that defines others."""
        for name in self.tasks:
            import_module(name.partition(".")[0])

    def calls(self) -> list[Any]:
        self.load()
        split = (name.partition(".") for name in self.tasks)
        return [getattr(sys.modules[module], name)() for module, _, name in split]


SCENARIOS = (
    Scenario(
        "ordinary",
        (
            "deeds.walk",
            "deeds.walk_in_time",
            "deeds.work",
            "deeds.wrap",
            "deeds.fail_once",
            "deeds.FailForGood",
        ),
        7,
    ),
    Scenario(
        "outages",
        ("deeds.walk", "deeds.work", "deeds.walk_in_time", "deeds.outlast_a_renewal"),
        4,
        {
            "ASYNCTASQ_DRIVER": "faulty",
            "FAULTS": "dequeue:1:before extend:1:before settle:1:before settle:2:after "
            "settle:many:refused",
        },
    ),
    Scenario(
        "results elsewhere",
        ("deeds.walk_in_time", "deeds.walk"),
        2,
        {"ASYNCTASQ_DRIVER": "bare", "ASYNCTASQ_RESULT_DRIVER": "sqlite"},
    ),
    Scenario("dispatches", ("deeds.pass_on",), 2),
    Scenario("children", ("deeds_of_children.compute", "deeds_of_children.compute_async"), 2),
    Scenario(
        "stopped",
        ("deeds.linger", "deeds.linger_in_a_thread", "deeds_of_children.linger_in_a_child"),
        0,
        {"ASYNCTASQ_SHUTDOWN_TIMEOUT": "0.2", "ASYNCTASQ_STOP_GRACE": "0.1"},
    ),
)
