"""What each badge says, in a table per type, and the edges of rounding."""

from typing import Any

import pytest

from microbadger.badges.text import (
    BADGE_TYPES,
    CHANGED_BY_PRE_RELEASES,
    Badge,
    VersionNotFound,
    badges_of,
    count_text,
    layers_text,
    not_found_badge,
    pending_badge,
    platforms_text,
)
from microbadger.image.documents import ChartDocument, ImageDocument, PlatformDocument, TagDocument, VersionDocument

OCI, LABEL_SCHEMA = "org.opencontainers.image", "org.label-schema"
OLDER, NEWER = "2025-01-01T00:00:00Z", "2026-11-20T12:34:56Z"


def platform(name: str, os_version: str = "") -> PlatformDocument:
    os, architecture, variant = [*name.split("/"), "", ""][:3]
    given = {"OS": os, "Architecture": architecture, "Variant": variant, "OSVersion": os_version}
    known = {field: text for field, text in given.items() if text}
    return {"Digest": "", "DownloadSize": 1, "LayerCount": 1, **known}  # type: ignore[typeddict-item]


AMD64 = platform("linux/amd64")


def version(
    *tags: str,
    size: int = 19_503_514,
    layers: int = 9,
    created: str | None = NEWER,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    platforms: tuple[PlatformDocument, ...] = (AMD64,),
) -> VersionDocument:
    document = VersionDocument(
        SHA="a" * 64,
        Tags=[TagDocument(tag=tag) for tag in tags],
        ImageName="owner/app",
        Author="",
        Labels=labels or {},
        LayerCount=layers,
        DownloadSize=size,
        Annotations=annotations or {},
        Digest=f"sha256:{'a' * 64}",
        MediaType="",
        Platforms=list(platforms),
    )
    if created:
        document["Created"] = created
    return document


def numbered(number: int, *tags: str) -> VersionDocument:
    """Return a version with a digest of its own."""
    return {**version(*tags), "Digest": f"sha256:{number:064x}"}


UNREAD = version("latest", size=0, layers=0, created=None, platforms=())


def partly_read(**fields: Any) -> VersionDocument:
    """Return a version of which no platform was read whole, with all that its labels and annotations may say."""
    facts = {f"{OCI}.revision": "1a2b3c4", f"{OCI}.licenses": "MIT", f"{OCI}.base.name": "alpine"}
    document = version("latest", **{"annotations": facts, **fields})
    document["Unread"] = "mañana"
    return document


def image(*versions: VersionDocument, pulls: int | None = None, stars: int | None = None) -> ImageDocument:
    document = ImageDocument(
        LatestSHA="", UpdatedAt=NEWER, Versions=list(versions), ImageName="owner/app", Registry="", Repository=""
    )
    if pulls is not None:
        document["PullCount"] = pulls
    if stars is not None:
        document["StarCount"] = stars
    return document


def say(badge_type: str, document: ImageDocument, tag: str | None = None) -> tuple[str, str]:
    badge = badges_of(document, tag)[badge_type]
    return badge.label, badge.message


def color(badge_type: str, document: ImageDocument) -> str:
    return badges_of(document, None)[badge_type].color


def chart(*tags: str, facts: ChartDocument | None = None, **fields: Any) -> VersionDocument:
    """Return a chart, or another artifact if it has no facts."""
    document = version(*tags, layers=0, platforms=(), **fields)
    document["Unsupported"] = "this is a Helm chart, not a container image"
    if facts is not None:
        document["Chart"] = facts
    return document


CHART = ChartDocument(Name="web", Version="1.2.3+build.4")


# --- one table per type


