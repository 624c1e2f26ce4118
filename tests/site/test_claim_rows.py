"""What is claimed of where an image comes from, in the words of its page."""

from typing import Any

import pytest

from microbadger.site.claim_rows import claim_notes, claim_rows, has_claims
from tests.site.images import version

DIGEST = f"sha256:{'a' * 64}"
PROVENANCE = {
    "PredicateType": "https://slsa.dev/provenance/v1",
    "Builder": "https://github.com/actions/runner/github-hosted",
    "BuilderName": "GitHub Actions",
    "Source": "https://github.com/example/web",
    "Commit": "c0ffee",
    "Dockerfile": "docker/Dockerfile",
    "Inputs": [{"URI": "pkg:docker/alpine@3.22", "Digest": DIGEST}, {"URI": "https://example.org/x"}],
    "InputCount": 5,
    "StartedAt": "2026-11-20T09:58:00Z",
    "FinishedAt": "2026-11-20T10:00:00Z",
    "Invocation": "https://github.com/example/web/actions/runs/1",
}
LABELLED = {
    "Source": "https://github.com/example/web",
    "VersionControl": {"Type": "git", "URL": "https://github.com/example/web/commit/c0ffee", "Commit": "c0ffee"},
}


def said(**fields: Any) -> dict[str, str]:
    """Return the text beside each name, with a line for each item."""
    rows = claim_rows(version("1.0", **fields))
    return {row.name: "\n".join(" ".join(part.text for part in item) for item in row.items) for row in rows}


def links(**fields: Any) -> list[str]:
    rows = claim_rows(version("1.0", **fields))
    return [part.url for row in rows for item in row.items for part in item if part.url]


@pytest.mark.parametrize(
    ("base", "words"),
    [
        ({}, "not given"),
        ({"Name": "docker.io/library/alpine:3.22"}, "alpine:3.22"),
        ({"Name": "alpine:3.22", "State": "unknown"}, "alpine:3.22 it is not known whether its tag has moved"),
        (
            {"Name": "alpine:3.22", "Digest": DIGEST, "State": "current"},
            "alpine:3.22 aaaaaaaaaaaa current its tag names the same layers",
        ),
        (
            {"Name": "alpine:3.22", "State": "outdated", "MovedAt": "2026-11-20T10:00:00Z"},
            "alpine:3.22 outdated the tag moved 2026-11-20T10:00:00Z",
        ),
        (
            {"Name": "alpine", "State": "outdated", "MovedAt": "2026-11-20T10:00:00Z", "MovedAtIsExact": False},
            "alpine outdated the tag moved 2026-11-20T10:00:00Z or earlier",
        ),
        ({"Name": "alpine", "State": "outdated"}, "alpine outdated the tag has moved"),
        ({"Digest": DIGEST}, "aaaaaaaaaaaa"),
        ({"Name": "mañana"}, "mañana"),
    ],
    ids=range(9),
)
def test_the_base_has_its_state_in_words(base: dict[str, Any], words: str) -> None:
    assert said(Base=base)["Base image"] == words


def test_provenance_says_who_built_what_from_what() -> None:
    rows = said(Provenance=PROVENANCE, **LABELLED)
    assert rows["Provenance"] == "https://slsa.dev/provenance/v1"
    assert rows["Built by"] == "GitHub Actions https://github.com/actions/runner/github-hosted"
    assert rows["Source"] == "https://github.com/example/web the labels agree"
    assert rows["Commit"] == "c0ffee the labels agree"
    assert rows["Dockerfile"] == "docker/Dockerfile"
    assert rows["Build"] == "https://github.com/example/web/actions/runs/1"
    assert rows["Built"] == "started 2026-11-20T09:58:00Z\nfinished 2026-11-20T10:00:00Z"
    assert rows["Inputs"] == "pkg:docker/alpine@3.22 aaaaaaaaaaaa\nhttps://example.org/x\nand 3 more"


def test_what_labels_and_provenance_name_differently_is_said() -> None:
    other = {**PROVENANCE, "Source": "https://github.com/fork/web", "Commit": "f00d", "Differs": ["Source", "Commit"]}
    rows = said(Provenance=other, **LABELLED)
    assert rows["Source"] == "https://github.com/fork/web the labels say https://github.com/example/web"
    assert rows["Commit"] == "f00d the labels say c0ffee"
    assert claim_notes(version("1.0", Provenance=other)) == [
        "The labels and the provenance name different source repositories and commits."
    ]


def test_a_label_that_is_no_commit_is_shown_beside_the_commit() -> None:
    labelled = {"VersionControl": {"Type": "git", "URL": "https://github.com/example/web", "Commit": "main"}}

    assert said(Provenance=PROVENANCE, **labelled)["Commit"] == "c0ffee the labels say main"


