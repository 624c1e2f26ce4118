"""What every test shares: the rule that a complete run skips nothing."""

import gc
import os
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.clocks import clock  # noqa: F401 - a fixture
from tests.databases import database_server  # noqa: F401 - a fixture
from tests.memory import folder_in_memory
from tests.object_stores import ceph_store, moto_store  # noqa: F401 - fixtures
from tests.postgresql import own_postgresql_server, postgresql_server  # noqa: F401 - fixtures
from tests.real_registry import image_maker, real_registry  # noqa: F401 - fixtures
from tests.real_tools import buildah, helm, sigstore, syft  # noqa: F401 - fixtures

# No test may fail because the machine is busy.
settings.register_profile("without deadlines", deadline=None)
settings.load_profile("without deadlines")

# Where pytest makes the folders of tests, unless the environment names another place.
if folder := folder_in_memory():
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(folder))

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests of whole services: a file of these that began last would hold up the run."""
    items.sort(key=lambda item: not _runs_services(item))


def _runs_services(item: pytest.Item) -> bool:
    return item.path.parent == _HERE or hasattr(getattr(item, "module", None), "RunningService")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage among the tests themselves, which are millions of objects."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--forbid-skips", action="store_true", help="a skipped test fails")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and item.config.getoption("--forbid-skips"):
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be skipped: {report.longrepr}"
    return report