@pytest.mark.parametrize(
    ("shown", "texts"),
    [
        (version("1"), ("18.6 MiB", "9 layers")),
        (version("1", size=500, layers=1), ("500 B", "1 layer")),
        (version("1", size=0, layers=0), ("unknown", "0 layers")),
        (UNREAD, ("image", "unknown")),
        (partly_read(size=1024, layers=2), ("1.0 KiB", "2 layers")),
        (partly_read(size=1024, layers=0), ("1.0 KiB", "unknown")),
        (partly_read(size=0, layers=0), ("image", "unknown")),
    ],
)
def test_image(shown: VersionDocument, texts: tuple[str, str]) -> None:
    assert say("image", image(shown)) == texts


@pytest.mark.parametrize(
    ("shown", "tag", "text"),
    [
        (version("latest", labels={f"{OCI}.version": "mañana"}), None, "mañana"),
        (version("latest", "3", "3.20", "3.20.1"), None, "3.20.1"),
        (version("latest", "3", "3.20", "3.20.1"), "3", "3"),
        (version("latest", "1.0", labels={f"{OCI}.version": "2.0"}), None, "1.0"),
        (version("latest", "1.0"), "latest", "latest"),
        (version("latest", labels={f"{OCI}.version": "2.0"}), "latest", "latest"),
        (version("latest", labels={f"{LABEL_SCHEMA}.version": "2.0"}), None, "2.0"),
        (version("latest", labels={f"{OCI}.version": " "}), None, "latest"),
        (version("latest"), None, "latest"),
        (version("latest", "edge", "nightly"), None, "nightly"),
        (UNREAD, None, "latest"),
    ],
)
def test_version(shown: VersionDocument, tag: str | None, text: str) -> None:
    assert say("version", image(shown), tag) == ("version", text)


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ({f"{OCI}.revision": "mañana a la mañana"}, "mañana "),
        ({f"{OCI}.revision": "1a2b3c4d5e6f"}, "1a2b3c4"),
        ({f"{OCI}.revision": "1a2"}, "1a2"),
        ({f"{LABEL_SCHEMA}.vcs-ref": "1a2b3c4d5e6f"}, "1a2b3c4"),
        ({f"{OCI}.revision": ""}, "not given"),
        ({}, "not given"),
    ],
)
def test_commit(labels: dict[str, str], text: str) -> None:
    assert say("commit", image(version("1", labels=labels))) == ("commit", text)


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ({f"{OCI}.licenses": "mañana"}, "mañana"),
        ({f"{OCI}.licenses": "apache-2.0"}, "Apache-2.0"),
        ({f"{LABEL_SCHEMA}.license": "MIT"}, "MIT"),
        ({f"{OCI}.licenses": "MIT AND 0BSD"}, "MIT AND 0BSD"),
        ({f"{OCI}.licenses": "NOASSERTION"}, "not given"),
        ({f"{OCI}.licenses": "NOASSERTION", f"{LABEL_SCHEMA}.license": "MIT"}, "MIT"),
        ({"some.license": "MIT"}, "not given"),
        ({}, "not given"),
    ],
)
def test_license(labels: dict[str, str], text: str) -> None:
    assert say("license", image(version("1", labels=labels))) == ("license", text)


@pytest.mark.parametrize(("shown", "text"), [(version("1"), "18.6 MiB"), (version("1", size=0), "unknown")])
def test_size(shown: VersionDocument, text: str) -> None:
    assert say("size", image(shown)) == ("size", text)


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (version("1"), "9"),
        (version("1", layers=0), "0"),
        (UNREAD, "unknown"),
        (partly_read(layers=2), "2"),
        (partly_read(layers=0), "unknown"),
    ],
)
def test_layers(shown: VersionDocument, text: str) -> None:
    assert say("layers", image(shown)) == ("layers", text)


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ("linux/mañana", "linux/mañana"),
        ("", "unknown"),
        ("linux/amd64", "linux/amd64"),
        ("linux/arm/v7", "linux/arm/v7"),
        ("linux/amd64 linux/arm64", "linux/amd64, arm64"),
        ("linux/arm/v7 linux/amd64", "linux/arm/v7, amd64"),
        ("linux/amd64 linux/arm64 linux/arm/v7", "linux/amd64, arm64, arm/v7"),
        ("linux/amd64 windows/amd64", "linux/amd64, windows/amd64"),
        ("windows/amd64 windows/amd64 windows/amd64 windows/amd64", "windows/amd64"),
        ("linux/amd64 linux/arm64 linux/arm/v6 linux/arm/v7", "4 platforms"),
        ("linux/amd64 linux/arm64 linux/arm/v6 linux/arm/v7 linux/riscv64", "5 platforms"),
    ],
)
def test_platforms(names: str, text: str) -> None:
    shown = version("1", platforms=tuple(platform(name) for name in names.split()))
    assert say("platforms", image(shown)) == ("platforms", text)


