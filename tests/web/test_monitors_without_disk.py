"""Monitors are answered, and soon, while the folders of a running service cannot be written: they are told why."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest
import requests

from tests.disks import kept_full, mounted
from tests.fakes.registry import FakeRegistry, image
from tests.real_registry import wait_until
from tests.running_service import RunningService

WITHIN_SECONDS = 60.0
SOMEBODY = 65534
_POWERS = "-dac_override,-dac_read_search,-fowner,-chown"


class LowlyService(RunningService):
    """A service that may do with files what their owner may and no more, also where root runs the tests."""

    launcher = () if os.getuid() else ("setpriv", "--bounding-set", _POWERS, "--inh-caps", "-all")

    def __init__(self, folder: Path, images: list[str]) -> None:
        super().__init__(folder, images)
        self.data, self.public = folder / "first disk" / "data", folder / "second disk" / "public"
        for path in (self.data, self.public):
            path.mkdir()
        self.environment["MICROBADGER_DATA_DIR"] = str(self.data)
        self.environment["MICROBADGER_PUBLIC_DIR"] = str(self.public)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LowlyService]:
    folder = tmp_path_factory.mktemp("service")
    with FakeRegistry() as fake, mounted(folder / "first disk"), mounted(folder / "second disk"):
        fake.push("team/web", "latest", image())
        name = f"{fake.host}/team/web"
        with LowlyService(folder, [name]) as service:
            service.wait_for_image(name)
            yield service


Trouble = Callable[[LowlyService], AbstractContextManager[object]]


def all_in(folder: Path) -> list[Path]:
    return [*folder.rglob("*"), folder]


def files_of_database(service: LowlyService) -> list[Path]:
    return list(service.data.glob("microbadger.db*"))


@contextmanager
def allowed(path: Path, mode: int) -> Iterator[None]:
    before = path.stat().st_mode & 0o7777
    path.chmod(mode)
    yield
    path.chmod(before)


@contextmanager
def all_allowed(paths: list[Path], mode: int) -> Iterator[None]:
    with ExitStack() as stack:
        for path in paths:
            stack.enter_context(allowed(path, mode))
        yield


@contextmanager
def given_away(paths: list[Path]) -> Iterator[None]:
    if os.getuid():
        pytest.skip("only root can give files away")
    for path in paths:
        os.chown(path, SOMEBODY, SOMEBODY)
    yield
    for path in paths:
        os.chown(path, os.getuid(), os.getgid())


@contextmanager
def moved_away(folder: Path) -> Iterator[None]:
    elsewhere = folder.with_name("elsewhere")
    folder.rename(elsewhere)
    yield
    shutil.rmtree(folder, ignore_errors=True)
    elsewhere.rename(folder)


@contextmanager
def gone_for_good(folder: Path) -> Iterator[None]:
    with moved_away(folder), allowed(folder.parent, 0o555):
        yield


DISK_TROUBLES: dict[str, tuple[Callable[[Path], AbstractContextManager[object]], str]] = {
    "read-only": (lambda folder: all_allowed(all_in(folder), 0o555), "Permission denied"),
    "of somebody else": (lambda folder: given_away(all_in(folder)), "Permission denied"),
    "not to be read": (lambda folder: allowed(folder, 0), "Permission denied"),
    "full": (lambda folder: kept_full(folder.parent), "No space left on device"),
    "gone": (gone_for_good, "Permission denied"),
}
FILE_TROUBLES: dict[str, Trouble] = {
    "read-only": lambda service: allowed(service.data / "microbadger.db", 0o444),
    "read-only with its log": lambda service: all_allowed(files_of_database(service), 0o444),
    "of somebody else": lambda service: given_away([service.data / "microbadger.db"]),
    "of somebody else with its log": lambda service: given_away(files_of_database(service)),
}


def problems(service: LowlyService) -> str:
    """Return what monitors are told is wrong, after each was answered in time."""
    texts = {}
    for path in ("/healthz", "/metrics"):
        answer = requests.get(f"{service.url}{path}", timeout=WITHIN_SECONDS)
        assert answer.status_code in (200, 503)
        texts[path] = answer.text
    assert "microbadger_build_info" in texts["/metrics"]
    assert not [text for text in texts.values() if str(service.folder) in text or "disk/" in text]
    return str(requests.get(f"{service.url}/healthz", timeout=WITHIN_SECONDS).json()["Problems"])


def told_and_healed(service: LowlyService, trouble: Trouble, words: str) -> None:
    wait_until(lambda: problems(service) == "[]", "nothing is wrong", WITHIN_SECONDS)
    with trouble(service):
        wait_until(lambda: words in problems(service), f"it says {words}", WITHIN_SECONDS)
    wait_until(lambda: problems(service) == "[]", "nothing is wrong any more", WITHIN_SECONDS)


@pytest.mark.parametrize(("trouble", "cause"), DISK_TROUBLES.values(), ids=DISK_TROUBLES)
@pytest.mark.parametrize("name", ["data", "public"])
def test_a_folder_that_cannot_be_written_is_told(
    service: LowlyService, name: str, trouble: Callable[[Path], AbstractContextManager[object]], cause: str
) -> None:
    folder: Path = getattr(service, name)
    told_and_healed(service, lambda _: trouble(folder), f"The folder {name} cannot be written: {cause}.")


@pytest.mark.parametrize("trouble", FILE_TROUBLES.values(), ids=FILE_TROUBLES)
def test_a_database_that_cannot_be_written_is_told(service: LowlyService, trouble: Trouble) -> None:
    told_and_healed(service, trouble, "The database microbadger.db cannot be used: it is read-only")


def test_a_data_folder_that_is_gone_is_made_again(service: LowlyService) -> None:
    with moved_away(service.data):
        wait_until(lambda: problems(service) == "[]" and service.data.is_dir(), "it is there", WITHIN_SECONDS)


def test_nothing_of_that_is_a_defect(service: LowlyService) -> None:
    assert service.lines("Traceback") == []
