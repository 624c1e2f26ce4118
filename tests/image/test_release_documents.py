"""The releases of an image as Renovate reads them: which tags they are, and what is said of each."""

import json
from datetime import UTC, datetime

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.image.describe import describe_image, outline_version
from microbadger.image.documents import TagDocument, VersionDocument, document_bytes
from microbadger.image.labels import release_url
from microbadger.image.reference import Repository
from microbadger.image.release_documents import ReleaseDocument, ReleasesDocument, releases_document
from microbadger.image.releases import releases_among

APP = Repository.parse("owner/app")
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
PAGE = "https://badges.example.org/images/owner/app"
SOURCE = "https://github.com/owner/app"

# What Renovate's custom datasource takes: `ReleaseResultZod` in lib/modules/datasource/custom/schema.ts of Renovate 44
# has these fields and types. It drops others without a word, so none of them would help anybody.
TEXT = {"type": "string"}
OF_RENOVATE = {
    "type": "object",
    "required": ["releases"],
    "additionalProperties": False,
    "properties": {
        "releases": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["version"],
                "additionalProperties": False,
                "properties": {
                    "version": TEXT,
                    "isDeprecated": {"type": "boolean"},
                    "releaseTimestamp": {"type": "string", "format": "date-time"},
                    "sourceUrl": TEXT,
                    "sourceDirectory": TEXT,
                    "changelogUrl": TEXT,
                    "digest": TEXT,
                    "isStable": {"type": "boolean"},
                },
            },
        },
        "tags": {"type": "object", "additionalProperties": TEXT},
        "sourceUrl": TEXT,
        "sourceDirectory": TEXT,
        "changelogUrl": TEXT,
        "homepage": TEXT,
    },
}
RENOVATE = jsonschema_rs.Draft202012Validator(OF_RENOVATE, validate_formats=True)


def version(letter: str, tags: str, *, source: str | None = SOURCE, label: str = "") -> VersionDocument:
    """Return a version whose tags were first seen at the minute of their place."""
    document = outline_version(APP, f"sha256:{letter * 64}" if letter else "")
    document["Tags"] = [
        TagDocument(tag=tag, FirstSeen=f"2026-11-20T10:{minute:02}:00Z") for minute, tag in enumerate(tags.split())
    ]
    if source:
        document["Source"] = source
    if label:
        document["Labels"] = {"org.opencontainers.image.version": label}
    return document


def releases_of(*versions: VersionDocument) -> ReleasesDocument:
    return releases_document(describe_image(APP, versions, updated_at=NOON), PAGE)


def by_version(*versions: VersionDocument) -> dict[str, ReleaseDocument]:
    return {release["version"]: release for release in releases_of(*versions)["releases"]}


def test_it_says_what_renovate_wants_to_know() -> None:
    assert releases_of(version("a", "1.2.3 latest"), version("b", "1.2.2")) == {
        "releases": [
            {
                "version": "1.2.3",
                "digest": f"sha256:{'a' * 64}",
                "isStable": True,
                "releaseTimestamp": "2026-11-20T10:00:00Z",
                "sourceUrl": SOURCE,
                "changelogUrl": f"{SOURCE}/releases/tag/1.2.3",
            },
            {
                "version": "1.2.2",
                "digest": f"sha256:{'b' * 64}",
                "isStable": True,
                "releaseTimestamp": "2026-11-20T10:00:00Z",
                "sourceUrl": SOURCE,
                "changelogUrl": f"{SOURCE}/releases/tag/1.2.2",
            },
        ],
        "homepage": PAGE,
        "tags": {"latest": "1.2.3"},
        "sourceUrl": SOURCE,
    }


def test_a_release_was_first_seen_when_its_tag_named_its_digest() -> None:
    found = by_version(version("a", "1.2.3 1.2 1"))

    assert {tag: release["releaseTimestamp"][11:16] for tag, release in found.items()} == {
        "1.2.3": "10:00", "1.2": "10:01", "1": "10:02"
    }  # fmt: skip


def test_a_release_of_which_no_first_sight_is_kept_has_no_time() -> None:
    unseen = version("a", "1.0")
    unseen["Tags"] = [TagDocument(tag="1.0")]

    assert "releaseTimestamp" not in by_version(unseen)["1.0"]


