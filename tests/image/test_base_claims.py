"""Names of base images as labels, annotations and package URLs have them: which tag each one means."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.image.base_claims import BaseClaim, claim_of, image_inputs, recorded_claim
from tests.image.versions import digest, version

OCI = "org.opencontainers.image."
PINNED = digest("a")
TWO = "sha256%3A" + "b" * 64


@pytest.mark.parametrize(
    ("name", "key", "recorded"),
    [
        ("alpine", "docker.io/library/alpine:latest", ""),
        ("alpine:3.18", "docker.io/library/alpine:3.18", ""),
        ("docker.io/library/alpine:3.18", "docker.io/library/alpine:3.18", ""),
        ("owner/app", "docker.io/owner/app:latest", ""),
        ("ghcr.io/owner/app:1", "ghcr.io/owner/app:1", ""),
        ("localhost:5000/web", "localhost:5000/web:latest", ""),
        (f"alpine:3.18@{PINNED}", "docker.io/library/alpine:3.18", PINNED),
        (f"alpine@{PINNED}", "", PINNED),
        ("scratch", "", ""),
        ("", "", ""),
        ("my base image", "", ""),
        ("https://hub.docker.com/_/alpine", "", ""),
        ("alpine:", "", ""),
        ("alpine@latest", "", ""),
    ],
)
def test_a_name_is_that_of_a_tag(name: str, key: str, recorded: str) -> None:
    claim = claim_of(name)

    assert (claim.name, claim.key, claim.digest) == (name, key, recorded)


@pytest.mark.parametrize(
    ("url", "name", "key", "recorded"),
    [
        ("pkg:docker/alpine@3.17?platform=linux%2Famd64", "alpine:3.17", "docker.io/library/alpine:3.17", ""),
        ("pkg:docker/alpine", "alpine:latest", "docker.io/library/alpine:latest", ""),
        ("pkg:docker/owner/app@1", "owner/app:1", "docker.io/owner/app:1", ""),
        ("pkg:docker/docker.io/library/alpine@3", "alpine:3", "docker.io/library/alpine:3", ""),
        ("pkg:docker/ghcr.io/o/r@1.0", "ghcr.io/o/r:1.0", "ghcr.io/o/r:1.0", ""),
        ("pkg:docker/ghcr.io%2Fo%2Fr@1.0", "ghcr.io/o/r:1.0", "ghcr.io/o/r:1.0", ""),
        ("pkg:docker/localhost%3A5000/web@1", "localhost:5000/web:1", "localhost:5000/web:1", ""),
        (f"pkg:docker/alpine@3.17?digest={PINNED}", "alpine:3.17", "docker.io/library/alpine:3.17", PINNED),
        (f"pkg:docker/alpine?digest={PINNED}", f"alpine@{PINNED}", "", PINNED),
        (f"pkg:docker/alpine@{TWO}", f"alpine@{digest('b')}", "", digest("b")),
        (f"pkg:docker/o/r@{PINNED}?repository_url=gcr.io", f"gcr.io/o/r@{PINNED}", "", PINNED),
        (f"pkg:oci/r@{TWO}?repository_url=ghcr.io/o/r&tag=1", "ghcr.io/o/r:1", "ghcr.io/o/r:1", digest("b")),
        ("pkg:oci/alpine@3.17", "alpine:3.17", "docker.io/library/alpine:3.17", ""),
        ("PKG:Docker/alpine@3.17#path", "alpine:3.17", "docker.io/library/alpine:3.17", ""),
    ],
)
def test_a_package_url_is_that_of_a_tag(url: str, name: str, key: str, recorded: str) -> None:
    (claim,) = inputs({"URI": url})

    assert (claim.name, claim.key, claim.digest) == (name, key, recorded)


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/owner/app.git#main",
        "pkg:npm/left-pad@1.0",
        "pkg:docker/",
        "pkg:docker/@1",
        "pkg:docker/UPPER@1",
        "pkg:docker/..%2F..%2Fetc@1",
        "pkg:docker/alpine@not%20a%20tag",
        "pkg:docker/alpine@1?" + "&".join(f"a{number}=1" for number in range(100)),
        "pkg:docker/" + "a" * 5000,
        "docker/alpine@1",
    ],
)
def test_what_is_not_an_image_is_not_a_base(url: str) -> None:
    assert inputs({"URI": url}) == []


def test_the_digest_of_an_input_is_what_its_tag_named() -> None:
    (claim,) = inputs({"URI": f"pkg:docker/alpine@3?digest={digest('b')}", "Digest": PINNED})

    assert claim.digest == PINNED


@pytest.mark.parametrize("text", ["sha1:12", "sha256:12", "none", ""])
def test_what_names_no_content_of_a_registry_is_not_recorded(text: str) -> None:
    (claim,) = inputs({"URI": "pkg:docker/alpine@3", "Digest": text})

    assert claim.digest == ""


def test_an_image_that_was_read_twice_counts_once() -> None:
    assert len(inputs(*({"URI": f"pkg:docker/alpine@{number // 2}"} for number in range(10)))) == 5


@pytest.mark.parametrize(
    ("labels", "annotations", "claim"),
    [
        ({}, {}, None),
        ({"base.name": "alpine"}, {}, claim_of("alpine")),
        ({"base.name": " NOASSERTION "}, {}, None),
        ({"base.digest": PINNED}, {}, claim_of("", PINNED)),
        ({"base.name": "alpine", "base.digest": "none"}, {}, claim_of("alpine")),
        ({"base.name": "alpine", "base.digest": PINNED}, {}, claim_of("alpine", PINNED)),
        ({"base.name": "alpine", "base.digest": PINNED}, {"base.name": "debian"}, claim_of("debian")),
    ],
)
def test_an_annotation_is_recorded_before_a_label(
    labels: dict[str, str], annotations: dict[str, str], claim: BaseClaim | None
) -> None:
    texts = ({f"{OCI}{key}": text for key, text in each.items()} for each in (labels, annotations))
    found = recorded_claim(version("a", **dict(zip(("Labels", "Annotations"), texts, strict=True))))

    assert (found and (found.name, found.digest)) == (claim and (claim.name, claim.digest))


@given(st.text() | st.from_regex(r"pkg:(docker|oci)/[a-zA-Z0-9./:@%?&=_-]*", fullmatch=True))
def test_whatever_stands_in_a_url_a_tag_is_followed_by_a_valid_name_only(url: str) -> None:
    for claim in (*inputs({"URI": url}), claim_of(url)):
        assert bool(claim.key) == (claim.repository is not None and claim.tag is not None)


def inputs(*entries: Any) -> list[BaseClaim]:
    provenance = {"PredicateType": "https://slsa.dev/provenance/v1", "Inputs": list(entries)}
    return image_inputs(version("a", Provenance=provenance))