@pytest.mark.parametrize(
    ("platforms", "text"),
    [
        ([platform("windows/amd64", "10.0.20348.2762")], "windows/amd64 10.0.20348.2762"),
        (
            [platform("windows/amd64", "10.0.17763.6414"), platform("windows/amd64", "10.0.20348.2762")],
            "windows/amd64 10.0.17763.6414, amd64 10.0.20348.2762",
        ),
        ([AMD64, platform("windows/amd64", "10.0")], "linux/amd64, windows/amd64 10.0"),
        ([platform("windows/amd64", f"10.{number}") for number in range(4)], "4 platforms"),
        ([platform("windows/amd64", "10.0")] * 4, "windows/amd64 10.0"),
        ([platform("")], "unknown"),
        ([platform("", "10.0")], "unknown"),
        ([platform(""), AMD64], "linux/amd64"),
        ([platform("linux")], "linux"),
        ([platform("/arm/v7")], "arm/v7"),
    ],
    ids=range(10),
)
def test_platforms_that_differ_in_their_version_or_are_unknown(platforms: list[PlatformDocument], text: str) -> None:
    assert say("platforms", image(version("1", platforms=tuple(platforms)))) == ("platforms", text)


@pytest.mark.parametrize(("layers", "text"), [(0, "unknown"), (1, "1"), (2, "2")])
def test_the_layers_of_what_was_partly_read_are_known_if_there_are_any(layers: int, text: str) -> None:
    assert say("layers", image(partly_read(layers=layers))) == ("layers", text)


@pytest.mark.parametrize(("labels", "text"), [({f"{OCI}.version": "1.2"}, "1.2"), ({}, "latest")])
def test_a_version_without_a_tag_is_named_by_its_label(labels: dict[str, str], text: str) -> None:
    assert say("version", image(version(labels=labels))) == ("version", text)


def test_the_platforms_of_what_was_not_read_are_those_of_the_index() -> None:
    shown = partly_read(platforms=(AMD64, platform("linux/arm64")))
    assert say("platforms", image(shown)) == ("platforms", "linux/amd64, arm64")


@pytest.mark.parametrize(
    ("created", "text"),
    [
        (NEWER, "2026-11-20"),
        (None, "unknown"),
        ("1970-01-01T00:00:00Z", "unknown"),
        ("0001-01-01T00:00:00Z", "unknown"),
        ("2013-03-19T23:59:59Z", "unknown"),
        ("mañana", "unknown"),
    ],
)
def test_created(created: str | None, text: str) -> None:
    assert say("created", image(version("1", created=created))) == ("created", text)


@pytest.mark.parametrize(("count", "text"), [(1_234_567, "1.2M"), (0, "0"), (None, "unknown")])
def test_pulls(count: int | None, text: str) -> None:
    assert say("pulls", image(version("1"), pulls=count)) == ("pulls", text)


@pytest.mark.parametrize(("count", "text"), [(12, "12"), (0, "0"), (None, "unknown")])
def test_stars(count: int | None, text: str) -> None:
    assert say("stars", image(version("1"), stars=count)) == ("stars", text)


