"""What is installed is what was tried: every package in one version, and of that only files that we have seen."""

import re
from collections.abc import Iterator
from importlib.metadata import requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.readme import ROOT

FILES = [ROOT / "requirements.txt", ROOT / "tests/requirements.txt"]
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def lines(file: Path) -> Iterator[list[str]]:
    """Yield what stands on each line, of which one can go over several."""
    for line in file.read_text().replace("\\\n", " ").splitlines():
        text = line.partition("#")[0].strip()
        if text:
            requirement, *options = text.split(" --")
            yield [requirement.strip(), *(f"--{option.strip()}" for option in options)]


def requirements(*files: Path) -> dict[str, Requirement]:
    """Return what these files have installed here, by name."""
    parsed = [Requirement(text) for file in files for text, *_ in lines(file)]
    return {canonicalize_name(each.name): each for each in parsed if each.marker is None or each.marker.evaluate()}


@pytest.mark.parametrize("file", FILES, ids=str)
def test_each_requirement_is_one_version_with_the_hashes_of_its_files(file: Path) -> None:
    for text, *options in lines(file):
        (pin,) = Requirement(text).specifier
        assert (pin.operator, "*" in pin.version) == ("==", False), text
        assert options, f"{text} has no hashes"
        assert all(HASH.fullmatch(option) for option in options), text


@pytest.mark.parametrize("files", [FILES[:1], FILES], ids=["the service", "the tests"])
def test_all_that_a_requirement_brings_is_required_as_well(files: list[Path]) -> None:
    named = requirements(*files)
    brought = {
        canonicalize_name(each.name)
        for requirement in named.values()
        for each in map(Requirement, requires(requirement.name) or [])
        if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in ("", *requirement.extras))
    }

    assert brought <= set(named)


def test_what_is_installed_is_what_is_required() -> None:
    for name, requirement in requirements(*FILES).items():
        assert requirement.specifier.contains(version(name), prereleases=True), name
