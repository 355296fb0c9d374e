"""AsyncTasQ: a task queue that loses nothing."""