@pytest.mark.parametrize(
    ("labelled", "text"),
    [
        ({"labels": {f"{OCI}.base.name": "mañana"}}, "mañana"),
        ({"labels": {f"{OCI}.base.name": "docker.io/library/alpine:3.20"}}, "alpine:3.20"),
        ({"annotations": {f"{OCI}.base.name": "alpine"}, "labels": {f"{OCI}.base.name": "debian"}}, "alpine"),
        ({}, "not given"),
    ],
)
def test_a_base_that_only_labels_name(labelled: dict[str, dict[str, str]], text: str) -> None:
    shown = version("1", labels=labelled.get("labels"), annotations=labelled.get("annotations"))
    assert say("base", image(shown)) == ("base", text)


def claiming(**fields: Any) -> ImageDocument:
    """Return an image whose current version has these fields."""
    return image({**version("1"), **fields})  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("base", "text", "its_color"),
    [
        ({"Name": "alpine:3.22", "State": "current"}, "alpine:3.22 · current", "green"),
        ({"Name": "alpine:3.22", "State": "outdated"}, "alpine:3.22 · outdated", "orange"),
        ({"Name": "alpine:3.22", "State": "unknown"}, "alpine:3.22", "blue"),
        ({"Name": "alpine:3.22"}, "alpine:3.22", "blue"),
        ({"Name": "alpine", "State": "current"}, "alpine · current", "green"),
        ({"Name": "docker.io/library/alpine:3.22", "State": "current"}, "alpine:3.22 · current", "green"),
        ({"Name": "index.docker.io/library/alpine:3.22"}, "alpine:3.22", "blue"),
        ({"Name": "docker.io/owner/app:1"}, "owner/app:1", "blue"),
        ({"Name": "ghcr.io/owner/app:1", "State": "outdated"}, "ghcr.io/owner/app:1 · outdated", "orange"),
        ({"Name": f"alpine:3.22@sha256:{'a' * 64}"}, "alpine:3.22", "blue"),
        ({"Name": "alpine:3.22@sha256:ab"}, "alpine:3.22", "blue"),
        ({"Name": f"docker.io/library/alpine@sha256:{'a' * 64}"}, "alpine", "blue"),
        ({"Name": "scratch"}, "scratch", "blue"),
        ({"Name": "mañana", "State": "current"}, "mañana · current", "green"),
        ({"Name": "@"}, "@", "blue"),
        ({"Digest": f"sha256:{'a' * 64}", "State": "current"}, "not given", "lightgrey"),
        ({}, "not given", "lightgrey"),
    ],
)
def test_base(base: dict[str, str], text: str, its_color: str) -> None:
    assert badges_of(claiming(Base=base), None)["base"] == Badge("base", text, its_color)


NOT_ALL_READ = {"UnreadClaims": "mañana"}


@pytest.mark.parametrize(
    ("fields", "text", "its_color"),
    [
        ({"Provenance": {"PredicateType": "x", "BuilderName": "GitHub Actions"}}, "GitHub Actions", "blue"),
        ({"Provenance": {"PredicateType": "x", "Builder": "https://builder.example"}}, "yes", "blue"),
        ({"Provenance": {"PredicateType": "x", "Unread": "it is too large"}}, "yes", "blue"),
        ({"Provenance": {"PredicateType": "x"}, **NOT_ALL_READ}, "yes", "blue"),
        ({}, "no", "lightgrey"),
        (NOT_ALL_READ, "unknown", "lightgrey"),
        ({"Unread": "mañana"}, "unknown", "lightgrey"),
        ({"Unread": "mañana", **NOT_ALL_READ}, "unknown", "lightgrey"),
        ({"Platforms": []}, "unknown", "lightgrey"),
        ({"Unsupported": "a chart", "Platforms": [], "Provenance": {"PredicateType": "x"}}, "yes", "blue"),
    ],
    ids=range(10),
)
def test_provenance(fields: dict[str, Any], text: str, its_color: str) -> None:
    assert badges_of(claiming(**fields), None)["provenance"] == Badge("provenance", text, its_color)