def test_without_labels_there_is_nothing_beside_the_provenance() -> None:
    assert said(Provenance=PROVENANCE)["Commit"] == "c0ffee"
    assert claim_notes(version("1.0", Provenance=PROVENANCE)) == []


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "JAVASCRIPT:alert(1)//https://github.com",
        "data:text/html,x",
        "https://github.com/\"onmouseover=\"alert(1)",
        "https://user:password@example.org@/",
        "//example.org",
        "ftp://example.org/x",
        "git@github.com:example/web.git",
        "señor",
    ],
)
def test_only_addresses_of_the_web_are_links(address: str) -> None:
    assert links(Provenance={"PredicateType": "x", "Source": address, "Invocation": address, "Builder": address}) == []


def test_an_http_address_leads_to_https() -> None:
    assert links(Provenance={"PredicateType": "x", "Source": "http://example.org/web"}) == ["https://example.org/web"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "none"),
        ({"UnreadClaims": "mañana"}, "not known"),
        ({"Unread": "mañana"}, "not known"),
        ({"Unsupported": "a chart", "Platforms": []}, "not known"),
    ],
    ids=range(4),
)
def test_what_is_not_there_differs_from_what_is_not_known(fields: dict[str, Any], words: str) -> None:
    assert (said(**fields)["Provenance"], said(**fields)["SBOM"]) == (words, words)


def test_provenance_that_could_not_be_read_is_there_and_says_why() -> None:
    rows = said(Provenance={"PredicateType": "https://slsa.dev/provenance/v0.2", "Unread": "it is too large"})
    assert rows["Provenance"] == "https://slsa.dev/provenance/v0.2 it could not be read: it is too large"
    assert list(rows) == ["Base image", "Provenance", "SBOM", "Signatures"]


@pytest.mark.parametrize(
    ("sbom", "words"),
    [
        ({"Format": "SPDX"}, "SPDX"),
        ({"Format": "SPDX", "FormatVersion": "2.3", "PackageCount": 214}, "SPDX 2.3 214 packages"),
        ({"Format": "CycloneDX", "PackageCount": 1}, "CycloneDX 1 package"),
        ({"Format": "SPDX", "PackageCount": 0, "Licenses": {}}, "SPDX 0 packages"),
        ({"Format": "SPDX", "Licenses": {"MIT": 12, "señor": 3}}, "SPDX\nMIT (12), señor (3)"),
        (
            {"Format": "SPDX", "Licenses": dict.fromkeys("abcdef", 1)},
            "SPDX\na (1), b (1), c (1), d (1), e (1) and 1 other",
        ),
        ({"Format": "SPDX", "Unread": "it is too large"}, "SPDX not counted: it is too large"),
    ],
    ids=range(7),
)
def test_an_sbom_has_its_format_and_how_much_it_lists(sbom: dict[str, Any], words: str) -> None:
    assert said(SBOM=sbom)["SBOM"] == words


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "not known"),
        ({"Signatures": []}, "none"),
        ({"Signatures": [{"Kind": "cosign"}]}, "cosign"),
        (
            {"Signatures": [{"Kind": "notation", "CreatedAt": "2026-11-20T10:00:00Z"}, {"Kind": "mañana"}]},
            "notation made 2026-11-20T10:00:00Z\nmañana",
        ),
        ({"Signatures": [{"Kind": "cosign"}] * 12}, "\n".join([*["cosign"] * 10, "and 2 more"])),
    ],
    ids=range(5),
)
def test_signatures_have_their_kind_and_date(fields: dict[str, Any], words: str) -> None:
    assert said(**fields)["Signatures"] == words


def test_the_end_of_life_is_a_date() -> None:
    assert said(EndOfLife="2026-11-30")["End of life"] == "2026-11-30"
    assert "End of life" not in said()


def test_what_could_not_be_read_says_why_in_one_sentence() -> None:
    notes = claim_notes(version("1.0", UnreadClaims="The registry did not answer."))
    assert notes == ["Some of this could not be read: The registry did not answer."]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, True),
        ({"Unread": "mañana"}, False),
        ({"Unread": "mañana", "UnreadClaims": "x"}, True),
        ({"Platforms": [], "Unsupported": "a chart"}, False),
        ({"Platforms": [], "Unsupported": "a chart", "Signatures": []}, False),
        ({"Platforms": [], "Unsupported": "a chart", "Signatures": [{"Kind": "cosign"}]}, True),
    ],
    ids=range(6),
)
def test_nothing_is_said_of_what_was_not_read_unless_something_is_claimed(
    fields: dict[str, Any], expected: bool
) -> None:
    assert has_claims(version("1.0", **fields)) is expected
