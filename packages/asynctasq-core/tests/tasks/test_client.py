"""What dispatches open: once for each loop, replaced by a later init(), closed at the end."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any, ClassVar

import pytest

import asynctasq
from asynctasq import task
from asynctasq.errors import ConfigError, DriverUnavailable
from asynctasq.memory import MemoryDriver, MemoryTransaction


@task
async def note(number: int) -> int:
    return number


class Lively(MemoryDriver):
    """Says what was done to each of its instances."""

    name = "probe"
    events: ClassVar[list[tuple[str, int]]] = []

    async def open(self) -> None:
        self.events.append(("open", id(self)))
        await asyncio.sleep(0.005)
        await super().open()

    async def close(self) -> None:
        self.events.append(("close", id(self)))
        await super().close()


@pytest.fixture
def lively(use: Any) -> list[tuple[str, int]]:
    """The life of every driver that this test opens."""
    Lively.events.clear()
    use(Lively)
    return Lively.events


@pytest.mark.asyncio
async def test_one_driver_serves_concurrent_first_use(lively, queue: str) -> None:
    handles = await asyncio.gather(*(note(n).on_queue(queue).dispatch() for n in range(50)))
    with pytest.raises(asynctasq.errors.ResultTimeout):
        await handles[0].result(timeout=0)
    await asynctasq.close()
    assert [what for what, _ in lively] == ["open", "close"]
    await asynctasq.close()
    assert len(lively) == 2


@pytest.mark.asyncio
async def test_a_cancelled_first_user_does_not_take_the_driver_from_others(
    lively, queue: str
) -> None:
    joining = note(1).on_queue(queue).dispatch(connection=MemoryTransaction())
    first = asyncio.ensure_future(joining)
    while not lively:
        await asyncio.sleep(0)
    second = asyncio.ensure_future(note(2).on_queue(queue).dispatch())
    first.cancel()
    assert (await second).queue == queue
    assert [what for what, _ in lively] == ["open"]


@pytest.mark.asyncio
async def test_a_driver_that_failed_to_open_is_opened_anew_by_the_next(use, queue: str) -> None:
    class Failing(MemoryDriver):
        fails = True

        async def open(self) -> None:
            if self.fails:
                raise DriverUnavailable("not yet")
            await super().open()

    use(Failing)
    asynctasq.init({"driver": "probe", "dispatch_timeout": 0})
    with pytest.raises(DriverUnavailable):
        await note(1).on_queue(queue).dispatch()
    Failing.fails = False
    await note(1).on_queue(queue).dispatch()


@pytest.mark.asyncio
async def test_a_later_init_closes_what_was_open_at_the_next_use(lively, queue: str) -> None:
    await note(1).on_queue(queue).dispatch()
    asynctasq.init({"driver": "probe"})
    assert [what for what, _ in lively] == ["open"]
    await asyncio.gather(*(note(n).on_queue(queue).dispatch() for n in range(5)))
    assert sorted(what for what, _ in lively) == ["close", "open", "open"]
    assert [which for what, which in lively if what == "close"] == [lively[0][1]]


@pytest.mark.asyncio
async def test_an_init_that_fails_leaves_everything_as_it_was(lively, queue: str) -> None:
    await note(1).on_queue(queue).dispatch()
    with pytest.raises(ConfigError):
        asynctasq.init({"driver": "memory", "nonsense": 1})
    await note(2).on_queue(queue).dispatch()
    assert [what for what, _ in lively] == ["open"]


@pytest.mark.asyncio
async def test_a_dispatch_that_a_later_init_overtakes_is_still_stored(
    scripted, queue: str, stored
) -> None:
    entered, gate = asyncio.Event(), asyncio.Event()

    async def slow(messages: Any, store: Any) -> Any:
        entered.set()
        await gate.wait()
        return await store(messages)

    scripted.script.append(slow)
    first = asyncio.ensure_future(note(1).on_queue(queue).dispatch())
    await entered.wait()
    asynctasq.init({"driver": "memory"})
    second = asyncio.ensure_future(note(2).on_queue(queue).dispatch())
    await asyncio.sleep(0)
    gate.set()
    handles = [await first, await second]
    assert {task.ref for task in await stored()} == {handle.ref for handle in handles}


def test_two_runs_after_each_other_each_have_their_own(use_unclosed, queue: str) -> None:
    use_unclosed(Lively)
    Lively.events.clear()

    async def main() -> weakref.ref[asyncio.AbstractEventLoop]:
        await note(1).on_queue(queue).dispatch()
        return weakref.ref(asyncio.get_running_loop())

    loops = [asynctasq.run(main()), asynctasq.run(main())]
    assert [what for what, _ in Lively.events] == ["open", "close"] * 2
    gc.collect()
    assert [loop() for loop in loops] == [None, None]


def test_run_closes_also_after_an_error(use_unclosed, queue: str) -> None:
    use_unclosed(Lively)
    Lively.events.clear()

    async def main() -> None:
        await note(1).on_queue(queue).dispatch()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asynctasq.run(main())
    assert [what for what, _ in Lively.events] == ["open", "close"]


@pytest.mark.asyncio
async def test_run_is_for_programs_without_a_loop(memory) -> None:
    main = note.call(1)
    with pytest.raises(RuntimeError, match="running event loop"):
        asynctasq.run(main)
    main.close()


FORGETFUL = """
import asyncio
from asynctasq import task

@task
async def note(number: int) -> int: ...

async def main() -> None:
    handle = await note(1).dispatch()

asyncio.run(main())
print("ended")
"""


def test_a_program_that_forgets_to_close_gets_one_warning_and_nothing_else(program) -> None:
    shown = program(FORGETFUL, "-W", "always", "program.py")
    assert (shown.stdout, shown.returncode) == ("ended\n", 0)
    (warning,) = [line for line in shown.stderr.splitlines() if not line.startswith("  ")]
    assert "ResourceWarning: asynctasq was not closed before its event loop ended" in warning
    assert "asynctasq.run(main())" in warning


def test_with_warnings_as_errors_it_is_still_that_one_alone(program) -> None:
    shown = program(FORGETFUL)
    assert (shown.stdout, shown.returncode) == ("ended\n", 0)
    assert shown.stderr.count("ResourceWarning") == 1
    assert shown.stderr.strip().splitlines()[-1].startswith("ResourceWarning: asynctasq was not")


@pytest.mark.asyncio
async def test_a_loop_that_ended_unclosed_is_let_go(memory, queue: str) -> None:
    def forget() -> weakref.ref[asyncio.AbstractEventLoop]:
        async def main() -> weakref.ref[asyncio.AbstractEventLoop]:
            await note(1).on_queue(queue).dispatch()
            return weakref.ref(asyncio.get_running_loop())

        with pytest.warns(ResourceWarning, match="was not closed"):
            return asyncio.run(main())

    loop = await asyncio.to_thread(forget)
    gc.collect()
    assert loop() is None


LOOP = """
import asyncio, sys
import asynctasq

async def main() -> None:
    print(type(asyncio.get_running_loop()).__module__)

asynctasq.run(main())
"""


def test_run_takes_the_fastest_loop_that_is_installed(program, tmp_path) -> None:
    (tmp_path / "uvloop.py").write_text(
        "import asyncio\n"
        "class Loop(asyncio.SelectorEventLoop): pass\n"
        "def new_event_loop(): return Loop()\n"
    )
    shown = program(LOOP)
    assert (shown.stdout, shown.stderr) == ("uvloop\n", "")