@pytest.mark.parametrize(
    ("fields", "text", "its_color"),
    [
        ({"SBOM": {"Format": "SPDX"}}, "yes", "blue"),
        ({"SBOM": {"Format": "mañana", "Unread": "it is too large"}}, "yes", "blue"),
        ({"SBOM": {"Format": "SPDX"}, **NOT_ALL_READ}, "yes", "blue"),
        ({}, "no", "lightgrey"),
        (NOT_ALL_READ, "unknown", "lightgrey"),
        ({"Unread": "mañana"}, "unknown", "lightgrey"),
        ({"Platforms": []}, "unknown", "lightgrey"),
    ],
    ids=range(7),
)
def test_sbom(fields: dict[str, Any], text: str, its_color: str) -> None:
    assert badges_of(claiming(**fields), None)["sbom"] == Badge("sbom", text, its_color)


@pytest.mark.parametrize(
    ("fields", "text", "its_color"),
    [
        ({"Signatures": [{"Kind": "cosign"}]}, "cosign", "blue"),
        ({"Signatures": [{"Kind": "notation"}]}, "notation", "blue"),
        ({"Signatures": [{"Kind": "sigstore"}, {"Kind": "mañana"}]}, "sigstore, mañana", "blue"),
        ({"Signatures": [{"Kind": kind} for kind in ("cosign", "notation", "cosign")]}, "cosign, notation", "blue"),
        ({"Signatures": [{"Kind": "cosign"}], **NOT_ALL_READ}, "cosign", "blue"),
        ({"Signatures": [{"Kind": "cosign"}], "Unsupported": "a chart", "Platforms": []}, "cosign", "blue"),
        ({"Signatures": []}, "no", "lightgrey"),
        ({}, "unknown", "lightgrey"),
        (NOT_ALL_READ, "unknown", "lightgrey"),
        ({"Unread": "mañana"}, "unknown", "lightgrey"),
    ],
    ids=range(10),
)
def test_signature(fields: dict[str, Any], text: str, its_color: str) -> None:
    assert badges_of(claiming(**fields), None)["signature"] == Badge("signature", text, its_color)


@pytest.mark.parametrize(
    ("fields", "text", "its_color"),
    [
        ({"Config": {}}, "root", "orange"),
        ({"Config": {"User": ""}}, "root", "orange"),
        ({"Config": {"User": "root"}}, "root", "orange"),
        ({"Config": {"User": "root:app"}}, "root", "orange"),
        ({"Config": {"User": "0"}}, "root", "orange"),
        ({"Config": {"User": "0:1000"}}, "root", "orange"),
        ({"Config": {"User": "app"}}, "app", "blue"),
        ({"Config": {"User": "1000:0"}}, "1000:0", "blue"),
        ({"Config": {"User": "señor"}}, "señor", "blue"),
        ({"Config": {}, "Platforms": [platform("windows/amd64")]}, "not given", "lightgrey"),
        ({"Config": {"User": "ContainerUser"}, "Platforms": [platform("windows/amd64")]}, "ContainerUser", "blue"),
        ({"Config": {}, "Platforms": [AMD64, platform("windows/amd64")]}, "root", "orange"),
        ({}, "unknown", "lightgrey"),
        ({"Config": {}, "Unread": "mañana"}, "unknown", "lightgrey"),
        ({"Config": {}, "Platforms": []}, "unknown", "lightgrey"),
    ],
    ids=range(15),
)
def test_user(fields: dict[str, Any], text: str, its_color: str) -> None:
    assert badges_of(claiming(**fields), None)["user"] == Badge("user", text, its_color)


