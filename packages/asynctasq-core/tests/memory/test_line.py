"""The line in which the tasks of the memory driver wait for their time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asynctasq.driver import Message
from asynctasq.memory._line import Line
from asynctasq.memory._queue import Task, next_number

MESSAGE = Message(queue="mail", body=b"", visibility_timeout=1.0)
times = st.sampled_from([0.0, 1.0, 2.0, 3.0, 60.0])


def stand(line: Line, task: Task, due: float) -> None:
    task.due, task.turn = due, next_number()
    line.put(task)


@given(st.lists(st.tuples(st.integers(0, 9), times)), st.integers(0, 30))
def test_the_first_is_the_one_due_longest_in_whatever_order_they_came(
    moves: list[tuple[int, float]], most: int
) -> None:
    line, tasks = Line(), [Task(MESSAGE, 1, serial, 0.0) for serial in range(10)]
    for which, due in moves:
        stand(line, tasks[which], due)
        line.compact(most)
    waiting = sorted((t for t in tasks if t.turn), key=lambda task: (task.due, task.serial))
    for task in waiting:
        assert line.first() is task
        task.turn = 0
    assert line.first() is None


@given(st.lists(times, min_size=65))
def test_a_task_that_moves_on_and_on_leaves_a_bounded_trace(moves: list[float]) -> None:
    line, task = Line(), Task(MESSAGE, 1, 1, 0.0)
    for due in moves:
        stand(line, task, due)
        line.compact(64)
        assert len(line) <= 64
