"""What most tests of checks begin with: a fake registry, and a process that checks an image of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.registry import FakeRegistry
from tests.freshness.bench import Bench
from tests.store.conftest import place, places

__all__ = ["place", "places"]


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as fake:
        yield fake


@pytest.fixture
def bench(tmp_path: Path, fake: FakeRegistry) -> Bench:
    return Bench(tmp_path, fake)