@pytest.mark.parametrize("badge_type", ["base", "provenance", "sbom", "signature", "user"])
def test_no_badge_says_more_than_is_claimed(badge_type: str) -> None:
    claims = {
        "Base": {"Name": "alpine", "State": "current"},
        "Provenance": {"PredicateType": "https://slsa.dev/provenance/v1", "BuilderName": "GitHub Actions"},
        "SBOM": {"Format": "SPDX"},
        "Signatures": [{"Kind": "cosign"}],
        "Config": {},
    }
    said = say(badge_type, claiming(**claims))[1].lower()
    assert not any(word in said for word in ("verified", "trusted", "valid", "slsa", "level"))


# --- all types


@pytest.mark.parametrize("badge_type", ["commit", "license", "base"])
@pytest.mark.parametrize("platforms", [(), (AMD64,)])
def test_what_labels_say_of_a_version_that_was_not_read_is_unknown(
    badge_type: str, platforms: tuple[PlatformDocument, ...]
) -> None:
    assert say(badge_type, image(partly_read(platforms=platforms))) == (badge_type, "unknown")


@pytest.mark.parametrize(
    ("badge_type", "field"), [("commit", "revision"), ("license", "licenses"), ("base", "base.name")]
)
def test_a_label_of_the_base_image_fills_no_badge(badge_type: str, field: str) -> None:
    shown = version("1", labels={f"{OCI}.{field}": "MIT"})
    shown["InheritedLabels"] = [f"{OCI}.{field}"]
    assert say(badge_type, image(shown)) == (badge_type, "not given")


def test_a_version_label_of_the_base_image_names_no_version() -> None:
    shown = version("latest", labels={f"{OCI}.version": "22.04"})
    shown["InheritedLabels"] = [f"{OCI}.version"]
    assert say("version", image(shown)) == ("version", "latest")


def test_the_version_is_named_as_the_releases_of_its_image_are() -> None:
    shown = image(version("latest", "build-9", "a-long-branch"), version("build-8"))
    assert say("version", shown) == ("version", "build-9")


def test_without_latest_the_badge_is_about_the_highest_release() -> None:
    older, newer = version("2.0", size=1024, created=OLDER), version("1.9", size=2048)
    assert say("size", image(newer, older)) == ("size", "1.0 KiB")


RELEASES = image(
    numbered(0, "2.0.0-rc1"),
    numbered(1, "1.4.0", "1.4", "1", "latest"),
    numbered(2, "1.4.0-alpine"),
    numbered(3, "1.3.2", "1.3"),
    numbered(4, "1.3.2-alpine"),
    numbered(5, "main"),
)


@pytest.mark.parametrize(
    ("tag", "text", "its_color"),
    [
        (None, "up to date", "green"),
        ("1.4.0", "up to date", "green"),
        ("latest", "up to date", "green"),
        ("1", "up to date", "green"),
        ("1.3.2", "1.4.0 available", "orange"),
        ("1.3", "1.4 available", "orange"),
        ("1.3.2-alpine", "1.4.0-alpine available", "orange"),
        ("2.0.0-rc1", "up to date", "green"),
        ("main", "unknown", "lightgrey"),
    ],
)
def test_the_update_of_a_tag_is_the_newest_release_of_its_variant(tag: str | None, text: str, its_color: str) -> None:
    assert badges_of(RELEASES, tag)["update"] == Badge("update", text, its_color)


def test_the_update_of_an_image_is_that_of_its_current_version() -> None:
    left_behind = image(numbered(1, "1.4.0"), numbered(2, "1.3.2", "1.3", "latest"))
    assert say("update", left_behind) == ("update", "1.4.0 available")


def test_the_update_of_an_image_that_was_not_read_is_known_from_its_tags() -> None:
    unread = image(numbered(1, "1.4.0"), {**numbered(2, "1.3.2"), "Unread": "mañana", "Platforms": []})
    assert say("update", unread, "1.3.2") == ("update", "1.4.0 available")


