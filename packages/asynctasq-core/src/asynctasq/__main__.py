"""``python -m asynctasq``: the same commands as ``asynctasq``."""

from __future__ import annotations

from asynctasq.cli import main

if __name__ == "__main__":  # a child process imports this module under another name
    main()
