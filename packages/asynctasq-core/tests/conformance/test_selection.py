"""Which tests a subclass of the suite gets, and that none hides another."""

from __future__ import annotations

from collections import Counter

from asynctasq.memory import MemoryDriver
from asynctasq.testing import DriverSuite, _group
from asynctasq.testing._group import Group


def collected(suite: type[Group]) -> set[str]:
    return {name for name, _, _ in _group.tests_of(suite) if getattr(suite, name) is not None}


def test_no_two_groups_have_a_test_or_helper_of_one_name() -> None:
    groups = {kind for kind in DriverSuite.__mro__ if issubclass(kind, Group)}
    groups -= {Group, DriverSuite}
    names = Counter(
        name
        for kind in groups
        for name, value in vars(kind).items()
        if callable(value) or isinstance(value, staticmethod) or name.startswith("test_")
    )
    assert [name for name, times in names.items() if times > 1] == []


def test_what_needs_a_hook_is_not_collected_without_it() -> None:
    class Plain(DriverSuite):
        driver_class = MemoryDriver

    class Restarting(Plain):
        async def restart_backend(self) -> None: ...

    name = "test_what_ended_stays_ended"
    assert name not in collected(Plain)
    assert Plain.not_run[name] == "needs restart_backend"
    assert name in collected(Restarting)
    assert name not in Restarting.not_run


def test_what_needs_a_protocol_is_not_collected_for_a_driver_without_it() -> None:
    class Bare:
        """A driver of the eight methods alone."""

    class Plain(DriverSuite):
        driver_class = Bare

    name = "test_a_dead_task_is_kept_whole"
    assert name not in collected(Plain)
    assert Plain.not_run[name] == "needs TaskStore"
    assert name in collected(DriverSuite)


def test_a_test_may_be_switched_off_and_is_then_named() -> None:
    name = "test_a_batch_may_be_mixed"
    plain = type("Plain", (DriverSuite,), {name: None, "driver_class": MemoryDriver})
    assert plain.not_run[name].startswith("switched off by")
    assert name not in collected(plain)
