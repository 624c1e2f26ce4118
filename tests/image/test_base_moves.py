"""Which bases have moved between two documents of an image: once for each new digest, and only if somebody saw it."""

from datetime import UTC, datetime

import pytest

from microbadger.image.base_images import KnownBases, SightDocument
from microbadger.image.base_moves import MOST_BASES, BaseMovedDocument, base_moves
from microbadger.image.describe import describe_image, tagged
from microbadger.image.differences import difference
from microbadger.image.documents import BaseDocument, ImageDocument, VersionDocument
from tests.image.versions import APP, digest, version

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
FIRST, SECOND, THIRD = (digest(letter) for letter in "123")


def named(*digests: str, tag: str = "alpine:3.22") -> KnownBases:
    """Return what is known if a tag named these digests, each a day after the last one."""
    days = [f"2026-11-{number:02}T00:00:00Z" for number in range(1, len(digests) + 1)]
    sights = [
        SightDocument(Digest=each, SeenAt=day, IsExact=number > 0)
        for number, (each, day) in enumerate(zip(digests, days, strict=True))
    ]
    return KnownBases({f"docker.io/library/{tag}": sights}, {})


def image(*versions: VersionDocument) -> ImageDocument:
    return describe_image(APP, versions, updated_at=NOON)


def built(
    letter: str, state: str, tag_digest: str = "", tags: str = "latest", name: str = "alpine:3.22"
) -> VersionDocument:
    base = {"Name": name, "State": state} | ({"TagDigest": tag_digest} if tag_digest else {})
    return tagged(version(letter, **({"Base": base} if state else {})), tags.split())


@pytest.mark.parametrize(
    ("before", "after", "has_moved"),
    [
        (("current", ""), ("outdated", SECOND), True),
        (("outdated", FIRST), ("outdated", SECOND), True),
        (("outdated", SECOND), ("outdated", SECOND), False),
        (("current", ""), ("current", ""), False),
        (("current", ""), ("unknown", ""), False),
        (("unknown", ""), ("outdated", SECOND), False),
        (("", ""), ("outdated", SECOND), False),
        (("current", ""), ("outdated", FIRST), False),
        (("current", ""), ("outdated", THIRD), False),
    ],
)
def test_a_base_has_moved_if_it_is_outdated_by_a_digest_that_somebody_saw_come(
    before: tuple[str, str], after: tuple[str, str], has_moved: bool
) -> None:
    moves = base_moves(image(built("a", *before)), image(built("a", *after)), named(FIRST, SECOND))

    assert bool(moves) is has_moved


def test_a_move_names_both_digests_its_time_and_all_tags_of_the_versions() -> None:
    versions = (("a", "1.0 latest"), ("b", "0.9"))
    before = image(*(built(letter, "current", tags=tags) for letter, tags in versions))
    after = image(*(built(letter, "outdated", SECOND, tags) for letter, tags in versions))

    assert base_moves(before, after, named(FIRST, SECOND)) == (
        BaseMovedDocument(
            Kind="base_moved",
            Name="alpine:3.22",
            OldDigest=FIRST,
            NewDigest=SECOND,
            MovedAt="2026-11-02T00:00:00Z",
            Tags=["0.9", "1.0", "latest"],
        ),
    )


def test_a_version_that_is_new_says_nothing_of_its_base() -> None:
    after = image(built("a", "current"), built("b", "outdated", SECOND, "1.0"))

    assert base_moves(image(built("a", "current")), after, named(FIRST, SECOND)) == ()


def test_very_many_bases_and_tags_are_bounded() -> None:
    names = [f"alpine:{number}" for number in range(MOST_BASES + 5)]
    tags = " ".join(f"t{number}" for number in range(200))
    letters = [f"{number:x}" for number in range(len(names))]
    before = image(*(built(letter, "current", "", tags, name) for letter, name in zip(letters, names, strict=True)))
    after = image(*(built(letter, "outdated", SECOND, tags, name) for letter, name in zip(letters, names, strict=True)))
    known = KnownBases({key: seen for name in names for key, seen in named(FIRST, SECOND, tag=name).sights.items()}, {})

    moves = base_moves(before, after, known)

    assert (len(moves), {len(move["Tags"]) for move in moves}) == (MOST_BASES, {100})


def test_what_became_of_a_base_is_no_difference_between_versions() -> None:
    """Two versions on one base differ in nothing if only the tag of the first one's base has moved."""
    old, new = built("a", "outdated", SECOND), built("a", "current")

    assert "Base" not in difference(old, new)
    assert difference(old, built("b", "current", name="debian:12"))["Base"] == {
        "Old": BaseDocument(Name="alpine:3.22"),
        "New": BaseDocument(Name="debian:12"),
    }
