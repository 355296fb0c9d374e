"""Measures drivers: what the client library does alone, and beside it the whole system.

    python tools/bench.py --quick
    python tools/bench.py --driver sqlite --option sqlite_synchronous=normal --json figures.json

`tools/README.md` tells how to read the report, and how a driver brings its floor along.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.benchmarks.command import command

if __name__ == "__main__":
    command(prog_name="bench.py")
