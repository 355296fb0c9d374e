"""Where uv is: beside this Python, as `pip install uv` puts it, or on the path."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

_BESIDE = Path(sys.executable).with_name("uv")
UV = str(_BESIDE) if _BESIDE.exists() else shutil.which("uv") or "uv"
