"""The commands of the README are read from it, so that what is told is what is run."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tools import readme

PAGE = """
<!-- command: one -->
```bash
echo one && echo 1
```

Not marked:

```bash
echo two
```
"""


def test_marked_commands_are_read_and_others_are_not() -> None:
    assert readme.commands(PAGE) == {"one": "echo one && echo 1"}


@pytest.mark.parametrize("name", ["example", "tests"])
def test_a_command_of_this_readme_is_printed_for_a_shell(name: str) -> None:
    command = [sys.executable, "-I", readme.__file__, name]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed.startswith("python3 -m venv .venv && ")
    assert printed.count("\n") == 1


def test_a_name_that_is_not_there_is_an_error_that_says_which_are() -> None:
    with pytest.raises(SystemExit, match="it has: example, tests"):
        readme.main("benchmark")
