"""The service under everything that goes wrong, for minutes: see `python -m tests.endurance --help`."""
