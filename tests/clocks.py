"""A clock for what counts seconds."""

import pytest


class Clock:
    """A clock that stands still until a test moves it."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()
