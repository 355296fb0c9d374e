"""What a worker shows on a terminal, live. Imported only where that is asked for: it needs Rich.

Reading goes `_terminal` (what is caught), `_layout` and `_rate` (what lines are made of), `_one`
and `_all` (the pictures of a worker, and of a supervisor's), `_live` (showing them).
"""
