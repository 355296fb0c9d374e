"""A task is found by its registered name: which name it gets, and that two cannot share one."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

import asynctasq
from asynctasq import AsyncTask, task
from asynctasq.errors import PayloadError, TaskDefinitionError
from asynctasq.tasks import TASKS

SHOWS_ITS_NAME = """
from asynctasq import AsyncTask, task

@task
async def welcome() -> None: ...

class Invoice(AsyncTask[None]):
    async def execute(self) -> None: ...

if __name__ == "__main__":
    from asynctasq.tasks import TASKS
    print(*TASKS.names())
"""


@pytest.mark.parametrize(
    ("file", "arguments", "module"),
    [
        ("program.py", ("program.py",), "program"),
        ("program.py", ("./folder/../program.py",), "program"),
        ("program.py", ("-m", "program"), "program"),
        ("shop/mail/sending.py", ("shop/mail/sending.py",), "shop.mail.sending"),
        ("shop/mail/sending.py", ("-m", "shop.mail.sending"), "shop.mail.sending"),
        ("shop/__main__.py", ("-m", "shop"), "shop.__main__"),
        ("shop/__main__.py", ("shop/__main__.py",), "shop.__main__"),
    ],
)
def test_a_program_names_its_tasks_as_others_import_them(
    program, tmp_path: Path, file: str, arguments: tuple[str, ...], module: str
) -> None:
    (tmp_path / "folder").mkdir()
    for package in (Path(file).parents)[:-1]:
        (tmp_path / package).mkdir(parents=True, exist_ok=True)
        (tmp_path / package / "__init__.py").touch()
    shown = program(SHOWS_ITS_NAME, *arguments, file=file)
    assert shown.stdout.split() == [f"{module}.Invoice", f"{module}.welcome"], shown.stderr


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_child_of_multiprocessing_names_them_the_same(program, method: str) -> None:
    shown = program(
        f"""
        import multiprocessing
        from asynctasq import task

        @task
        async def welcome() -> None: ...

        def show() -> None:
            print(welcome.name, flush=True)

        if __name__ == "__main__":
            child = multiprocessing.get_context({method!r}).Process(target=show)
            child.start()
            child.join()
            show()
        """
    )
    assert shown.stdout.split() == ["program.welcome", "program.welcome"], shown.stderr


@pytest.mark.parametrize("started_as", ["program.py", "link.py"])
def test_a_program_may_import_itself(program, tmp_path: Path, started_as: str) -> None:
    (tmp_path / "link.py").symlink_to("program.py")
    shown = program(SHOWS_ITS_NAME + "    import program\n", started_as)
    assert shown.stdout.split() == ["program.Invoice", "program.welcome"], shown.stderr


def test_a_module_imported_twice_is_no_second_task(tmp_path: Path) -> None:
    path = tmp_path / "imported_twice.py"
    path.write_text(SHOWS_ITS_NAME)
    for _ in range(2):
        spec = importlib.util.spec_from_file_location("imported_twice", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["imported_twice"] = module
        spec.loader.exec_module(module)
    del sys.modules["imported_twice"]
    assert TASKS.get("imported_twice.welcome").is_async


def test_two_functions_of_one_name_are_an_error_that_names_both_places() -> None:
    @task(name="names.twice")
    def first() -> None: ...

    with pytest.raises(TaskDefinitionError, match=r"two tasks are named 'names\.twice'") as raised:

        @task(name="names.twice")
        def second() -> None: ...

    assert "first (" in str(raised.value)
    assert "second (" in str(raised.value)
    assert str(raised.value).count(f"{Path(__file__).name}:") == 2


def test_two_classes_of_one_name_in_one_file_are_an_error() -> None:
    class Same(AsyncTask[None]):
        async def execute(self) -> None: ...

    first = Same
    with pytest.raises(TaskDefinitionError, match="two tasks are named"):

        class Same(AsyncTask[None]):
            async def execute(self) -> None: ...

    assert first is not None


def test_a_class_and_a_function_of_one_name_are_an_error() -> None:
    class Mixed(AsyncTask[None], name="names.mixed"):
        async def execute(self) -> None: ...

    with pytest.raises(TaskDefinitionError, match=r"names\.mixed"):

        @task(name="names.mixed")
        def mixed() -> None: ...


def test_tasks_that_the_same_lines_made_are_told_apart_before_the_wrong_one_runs(clean) -> None:
    def make(number: int) -> Any:
        @task
        def show() -> int:
            return number

        return show

    asynctasq.init({"driver": "memory"})
    first, second = make(1), make(2)
    with pytest.raises(TaskDefinitionError, match=r"made again by the same lines .* name="):
        asynctasq.run(first().dispatch())
    second.definition.check_latest()


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 251, 5])
def test_a_name_that_no_message_should_carry_is_refused(name: str) -> None:
    with pytest.raises(TaskDefinitionError, match="1 to 250 printable characters"):
        task(name=name)(lambda: None)


@pytest.mark.parametrize("name", ["os.system", "antigravity.fly", "../../etc/passwd", "x" * 5000])
def test_an_unknown_name_imports_nothing(name: str) -> None:
    before = set(sys.modules)
    with pytest.raises(PayloadError, match=r"no task named .* --app") as raised:
        TASKS.get(name)
    assert set(sys.modules) == before
    assert len(str(raised.value)) < 400
