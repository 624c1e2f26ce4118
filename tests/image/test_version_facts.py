"""Facts that are the image's own, and those that its labels have from the base image."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.image.configs import parse_config
from microbadger.image.describe import describe_image, describe_version, outline_version, tagged
from microbadger.image.descriptors import Descriptor, Platform, digest_of
from microbadger.image.documents import ProvenanceDocument, RelativeDocument, VersionDocument
from microbadger.image.labels import KNOWN_FIELDS, Labels
from microbadger.image.manifest import OCI_MANIFEST, Manifest
from microbadger.image.platforms import PlatformImage
from microbadger.image.reference import Repository
from microbadger.image.version_facts import facts_of, related
from tests.fakes.registry import to_json

APP = Repository.parse("owner/app")
OCI = "org.opencontainers.image."
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
DIGEST = digest_of(b"base")
LABELS = {
    f"{OCI}licenses": "MIT",
    f"{OCI}source": "https://github.com/owner/app",
    f"{OCI}revision": "1a2b3c4d",
    f"{OCI}version": "1.0",
    f"{OCI}description": "mañana",
    f"{OCI}authors": "Ana",
    f"{OCI}created": "2026-11-20T10:00:00Z",
    f"{OCI}base.name": "alpine:3.22",
    f"{OCI}base.digest": DIGEST,
}
PARENT = RelativeDocument(SHA="b" * 64, Tags=[], ImageName="alpine", LayerCount=1, MicrobadgerURL="https://x.example")


def version(labels: dict[str, str], annotations: dict[str, str] | None = None, **config: Any) -> VersionDocument:
    settings = parse_config(to_json({"os": "linux", "config": {"Labels": labels}, **config}))
    manifest = Manifest(OCI_MANIFEST, Descriptor("", DIGEST, 2), (), annotations or {})
    image = PlatformImage(DIGEST, Platform("linux", "amd64"), manifest, settings)
    return tagged(describe_version(APP, DIGEST, OCI_MANIFEST, [image]), ["latest"])


def from_labels(document: VersionDocument) -> dict[str, object]:
    fields = ("License", "VersionControl", "Source", "Base", "Author", "Created")
    return {field: document[field] for field in fields if document.get(field)}  # type: ignore[literal-required]


@pytest.mark.parametrize(
    ("name", "lost"),
    [
        ("licenses", {"License"}),
        ("source", {"Source", "VersionControl"}),
        ("revision", {"VersionControl"}),
        ("version", set()),
        ("authors", {"Author"}),
        ("created", {"Created"}),
    ],
)
def test_a_label_of_the_base_fills_no_field(name: str, lost: set[str]) -> None:
    own = version(LABELS)
    found = related(own, [PARENT], [], {OCI + name: LABELS[OCI + name], "other": "x"})
    assert found.get("InheritedLabels") == [OCI + name]
    assert from_labels(own).keys() - from_labels(found).keys() == lost
    assert found["Labels"] == LABELS


@pytest.mark.parametrize(
    ("name", "field"),
    [
        *(("version", "version"), ("description", "description")),
        *(("base.name", "base_name"), ("base.digest", "base_digest")),
    ],
)
def test_a_label_of_the_base_is_no_fact_of_the_image(name: str, field: str) -> None:
    found = related(version(LABELS), [PARENT], [], {OCI + name: LABELS[OCI + name]})
    assert getattr(facts_of(found), field) is None


def test_an_image_with_the_labels_of_its_base_alone_says_nothing_of_itself() -> None:
    found = related(version(LABELS), [PARENT], [], LABELS)
    assert (from_labels(found), found["InheritedLabels"]) == ({}, sorted(LABELS))
    assert "Description" not in describe_image(APP, [found], updated_at=NOON)


@pytest.mark.parametrize("key", sorted(LABELS))
def test_another_value_than_that_of_the_base_is_its_own(key: str) -> None:
    own = version(LABELS)
    assert related(own, [PARENT], [], {key: "another"}) == related(own, [PARENT], [])


@pytest.mark.parametrize("key", sorted(LABELS))
def test_an_annotation_is_never_inherited(key: str) -> None:
    own = version({}, annotations={key: LABELS[key]})
    assert from_labels(related(own, [PARENT], [], {key: LABELS[key]})) == from_labels(own)


def test_what_the_config_says_is_not_inherited() -> None:
    own = version(LABELS, author="Eva", created="2026-11-21T10:00:00Z")
    found = related(own, [PARENT], [], LABELS)
    assert (found["Author"], found["Created"]) == ("Eva", "2026-11-21T10:00:00Z")


@pytest.mark.parametrize("base", [{}, LABELS, {f"{OCI}licenses": "MIT"}, {f"{OCI}authors": "Ana"}])
def test_relating_twice_changes_nothing_more(base: dict[str, str]) -> None:
    once = related(version(LABELS), [PARENT], [], base)
    assert related(once, [PARENT], [], base) is once


def test_without_a_base_everything_is_there_again() -> None:
    own = version(LABELS)
    assert related(related(own, [PARENT], [], LABELS), [], []) == own


def test_relatives_that_are_gone_are_left_out() -> None:
    own = version({})
    found = related(own, [PARENT], [PARENT])
    assert (found.get("Parents"), found.get("Identical")) == ([PARENT], [PARENT])
    assert related(found, [], [PARENT]) == {**own, "Identical": [PARENT]}
    assert related(found, [], []) == own


def test_what_does_not_change_is_the_same_document() -> None:
    own = version(LABELS)
    assert related(own, [], [], {"x": "y"}) is own


def test_a_document_is_not_changed_in_place() -> None:
    own, same = version(LABELS), version(LABELS)
    related(own, [PARENT], [], LABELS)
    assert own == same


def test_a_placeholder_in_an_older_document_is_dropped() -> None:
    own = version({})
    own["Created"] = "1970-01-01T00:00:00Z"
    assert "Created" not in related(own, [], [])


@pytest.mark.parametrize("unread", [{"unread": "x"}, {"unsupported": "x"}, {"size_bytes": 7}])
def test_a_version_that_was_not_read_stays_as_it_is(unread: dict[str, Any]) -> None:
    outline = outline_version(APP, DIGEST, **unread)
    assert related(outline, [], [], LABELS) is outline


COMMIT = "4b220de5058abfd01ff619c9d2ff6b09a049bea0"
CLAIM = ProvenanceDocument(PredicateType="x", Source="https://github.com/owner/app", Commit=COMMIT)


def with_claim(labels: dict[str, str], claim: ProvenanceDocument = CLAIM) -> VersionDocument:
    """Return a version whose facts were renewed after its provenance was read."""
    return related({**version(labels), "Provenance": claim}, [], [])


def differs(labels: dict[str, str], claim: ProvenanceDocument = CLAIM) -> list[str]:
    return with_claim(labels, claim)["Provenance"].get("Differs", [])


@pytest.mark.parametrize(
    ("source", "claimed", "is_other"),
    [
        ("https://github.com/owner/app", "https://github.com/owner/app", False),
        ("https://github.com/owner/app.git", "https://github.com/owner/app", False),
        ("git@github.com:owner/app.git", "https://github.com/owner/app", False),
        ("http://www.GitHub.com/owner/app/", "https://github.com/owner/app", False),
        ("https://github.com/Owner/App", "https://github.com/owner/app", False),
        ("https://github.com/owner/app.git#main:docker", "https://github.com/owner/app", False),
        ("https://github.com/owner/app/tree/main/docker", "https://github.com/owner/app", False),
        ("https://github.com/owner/app", "https://github.com/owner/app/archive/main.tar.gz", False),
        ("https://github.com/owner/other", "https://github.com/owner/app", True),
        ("https://github.com/owner/app2", "https://github.com/owner/app", True),
        ("https://github.com/owner/app", "https://github.com/owner/app2", True),
        ("https://gitlab.com/owner/app", "https://github.com/owner/app", True),
        ("https://github.com:8443/owner/app", "https://github.com/owner/app", True),
        ("mañana", "https://github.com/owner/app", False),
        ("", "https://github.com/owner/app", False),
        ("https://github.com/owner/app", "", False),
    ],
)
def test_a_source_that_differs_from_the_label_is_named(source: str, claimed: str, is_other: bool) -> None:
    claim: ProvenanceDocument = {"PredicateType": "x", "Source": claimed}
    assert differs({f"{OCI}source": source}, claim) == (["Source"] if is_other else [])


@pytest.mark.parametrize(
    ("revision", "claimed", "is_other"),
    [
        (COMMIT, COMMIT, False),
        (COMMIT.upper(), COMMIT, False),
        (COMMIT[:7], COMMIT, False),
        (COMMIT, COMMIT[:12], False),
        ("b" * 40, COMMIT, True),
        ("b" * 7, COMMIT, True),
        (COMMIT[:39] + "f", COMMIT, True),
        ("b" * 64, COMMIT, True),
        (COMMIT[:6], COMMIT, False),
        ("b" * 6, COMMIT, False),
        ("v1.2.3", COMMIT, False),
        ("main", COMMIT, False),
        ("", COMMIT, False),
        ("b" * 40, "", False),
    ],
)
def test_a_commit_that_differs_from_the_label_is_named(revision: str, claimed: str, is_other: bool) -> None:
    claim: ProvenanceDocument = {"PredicateType": "x", "Commit": claimed}
    assert differs({f"{OCI}revision": revision}, claim) == (["Commit"] if is_other else [])


def test_a_claim_that_says_nothing_differs_in_nothing() -> None:
    assert differs(LABELS, {"PredicateType": "x", "Unread": "it is larger than 4 MiB"}) == []


def test_a_difference_changes_nothing_of_the_labels_and_of_the_claim() -> None:
    labels = {f"{OCI}source": "https://github.com/owner/other", f"{OCI}revision": "b" * 40}
    found = with_claim(labels)
    assert found["Provenance"] == {**CLAIM, "Differs": ["Source", "Commit"]}
    assert from_labels(found) == from_labels(version(labels))
    assert "Differs" not in CLAIM
    assert related(found, [], []) is found


def test_a_difference_is_gone_when_its_label_turns_out_to_be_that_of_the_base() -> None:
    labels = {f"{OCI}revision": "b" * 40}
    found = with_claim(labels)
    assert found["Provenance"] == {**CLAIM, "Differs": ["Commit"]}
    assert related(found, [PARENT], [], labels)["Provenance"] == CLAIM
    assert related(related(found, [PARENT], [], labels), [], []) == found


KEYS = st.sampled_from([key for keys in KNOWN_FIELDS.values() for key in keys if key]) | st.text(max_size=3)
TEXTS = st.sampled_from([*LABELS.values(), "", "NOASSERTION"]) | st.text(max_size=5)


@given(st.dictionaries(KEYS, TEXTS), st.dictionaries(KEYS, TEXTS), st.dictionaries(KEYS, TEXTS))
def test_whatever_labels_say_relating_can_be_undone(
    labels: dict[str, str], annotations: dict[str, str], base: dict[str, str]
) -> None:
    own = related({**version(labels, annotations), "Provenance": CLAIM}, [], [])
    found = related(own, [PARENT], [], base)
    assert related(found, [PARENT], [], base) is found
    assert related(found, [], []) == own
    assert isinstance(facts_of(found), Labels)