@pytest.mark.parametrize(
    ("badge_type", "tag", "text"),
    [
        ("version", None, "2.0.0-rc1"),
        ("version", "1.3", "1.3"),
        ("update", None, "2.0.0-rc1 available"),
        ("update", "1.3", "2.0.0-rc1 available"),
        ("update", "1.4.0-alpine", "up to date"),
        ("update", "main", "unknown"),
    ],
)
def test_pre_releases_count_if_asked_for(badge_type: str, tag: str | None, text: str) -> None:
    assert badges_of(RELEASES, tag, pre_releases=True)[badge_type].message == text


def test_the_version_with_pre_releases_is_the_current_one_if_there_is_none() -> None:
    shown = image(version("latest", labels={f"{OCI}.version": "22.04"}))
    assert badges_of(shown, None, pre_releases=True)["version"].message == "22.04"


@pytest.mark.parametrize("tag", [None, "1.4.0", "1.3.2", "main"])
def test_pre_releases_change_only_certain_badges(tag: str | None) -> None:
    plain, with_pre_releases = badges_of(RELEASES, tag), badges_of(RELEASES, tag, pre_releases=True)
    assert {name for name in BADGE_TYPES if plain[name] != with_pre_releases[name]} <= CHANGED_BY_PRE_RELEASES


@pytest.mark.parametrize("badge_type", sorted(BADGE_TYPES.keys() - {"version"}))
def test_an_image_that_was_not_read_is_unknown(badge_type: str) -> None:
    assert say(badge_type, image(UNREAD)) == (badge_type, "unknown")


@pytest.mark.parametrize("badge_type", sorted(BADGE_TYPES.keys() - {"update"}))
def test_a_known_fact_is_blue(badge_type: str) -> None:
    labels = {f"{OCI}.revision": "1a2b3c4", f"{OCI}.licenses": "MIT", f"{OCI}.base.name": "alpine"}
    known = {**version("1", labels=labels), "Config": {"User": "app"}, "Signatures": [{"Kind": "cosign"}]}
    attested = {**known, "Provenance": {"PredicateType": "x"}, "SBOM": {"Format": "SPDX"}}
    assert color(badge_type, image(attested, pulls=1, stars=1)) == "blue"  # type: ignore[arg-type]


@pytest.mark.parametrize("badge_type", sorted(BADGE_TYPES.keys() - {"version"}))
def test_an_unknown_fact_is_grey(badge_type: str) -> None:
    assert color(badge_type, image(UNREAD)) == "lightgrey"


@pytest.mark.parametrize("badge_type", ["commit", "license", "base"])
def test_a_label_that_is_not_given_is_grey(badge_type: str) -> None:
    assert color(badge_type, image(version("1"))) == "lightgrey"


@pytest.mark.parametrize("tag", [None, "1", "latest", "0.9"])
def test_there_is_a_badge_of_each_type_for_the_image_and_for_each_tag(tag: str | None) -> None:
    assert badges_of(image(version("1", "latest"), version("0.9")), tag).keys() == BADGE_TYPES.keys()


def test_the_badge_of_an_image_is_about_its_current_version() -> None:
    older, newer = version("latest", size=1024, created=OLDER), version("2.0", size=2048)
    assert say("size", image(newer, older)) == ("size", "1.0 KiB")


def test_the_badge_of_a_tag_is_about_its_version() -> None:
    older, newer = version("latest", size=1024, created=OLDER), version("2.0", size=2048)
    assert say("size", image(newer, older), "2.0") == ("size", "2.0 KiB")


def test_there_is_no_badge_of_a_tag_that_does_not_exist() -> None:
    with pytest.raises(VersionNotFound, match=r"\Aowner/app has no tag 'mañana'\.\Z"):
        badges_of(image(version("1")), "mañana")


def test_there_is_no_badge_of_an_image_without_a_version() -> None:
    with pytest.raises(VersionNotFound, match=r"\Aowner/app has no version\.\Z"):
        badges_of(image(), None)


