"""Private servers for tests: a room is a folder with the data of one, and the means to run it.

Only the standard library is used: it runs before anything is installed.
"""

from tools.backends.room import Failed, Room, private

__all__ = ["Failed", "Room", "private"]
