"""Where the driver logs."""

from __future__ import annotations

import logging
from typing import Final

log: Final = logging.getLogger("asynctasq.postgres")
