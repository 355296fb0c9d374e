"""The tests, one class a file; `asynctasq.testing.DriverSuite` is all of them together."""
