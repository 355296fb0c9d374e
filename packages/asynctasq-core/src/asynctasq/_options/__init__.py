"""What an option is: how it is declared, what it accepts, and the ones that core declares.

Below the plugins, because an option of a driver is told apart from core's own there; above
nothing but `Secret`. Reading goes `_core`, `_option`, `_convert`.
"""

from __future__ import annotations

from asynctasq._options._convert import INVALID as INVALID
from asynctasq._options._convert import read as read
from asynctasq._options._core import RESERVED as RESERVED
from asynctasq._options._core import CoreOptions as CoreOptions
from asynctasq._options._option import Option as Option
from asynctasq._options._option import options_of as options_of
