"""What `noxfile.py` is made of: small modules, each with one thing to find out or to refuse."""
