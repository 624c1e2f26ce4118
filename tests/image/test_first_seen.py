"""First sights: when they are exact, and how documents are given them."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.image.describe import describe_image, outline_version, shown_at, tagged
from microbadger.image.documents import ImageDocument, VersionDocument
from microbadger.image.first_seen import FirstSeen, Sighting, new_sights, sights_in, with_first_seen
from microbadger.image.reference import Repository

APP = Repository.parse("owner/app")
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def digest(letter: str) -> str:
    return f"sha256:{letter * 64}"


def versions(**tags_by_letter: str) -> list[VersionDocument]:
    """Return versions with these tags; the digest of ``unknown`` is not known."""
    return [
        tagged(outline_version(APP, "" if letter == "unknown" else digest(letter)), tags.split())
        for letter, tags in tags_by_letter.items()
    ]


def image(tag_count: int | None = 9, **tags_by_letter: str) -> ImageDocument:
    return describe_image(APP, versions(**tags_by_letter), updated_at=NOON, tag_count=tag_count)


def exact(before: ImageDocument | None, known: Collection[str] = (), **tags_by_letter: str) -> set[str]:
    """Return which sights are exact, written as ``tag@letter``; without a tag those of digests."""
    sights = new_sights(versions(**tags_by_letter), before, known, NOON)
    assert {sight.seen_at for sight in sights.values()} <= {NOON}
    return {f"{tag}@{digest[7]}" for (tag, digest), sight in sights.items() if sight.is_exact}


def test_what_the_first_check_finds_may_have_been_there_before() -> None:
    assert exact(None, a="1.0 latest") == set()


def test_a_tag_that_was_not_there_and_its_digest_are_seen_exactly() -> None:
    assert exact(image(a="1.0"), a="1.0", b="1.1") == {"1.1@b", "@b"}


def test_a_tag_that_moves_to_a_digest_is_seen_exactly() -> None:
    assert exact(image(a="latest"), b="latest") == {"latest@b", "@b"}


def test_a_tag_that_is_only_kept_from_now_on_may_be_as_old_as_its_digest() -> None:
    assert exact(image(a="1.0"), {"0.9", "0.8"}, b="0.9", c="0.8 latest") == {"latest@c"}


def test_a_tag_of_which_nobody_knew_what_it_named_may_have_named_the_same() -> None:
    assert exact(image(unknown="latest"), b="latest") == set()


def test_without_the_whole_list_of_tags_only_those_that_moved_are_seen_exactly() -> None:
    assert exact(image(tag_count=None, a="latest"), b="latest", c="1.1") == {"latest@b", "@b"}


def test_an_unknown_digest_is_not_seen() -> None:
    assert new_sights(versions(unknown="latest"), None, (), NOON) == {}


SIGHTS: dict[Sighting, FirstSeen] = {
    ("", digest("a")): FirstSeen(NOON, is_exact=False),
    ("1.0", digest("a")): FirstSeen(NOON + timedelta(hours=1), is_exact=False),
    ("latest", digest("a")): FirstSeen(NOON + timedelta(hours=2), is_exact=True),
}


def test_a_version_and_its_tags_say_when_they_were_first_seen() -> None:
    (version,) = versions(a="1.0 latest")

    seen = with_first_seen(version, SIGHTS)

    assert (seen["FirstSeen"], seen["FirstSeenIsExact"]) == ("2026-11-20T12:00:00Z", False)
    assert seen["Tags"] == [
        {"tag": "1.0", "FirstSeen": "2026-11-20T13:00:00Z", "FirstSeenIsExact": False},
        {"tag": "latest", "FirstSeen": "2026-11-20T14:00:00Z"},
    ]


def test_a_version_that_says_so_already_stays_as_it_is() -> None:
    seen = with_first_seen(versions(a="1.0 latest")[0], SIGHTS)

    assert with_first_seen(seen, SIGHTS) is seen


@pytest.mark.parametrize("is_exact", [True, False])
def test_an_image_says_when_the_version_on_top_was_first_seen(is_exact: bool) -> None:
    later = {("", digest("b")): FirstSeen(NOON, is_exact)}
    seen = [with_first_seen(version, SIGHTS | later) for version in versions(a="1.0", b="2.0")]
    shown = describe_image(APP, seen, updated_at=NOON)

    assert (shown["FirstSeen"], shown.get("FirstSeenIsExact", True)) == ("2026-11-20T12:00:00Z", is_exact)
    of_tag = shown_at(shown, "1.0")
    assert of_tag
    assert of_tag["FirstSeenIsExact"] is False


sights = st.builds(FirstSeen, st.datetimes(datetime(2014, 1, 1), timezones=st.just(UTC)), st.booleans())


@given(st.fixed_dictionaries(dict.fromkeys(SIGHTS, sights)))
def test_the_sights_in_a_document_are_those_that_it_was_given(given_sights: dict[Sighting, FirstSeen]) -> None:
    seen = [with_first_seen(version, given_sights) for version in versions(a="1.0 latest", b="2.0")]

    assert sights_in(describe_image(APP, seen, updated_at=NOON)) == given_sights
