"""What `tools/bench.py` is made of: each driver beside its floor, on the machine that runs it.

Reading goes `sizes` (how much), `floors` (what a driver's package tells), `subjects` (what is
measured), `measurements/` (what is measured of it), `children` and `orders` (processes that do one
thing, in `roles/`), `runs` (repeats and medians), `results`, `table`, `chart`.
"""
