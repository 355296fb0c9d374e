"""``--workers N``: several processes, what they tell, and what they are told.

Reading goes `_supervisor` (the process above), `_supervised` (each below), `_output` (where that
writes to), `_reports` (what passes between them) and `_board` (what is known of all).
"""

from __future__ import annotations

from asynctasq.cli.supervisor._board import Board as Board
from asynctasq.cli.supervisor._supervised import end_of as end_of
from asynctasq.cli.supervisor._supervised import obeying as obeying
from asynctasq.cli.supervisor._supervisor import supervise as supervise