def test_a_pre_release_is_not_stable() -> None:
    found = by_version(version("a", "2.0.0-rc1"), version("b", "1.0 1.0-alpine"))

    assert {tag: release["isStable"] for tag, release in found.items()} == {
        "2.0.0-rc1": False, "1.0": True, "1.0-alpine": True
    }  # fmt: skip


def test_tags_that_are_no_releases_and_unknown_digests_are_left_out() -> None:
    signature = f"sha256-{'0123456789abcdef' * 4}.sig"

    assert list(by_version(version("a", f"1.0 main {signature}"), version("", "1.1"))) == ["1.0"]


@pytest.mark.parametrize(
    ("tags", "moving"),
    [
        (["1.2.3 1.2 1 latest"], {"1": "1.2.3", "1.2": "1.2.3", "latest": "1.2.3"}),
        (["1.2.3 latest", "1.1.0 1.1 old"], {"1.1": "1.1.0", "latest": "1.2.3", "old": "1.1.0"}),
        (["1.2.3", "latest"], {}),
        (["1.2.3 1.2.3-alpine alpine"], {"alpine": "1.2.3"}),
        (["2.0.0-rc1 next", "1.0"], {"next": "2.0.0-rc1"}),
    ],
)
def test_a_tag_that_moves_leads_to_the_release_that_it_names(tags: list[str], moving: dict[str, str]) -> None:
    assert releases_of(*(version(letter, names) for letter, names in zip("ab", tags, strict=False)))["tags"] == moving


@pytest.mark.parametrize(
    ("tag", "label", "git_tag"),
    [
        ("1.2.3", "", "1.2.3"),
        ("v1.2.3", "", "v1.2.3"),
        ("1.2.3", "v1.2.3", "v1.2.3"),
        ("1.2.3", "v1.2", "1.2.3"),
        ("1.2.3-rc1", "", "1.2.3-rc1"),
        ("1.2.3-alpine", "", None),  # the source code has a release, but hardly one for each variant
        ("20261120", "", None),
    ],
)
def test_a_release_leads_to_that_of_its_source_code(tag: str, label: str, git_tag: str | None) -> None:
    url = by_version(version("a", tag, label=label))[tag].get("changelogUrl")

    assert url == (git_tag and f"{SOURCE}/releases/tag/{git_tag}")


def test_a_short_release_has_no_page_where_a_longer_one_names_the_same() -> None:
    found = by_version(version("a", "1.2.3 1.2"), version("b", "0.9"))

    assert [tag for tag, release in found.items() if "changelogUrl" in release] == ["1.2.3", "0.9"]


@pytest.mark.parametrize(
    ("source", "url"),
    [
        (SOURCE, f"{SOURCE}/releases/tag/1.0%2B~x"),
        (f"{SOURCE}/tree/main/docker", f"{SOURCE}/releases/tag/1.0%2B~x"),
        ("https://gitlab.com/a/b/c", "https://gitlab.com/a/b/c/-/releases/1.0%2B~x"),
        ("https://gitlab.example.org/a/b/-/tree/main", "https://gitlab.example.org/a/b/-/releases/1.0%2B~x"),
        ("https://codeberg.org/a/b", None),
        ("https://git.example.org/a/b", None),
        ("https://github.com/owner", None),
    ],
)
def test_a_release_has_a_page_at_github_and_gitlab(source: str, url: str | None) -> None:
    assert release_url(source, "1.0+~x") == url


def test_without_a_source_it_names_none() -> None:
    document = releases_of(version("a", "1.0", source=None))

    assert "sourceUrl" not in document
    assert {"sourceUrl", "changelogUrl"}.isdisjoint(document["releases"][0])


tags = st.from_regex(r"v?[0-9]{1,2}(\.[0-9]){0,2}(-rc1|-alpine)?|[a-z]{1,5}", fullmatch=True)
named = st.lists(tags, unique=True, max_size=8).flatmap(
    lambda names: st.lists(st.sampled_from("abc"), min_size=len(names), max_size=len(names)).map(
        lambda letters: dict(zip(names, letters, strict=True))
    )
)


@given(named)
def test_whatever_the_tags_are_renovate_takes_it_whole(letters: dict[str, str]) -> None:
    versions = [
        version(letter, " ".join(tag for tag, of in letters.items() if of == letter)) for letter in {*letters.values()}
    ]

    document = json.loads(document_bytes(releases_of(*versions)))

    RENOVATE.validate(document)
    there = [release["version"] for release in document["releases"]]
    assert {*there} == {*releases_among(letters)}
    assert {*document["tags"].values()} <= {*there}
