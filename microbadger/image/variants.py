"""Parses the suffix of a release: `-rc1-alpine3.20` is a pre-release of the variant `alpine`.

Two releases have the same *variant* if the words in their suffixes are the same. A number after a word belongs to the
word, such as the version of a distribution. The numbers in `-r5`, `_12` and `-20240105` are *revisions* of the release.
"""

import re
from dataclasses import dataclass

from microbadger.image.releases import PRE_RELEASE, Release, comparable_text

_PARTS = re.compile(r"[^._-]+")
_TIME_MARKS = re.compile(r"(?<=[0-9])(?:T(?=[0-9])|Z(?![0-9A-Za-z]))", re.ASCII)  # 2024-01-05T00-00-00Z
_DATE = re.compile(r"[0-9]{8,}", re.ASCII)
_REVISION = re.compile(r"(?:build|hotfix|ls|p|patch|pl|post|r|rev|revision|sp|u|update)([0-9]*)", re.ASCII)
_PATCH_LETTER = re.compile(r"[a-z](?![0-9a-z])", re.ASCII)  # 1.0.2u
_COMMIT = re.compile(r"g?(?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{7,64}", re.ASCII)
_ARCHITECTURE = re.compile(r"amd64|(?:aarch|arm|loong|mips|ppc|riscv|s390|x)[0-9]\w*|arm(?:hf|v[0-9])\w*", re.ASCII)
_DIGITS = re.compile(r"[0-9]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Variant:
    """The parts of a release's suffix.

    ``name`` has the words without numbers, such as `slim-bookworm`. ``edition`` has the words with their numbers, and
    ``pre_release`` the pre-release marks, both in a form that can be compared. ``revision`` is empty for a tag that
    moves from revision to revision.
    """

    name: str
    edition: str
    pre_release: str
    revision: tuple[int, ...]


def variant_of(release: Release) -> Variant:
    """Return the variant of a release.

    >>> variant = variant_of(Release("", ("1", "2", "3"), "-debian-12-r5"))
    >>> variant.name, variant.revision
    ('debian', (5,))
    """
    suffix = release.suffix
    revision: list[int] = []
    if letter := _PATCH_LETTER.match(suffix):
        revision, suffix = [ord(letter[0])], suffix[1:]
    marks = " ".join(mark[0] for mark in PRE_RELEASE.finditer(suffix))
    suffix = PRE_RELEASE.sub("-", suffix)
    words, numbers = _divide(_TIME_MARKS.sub(".", suffix) if release.is_stamp else suffix)
    names = [name for word in words if (name := _without_numbers(word))]
    edition = comparable_text("-".join(words))
    return Variant("-".join(names), edition, comparable_text(marks), (*revision, *numbers))


def _divide(suffix: str) -> tuple[list[str], list[int]]:
    """Return the words of a suffix with their numbers, and the numbers of its revision."""
    words: list[str] = []
    revision: list[int] = []
    is_revision = True  # whether the next number belongs to the revision or to a word
    for part in _PARTS.findall(suffix.lower()):
        if marked := _REVISION.fullmatch(part):
            is_revision = True
            revision += [int(marked[1])] if marked[1] else []
        elif _DATE.fullmatch(part) or (is_revision and part.isdigit()):
            revision.append(int(part))
        else:
            is_revision = False
            words.append(part)
    return words, revision


def _without_numbers(word: str) -> str:
    if _ARCHITECTURE.fullmatch(word):
        return word
    return "" if _COMMIT.fullmatch(word) else _DIGITS.sub("", word)
