"""What a worker shows on a terminal, live. Imported only where one is shown: it needs Rich.

Reading goes `_capture` (what is caught), `_layout` and `_rate` (what lines are made of), `_one`
and `_all` (the pictures of a worker, and of a supervisor's), `_live` (showing them).
"""