def test_an_unknown_image_is_not_found() -> None:
    assert not_found_badge() == Badge("image", "not found", "lightgrey", "grey")


def test_an_unknown_tag_is_not_found() -> None:
    assert not_found_badge("1.0") == Badge("1.0", "not found", "lightgrey", "grey")


@pytest.mark.parametrize("badge_type", sorted(BADGE_TYPES))
def test_an_image_that_was_never_read_is_pending(badge_type: str) -> None:
    assert pending_badge(badge_type) == Badge(badge_type, "pending", "lightgrey", "grey")


# --- numbers


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1k"),
        (1049, "1k"),
        (1051, "1.1k"),
        (1234, "1.2k"),
        (9949, "9.9k"),
        (9999, "10k"),
        (10_499, "10k"),
        (35_400, "35k"),
        (999_499, "999k"),
        (999_500, "1M"),
        (1_234_567, "1.2M"),
        (999_499_999, "999M"),
        (999_500_000, "1B"),
        (10**9, "1B"),
        (12_345_678_901, "12B"),
    ],
)
def test_a_count_has_three_figures_at_most(count: int, text: str) -> None:
    assert count_text(count) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 layers"), (1, "1 layer"), (2, "2 layers"), (9, "9 layers")])
def test_one_layer_is_singular(count: int, text: str) -> None:
    assert layers_text(count) == text


def test_no_platforms_are_unknown() -> None:
    assert platforms_text([]) == "unknown"


# --- what is not an image


@pytest.mark.parametrize(
    ("shown", "tag", "text"),
    [
        (chart("1.2.3_build.4", facts=CHART), None, "1.2.3+build.4"),
        (chart("1.2.3_build.4", facts=CHART), "1.2.3_build.4", "1.2.3+build.4"),
        (chart("1.2.3_build.4", "stable", facts=CHART), "stable", "stable"),
        (chart("stable", facts=CHART), None, "1.2.3+build.4"),
        (chart("latest", facts=CHART), None, "1.2.3+build.4"),
        (chart("latest", facts={}), None, "latest"),
        (chart("1.2.3_build.4", facts={}), None, "1.2.3+build.4"),
        (chart("1.2.3_build.4"), None, "1.2.3_build.4"),
    ],
)
def test_version_of_a_chart(shown: VersionDocument, tag: str | None, text: str) -> None:
    assert say("version", image(shown), tag) == ("version", text)


def test_update_of_a_chart() -> None:
    document = image(chart("1.0.0_k8s", facts=CHART), {**chart("1.2.0_k8s", facts=CHART), "Digest": "sha256:b"})
    assert say("update", document, "1.0.0_k8s") == ("update", "1.2.0+k8s available")


@pytest.mark.parametrize(
    ("badge_type", "texts"),
    [
        ("image", ("18.6 MiB", "Helm chart")),
        ("size", ("size", "18.6 MiB")),
        ("created", ("created", "2026-11-20")),
        ("layers", ("layers", "unknown")),
        ("platforms", ("platforms", "unknown")),
        ("commit", ("commit", "unknown")),
        ("license", ("license", "unknown")),
        ("base", ("base", "unknown")),
    ],
)
def test_badges_of_a_chart(badge_type: str, texts: tuple[str, str]) -> None:
    assert say(badge_type, image(chart("1.0", facts=CHART))) == texts


@pytest.mark.parametrize("facts", [CHART, None])
@pytest.mark.parametrize(
    ("badge_type", "key", "given", "text"),
    [("license", "licenses", "MIT", "MIT"), ("commit", "revision", "0123456789abcdef", "0123456")],
)
def test_what_the_annotations_of_an_artifact_say(
    facts: ChartDocument | None, badge_type: str, key: str, given: str, text: str
) -> None:
    shown = chart("1.0", facts=facts, annotations={f"{OCI}.{key}": given})
    assert say(badge_type, image(shown)) == (badge_type, text)
