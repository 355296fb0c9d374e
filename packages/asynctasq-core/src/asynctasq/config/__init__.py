"""Options: where they come from, which are in force, and the one call that sets them.

`asynctasq._options` says what an option is, `asynctasq.plugins` which a driver adds. Reading goes
`_given`, `_known`, `_config`, `_checks`, `_build`, `_state`, `_driver`,
`_events`.
"""

from __future__ import annotations

from asynctasq._options import CoreOptions as CoreOptions
from asynctasq._options import Option as Option
from asynctasq._options import options_of as options_of
from asynctasq.config._config import Config as Config
from asynctasq.config._config import Row as Row
from asynctasq.config._config import context as context
from asynctasq.config._driver import make_driver as make_driver
from asynctasq.config._events import make_emitters as make_emitters
from asynctasq.config._events import make_subscriber as make_subscriber
from asynctasq.config._known import known_options as known_options
from asynctasq.config._state import ConfigWarning as ConfigWarning
from asynctasq.config._state import Settings as Settings
from asynctasq.config._state import current as current
from asynctasq.config._state import init as init
from asynctasq.config._state import set_flags as set_flags
from asynctasq.config._state import set_global_config as set_global_config
