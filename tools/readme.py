"""Reads the commands of `README.md`, so that what is told and what is run cannot differ.

A command is the one line of a code block below `<!-- command: name -->`. From a shell:
`python3 tools/readme.py tests` prints the one named `tests`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

_BLOCK = re.compile(r"<!-- command: (?P<name>\S+) -->\s*```bash\n(?P<line>[^\n]+)\n```")
README = Path(__file__).resolve().parent.parent / "README.md"


def commands(text: str) -> dict[str, str]:
    """Every marked command of a page, by name."""
    return {match["name"]: match["line"] for match in _BLOCK.finditer(text)}


def main(name: str) -> None:
    """Print the command of that name; exits with the names there are where it is not one."""
    found = commands(README.read_text(encoding="utf-8"))
    if name not in found:
        sys.exit(f"README.md has no command {name!r}; it has: {', '.join(found) or 'none'}")
    print(found[name])


if __name__ == "__main__":
    main(sys.argv[1])
