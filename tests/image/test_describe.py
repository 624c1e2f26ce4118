"""The documents: v1 names in v1 order, what is left out, which version is the current one, and what changed."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.badges.text import badges_of
from microbadger.image.bounds import size_bytes
from microbadger.image.configs import Config, HistoryStep
from microbadger.image.describe import (
    current_version,
    describe_image,
    describe_version,
    hub_details,
    is_blank,
    outline_version,
    shown_at,
    tagged,
    with_details_of,
)
from microbadger.image.descriptors import Descriptor, Platform
from microbadger.image.documents import (
    ConfigDocument,
    HubDetails,
    ImageDocument,
    TagDocument,
    VersionDocument,
    document_bytes,
    tags_of,
)
from microbadger.image.manifest import OCI_INDEX, OCI_MANIFEST, Manifest
from microbadger.image.platforms import PlatformImage
from microbadger.image.reference import Repository

APP, ALPINE = Repository.parse("owner/app"), Repository.parse("alpine")
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
CREATED = datetime(2018, 12, 14, 8, 47, 51, 363852, UTC)
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")


def digest(letter: str) -> str:
    return f"sha256:{letter * 64}"


def config(
    platform: Platform = AMD64,
    created: datetime | None = CREATED,
    labels: Mapping[str, str] | None = None,
    history: tuple[HistoryStep, ...] = (),
    author: str | None = None,
) -> Config:
    return Config(platform, created, author, labels or {}, history, ())


def image(
    letter: str = "a", sizes: tuple[int, ...] = (100, 200), annotations: Mapping[str, str] | None = None, **said: object
) -> PlatformImage:
    layers = tuple(Descriptor(LAYER, digest(str(place)), size) for place, size in enumerate(sizes))
    manifest = Manifest(OCI_MANIFEST, Descriptor("", digest("c"), 2), layers, annotations or {})
    settings = config(**said)  # type: ignore[arg-type]
    return PlatformImage(digest(letter), settings.platform, manifest, settings)


def artifact(layer_type: str) -> PlatformImage:
    """A manifest of one layer, with a config that names no platform."""
    manifest = Manifest(OCI_MANIFEST, Descriptor("", digest("c"), 2), (Descriptor(layer_type, digest("d"), 1),), {})
    return PlatformImage(digest("e"), None, manifest, config(Platform("unknown", "unknown")))


def step(created_by: str, empty_layer: bool = False) -> HistoryStep:
    return HistoryStep(created_by, empty_layer)


def described(*tags: str, letter: str = "a", **said: object) -> VersionDocument:
    version = describe_version(APP, digest(letter), OCI_MANIFEST, [image(letter, **said)])  # type: ignore[arg-type]
    return tagged(version, tags)


def document(*versions: VersionDocument, hub: HubDetails | None = None) -> ImageDocument:
    return describe_image(APP, versions, updated_at=NOON, hub=hub)


def round_trip(value: Mapping[str, object]) -> object:
    return json.loads(document_bytes(value))


# --- one version

OLD_VERSION_KEYS = [
    "SHA", "Tags", "ImageName", "Author", "Labels", "LayerCount", "DownloadSize", "Created", "Layers", "License",
    "VersionControl",
]  # fmt: skip
OLD_IMAGE_KEYS = [
    "LatestSHA", "WebhookURL", "UpdatedAt", "Description", "LastUpdated", "PullCount", "StarCount", "Versions", "Id",
    "ImageName", "ImageURL", "Author", "LayerCount", "DownloadSize", "Labels", "LatestVersion",
]  # fmt: skip
LABELS = {
    "org.opencontainers.image.licenses": "MIT",
    "org.opencontainers.image.source": "https://github.com/owner/app",
    "org.opencontainers.image.revision": "1a2b3c4d",
    "org.opencontainers.image.base.name": "docker.io/library/alpine:3.20",
    "org.opencontainers.image.base.digest": digest("b"),
}


def test_a_version_has_the_old_keys_in_the_old_order_first() -> None:
    version = describe_version(APP, digest("a"), OCI_INDEX, [image(labels=LABELS)], {"org.example": "x"})
    new = ["Digest", "MediaType", "Platforms", "Annotations", "Source", "Base", "ConfigDigest"]
    assert list(version) == [*OLD_VERSION_KEYS, *new]


def test_a_version_is_named_by_its_digest() -> None:
    version = describe_version(ALPINE, digest("a"), OCI_INDEX, [image()])
    names = version["SHA"], version["Digest"], version["MediaType"], version["ImageName"]
    assert names == ("a" * 64, digest("a"), OCI_INDEX, "alpine")


def test_a_version_is_as_large_as_the_layers_of_its_main_platform() -> None:
    images = [image("b", (1,), platform=ARM64), image("c", (10, 20, 30), platform=AMD64)]
    version = describe_version(APP, digest("a"), OCI_INDEX, images)
    assert (version["LayerCount"], version["DownloadSize"]) == (3, 60)


@pytest.mark.parametrize(
    ("layers", "diff_ids", "are_shown"),
    [(2, 2, True), (1, 1, True), (2, 1, False), (2, 3, False), (0, 0, False), (0, 1, False)],
)
def test_diff_ids_are_shown_if_there_is_one_for_each_layer(layers: int, diff_ids: int, are_shown: bool) -> None:
    of_config = tuple(digest(str(number)) for number in range(diff_ids))
    subject = replace(image(sizes=(1,) * layers), config=replace(config(), diff_ids=of_config))

    version = describe_version(APP, digest("a"), OCI_MANIFEST, [subject])

    assert version.get("DiffIDs") == (list(of_config) if are_shown else None)


def test_a_version_without_layers_says_so_with_zeros() -> None:
    version = describe_version(APP, digest("a"), OCI_MANIFEST, [image(sizes=())])
    assert (version["LayerCount"], version["DownloadSize"], version["Layers"]) == (0, 0, [])


def test_unknown_fields_are_left_out() -> None:
    version = describe_version(APP, digest("a"), OCI_MANIFEST, [image(created=None)])
    optional = {"Labels", "Created", "License", "VersionControl", "Annotations", "Source", "Base"}
    assert optional & version.keys() == set()


def test_layers_are_the_steps_of_the_dockerfile() -> None:
    history = step("RUN a"), step("ENV b", empty_layer=True), step("RUN c")
    layers = describe_version(APP, digest("a"), OCI_MANIFEST, [image(history=history)])["Layers"]
    assert [(layer["Command"], layer["DownloadSize"], layer["BlobSum"]) for layer in layers] == [
        ("RUN a", 100, digest("0")),
        ("ENV b", 0, ""),
        ("RUN c", 200, digest("1")),
    ]


def test_a_step_without_a_layer_has_no_digest() -> None:
    layers = describe_version(APP, digest("a"), OCI_MANIFEST, [image(sizes=(), history=(step("ENV b"),))])["Layers"]
    assert layers == [{"BlobSum": "", "Command": "ENV b", "DownloadSize": 0}]


def test_layers_without_a_history_have_no_commands() -> None:
    layers = describe_version(APP, digest("a"), OCI_MANIFEST, [image(sizes=(7,))])["Layers"]
    assert layers == [
        {"BlobSum": digest("0"), "Command": "", "DownloadSize": 7, "Digest": digest("0"), "MediaType": LAYER}
    ]


def test_each_platform_is_described() -> None:
    images = [image("b", (1, 2), platform=Platform("linux", "arm", "v7")), image("c", (3,), created=None)]
    version = describe_version(APP, digest("a"), OCI_INDEX, images)
    assert document(version)["Versions"][0]["Platforms"] == [
        {
            "OS": "linux",
            "Architecture": "arm",
            "Variant": "v7",
            "Digest": digest("b"),
            "DownloadSize": 3,
            "LayerCount": 2,
            "Created": "2018-12-14T08:47:51.363852Z",
        },
        {"OS": "linux", "Architecture": "amd64", "Digest": digest("c"), "DownloadSize": 3, "LayerCount": 1},
    ]


def test_a_version_with_several_platforms_has_labels_and_layers_of_each() -> None:
    images = [image("b", (1,), labels={"a": "1"}), image("c", (2, 3), {"b": "2"}, platform=ARM64)]
    first, second = describe_version(APP, digest("a"), OCI_INDEX, images)["Platforms"]
    assert (first["Labels"], len(first["Layers"])) == ({"a": "1"}, 1)
    assert (second["Annotations"], len(second["Layers"])) == ({"b": "2"}, 2)


def test_an_image_lists_platforms_without_their_labels_and_layers() -> None:
    images = [image("b", labels={"a": "1"}), image("c", annotations={"b": "2"}, platform=ARM64)]
    version = describe_version(APP, digest("a"), OCI_INDEX, images)
    for whole, listed in zip(version["Platforms"], document(version)["Versions"][0]["Platforms"], strict=True):
        texts = "Labels" if "Labels" in whole else "Annotations"
        assert whole.keys() - listed.keys() == {"Layers", "ConfigDigest", texts}


def test_a_description_comes_from_a_label_where_docker_hub_has_none() -> None:
    version = described("1.0", labels={"org.opencontainers.image.description": "größe"})
    assert document(version)["Description"] == "größe"
    assert document(version, hub=HubDetails(description="hub"))["Description"] == "hub"


@pytest.mark.parametrize(
    ("author", "labels", "expected"),
    [
        ("mañana", {"org.opencontainers.image.authors": "label"}, "mañana"),
        (None, {"org.opencontainers.image.authors": "label"}, "label"),
        (" ", {"org.opencontainers.image.authors": "label"}, "label"),
        ("NOASSERTION", {"org.opencontainers.image.authors": "label"}, "label"),
        ("NOASSERTION", {"org.opencontainers.image.authors": ""}, ""),
        (None, {}, ""),
    ],
)
def test_the_author_is_who_the_config_names_else_the_label(
    author: str | None, labels: dict[str, str], expected: str
) -> None:
    assert described(author=author, labels=labels)["Author"] == expected


def test_labels_are_kept_as_they_are() -> None:
    labels = {"mañana": "<&>", "empty": "", "": "no key"}
    assert described(labels=labels).get("Labels") == labels


def test_labels_fill_the_fields_of_a_version() -> None:
    version = described(labels=LABELS)
    assert version["License"] == {"Code": "MIT", "URL": "https://spdx.org/licenses/MIT.html"}
    assert version["VersionControl"] == {
        "Type": "git",
        "URL": "https://github.com/owner/app/commit/1a2b3c4d",
        "Commit": "1a2b3c4d",
    }
    assert version["Source"] == "https://github.com/owner/app"
    assert version["Base"] == {"Name": "docker.io/library/alpine:3.20", "Digest": digest("b")}


def test_an_unknown_license_has_no_link() -> None:
    assert described(labels={"org.opencontainers.image.licenses": "mañana"})["License"] == {"Code": "mañana"}


@pytest.mark.parametrize(
    ("index", "manifest", "expected"),
    [
        ("index", "manifest", "index"),
        ("", "manifest", "manifest"),
        ("  ", "manifest", "manifest"),
        (None, "manifest", "manifest"),
        ("index", None, "index"),
    ],
)
def test_an_annotation_of_the_index_comes_before_one_of_the_manifest(
    index: str | None, manifest: str | None, expected: str
) -> None:
    of_index = {} if index is None else {"key": index}
    of_manifest = {} if manifest is None else {"key": manifest}
    version = describe_version(APP, digest("a"), OCI_INDEX, [image(annotations=of_manifest)], of_index)
    assert version.get("Annotations") == {"key": expected}


def test_an_annotation_comes_before_a_label() -> None:
    key = "org.opencontainers.image.licenses"
    version = describe_version(APP, digest("a"), OCI_INDEX, [image(labels={key: "MIT"})], {key: "0BSD"})
    assert version["License"]["Code"] == "0BSD"


def test_a_version_that_could_not_be_read_says_why() -> None:
    version = outline_version(APP, digest("a"), unread="mañana")
    assert (version["SHA"], version["Unread"], version["Platforms"]) == ("a" * 64, "mañana", [])


def test_an_outline_says_only_what_is_known() -> None:
    version = outline_version(APP, digest("a"))
    assert (version["MediaType"], {"Unread", "Unsupported"} & version.keys()) == ("", set())


def test_a_version_that_is_not_an_image_says_what_it_is() -> None:
    version = outline_version(APP, digest("a"), OCI_MANIFEST, unsupported="mañana")
    assert (version["MediaType"], version["Unsupported"], version["Platforms"]) == (OCI_MANIFEST, "mañana", [])


CHART = artifact("application/vnd.cncf.helm.chart.content.v1.tar+gzip")


def test_a_version_of_which_no_platform_is_an_image_says_what_it_is() -> None:
    version = describe_version(APP, digest("a"), OCI_INDEX, [CHART, CHART], {"key": "mañana"})
    why = "this is a Helm chart, not a container image"
    assert version == outline_version(APP, digest("a"), OCI_INDEX, unsupported=why)


def test_a_platform_that_is_no_image_is_left_out_beside_one_that_is() -> None:
    twice = [image("b", platform=ARM64)] * 2
    version = describe_version(APP, digest("a"), OCI_INDEX, [CHART, *twice])
    assert [platform["Digest"] for platform in version["Platforms"]] == [digest("b")]
    assert "Layers" not in version["Platforms"][0]


@pytest.mark.parametrize(
    ("subject", "layers"), [(replace(image(), config=None), 2), (replace(image(), manifest=None), 0)], ids=range(2)
)
def test_a_version_of_which_a_part_is_missing_is_described_as_far_as_it_goes(
    subject: PlatformImage, layers: int
) -> None:
    version = describe_version(APP, digest("a"), OCI_MANIFEST, [replace(subject, unread="mañana")])
    assert (version["Unread"], version["LayerCount"], "DiffIDs" in version) == ("mañana", layers, False)


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (outline_version(APP, digest("a"), unread="mañana"), True),
        (outline_version(APP, digest("a"), unsupported="mañana"), False),
        ({**described(), "Unread": "mañana"}, False),
        (described(), False),
        (described(sizes=()), False),
    ],
    ids=range(5),
)
def test_a_version_is_blank_if_nothing_at_all_was_read(version: VersionDocument, expected: bool) -> None:
    assert is_blank(version) is expected


def test_a_version_of_an_image_gets_its_details_back_from_its_own_document() -> None:
    images = [image("b", labels={"a": "b"}), image("c", platform=ARM64)]
    images[0] = replace(images[0], config=replace(config(), diff_ids=(digest("0"), digest("1"))))
    published = describe_version(APP, digest("a"), OCI_INDEX, images)
    listed = document(tagged(published, ["1.0"]))["Versions"][0]

    whole = with_details_of(published, listed)

    assert whole == {**published, "Tags": [{"tag": "1.0"}]}
    assert list(whole) == list(published)
    assert listed.keys() & {"Layers", "DiffIDs"} == set()
    assert with_details_of(listed, listed) == listed


def test_a_version_takes_tags_in_the_place_of_those_it_had() -> None:
    assert tags_of(tagged(described("old"), ["b", "c", "a"])) == ["a", "b", "c"]


def test_a_version_that_is_tagged_anew_leaves_the_other_as_it_was() -> None:
    version = described("old")
    tagged(version, {"new"})
    assert version["Tags"] == [TagDocument(tag="old")]


# --- what is too large

MEBIBYTE = 1024**2
LARGEST_VERSION_BYTES = 4 * MEBIBYTE - 256 * 1024
LARGEST_IMAGE_BYTES = 4 * MEBIBYTE
TOO_LARGE = "left out: the document would be too large"


def platform_image(number: int, command: str = "", **said: object) -> PlatformImage:
    platform = Platform("linux", "arm", f"v{number}")
    return image(str(number), platform=platform, history=(step(command),), **said)  # type: ignore[arg-type]


def on_platforms(*images: PlatformImage) -> VersionDocument:
    return describe_version(APP, digest("a"), OCI_INDEX, images)


def test_of_platforms_with_large_details_those_that_fit_keep_them() -> None:
    lengths = [1, MEBIBYTE, MEBIBYTE, MEBIBYTE, MEBIBYTE, 2 * MEBIBYTE, 1]
    version = on_platforms(*(platform_image(number, "x" * length) for number, length in enumerate(lengths)))
    assert ["Layers" in platform for platform in version["Platforms"]] == [True, True, True, True, False, False, True]
    assert version["Cut"] == [f"The details of 2 platforms are {TOO_LARGE}"]


def test_of_too_many_platforms_the_first_are_kept_without_details() -> None:
    images = [image(str(place), platform=Platform("linux", "arm", "v" * MEBIBYTE)) for place in range(5)]
    version = on_platforms(*images)
    assert ["Layers" in platform for platform in version["Platforms"]] == [False, False, False]
    assert version["Cut"] == [f"2 of 5 platforms are {TOO_LARGE}"]


def test_the_only_platform_is_left_out_if_it_is_too_large() -> None:
    version = on_platforms(image(platform=Platform("linux", "arm", "v" * 4 * MEBIBYTE)))
    assert (version["Platforms"], version["Cut"]) == ([], [f"1 of 1 platforms are {TOO_LARGE}"])


def test_the_document_of_a_version_is_filled_to_the_last_byte() -> None:
    def filled(padding: int) -> VersionDocument:
        return on_platforms(platform_image(1), platform_image(2), platform_image(3, "x" * padding))

    padding = LARGEST_VERSION_BYTES - 1 - size_bytes(filled(1)) + 1
    assert size_bytes(filled(padding)) == LARGEST_VERSION_BYTES - 1
    assert "Cut" not in filled(padding)
    assert filled(padding + 1)["Cut"] == [f"The details of 1 platforms are {TOO_LARGE}"]


def test_the_outlines_of_platforms_are_kept_to_the_last_byte() -> None:
    def filled(padding: int) -> VersionDocument:
        return on_platforms(image(), image("b", platform=Platform("linux", "arm", "v" * padding)))

    platforms = [{**platform} for platform in filled(1)["Platforms"]]
    for platform in platforms:
        del platform["Layers"], platform["ConfigDigest"]
    padding = LARGEST_VERSION_BYTES - size_bytes({**filled(1), "Platforms": platforms})
    assert filled(padding)["Cut"] == [f"The details of 2 platforms are {TOO_LARGE}"]
    assert filled(padding + 1)["Cut"] == [f"1 of 2 platforms are {TOO_LARGE}"]


def test_a_version_says_everything_that_was_cut_of_it() -> None:
    many = {str(number): "" for number in range(1002)}
    main = replace(image(annotations=many), config=replace(config(), cut=("of the config",)))
    version = on_platforms(main, platform_image(1, "x" * 4 * MEBIBYTE))
    assert version["Cut"] == [
        "of the config",
        "2 of 1002 annotations are left out: there are too many, or they are too large",
        f"The details of 1 platforms are {TOO_LARGE}",
    ]


def large(number: int, label_bytes: int) -> VersionDocument:
    """A version with one label that takes so many bytes, and one that means something."""
    labels = {"large": "x" * (label_bytes - len('"large":"",')), "org.opencontainers.image.title": "mañana"}
    return described(f"1.{number}", letter=str(number % 10), labels=labels)


def test_of_large_versions_the_document_of_their_image_has_what_means_something() -> None:
    shown = document(*(large(number, 500_000) for number in range(9)))
    assert {tuple(version["Labels"]) for version in shown["Versions"]} == {("org.opencontainers.image.title",)}
    why = "1 of 2 labels are left out: there are too many, or they are too large"
    assert [version["Cut"] for version in shown["Versions"]] == [[why]] * 9
    assert shown["Cut"] == [why]


def test_large_annotations_are_bounded_as_labels_are() -> None:
    annotations = {str(number): "x" * 60_000 for number in range(8)}
    settings = replace(config(labels={"a": "mañana"}), cut=("of the config",))
    subject = replace(image(annotations=annotations), config=settings)
    shown = document(*[describe_version(APP, digest("a"), OCI_MANIFEST, [subject])] * 9)
    cut = ["of the config", "7 of 8 annotations are left out: there are too many, or they are too large"]
    assert [(list(version["Annotations"]), version["Cut"]) for version in shown["Versions"]] == [(["0"], cut)] * 9
    assert shown["Versions"][0]["Labels"] == {"a": "mañana"}


def test_of_long_claims_the_document_of_their_image_leaves_out_the_lists() -> None:
    claims: Any = {
        "Provenance": {"PredicateType": "p", "Inputs": [{"URI": "x" * 5000}]},
        "SBOM": {"Format": "SPDX", "PackageCount": 5000, "Licenses": {"x" * 5000: 5000}},
    }
    versions: list[Any] = [{**described(f"1.{number}", letter="a"), **claims} for number in range(450)]
    shown = document(*versions)["Versions"]
    assert {str(version["Provenance"]) for version in shown} == {str({"PredicateType": "p"})}
    assert {str(version["SBOM"]) for version in shown} == {str({"Format": "SPDX", "PackageCount": 5000})}
    assert shown[0]["Cut"] == [f"The inputs of the build are {TOO_LARGE}", f"The licenses are {TOO_LARGE}"]


def test_of_many_platforms_the_document_of_their_image_has_the_first() -> None:
    version = described("1.0")
    platform = version["Platforms"][0]
    platform["Variant"] = "v" * (219 - len('"Variant":"",') - size_bytes(platform))
    version["Platforms"] *= 40_000
    shown = document(version)["Versions"][0]
    assert len(shown["Platforms"]) == LARGEST_IMAGE_BYTES // 5 // 220 == 3813
    assert shown["Cut"] == [f"{40_000 - 3813} platforms are {TOO_LARGE}"]


@pytest.mark.parametrize(("more", "count"), [(0, 2), (1, 1)])
def test_every_version_keeps_16_kib_of_labels_and_a_platform(more: int, count: int) -> None:
    title = len('"org.opencontainers.image.title":"mañana",'.encode())
    wide = described("2.0", letter="b", platform=Platform("linux", "arm", "v" * 20_000))
    wide["Platforms"] *= 2
    shown = document(wide, *(large(number, 16_384 - title + more) for number in range(300)))
    assert {len(version.get("Labels", ())) for version in shown["Versions"]} == {0, count}
    assert [len(version["Platforms"]) for version in shown["Versions"]] == [1] * 301


def test_the_document_of_an_image_is_filled_to_the_last_byte() -> None:
    def filled(padding: int) -> ImageDocument:
        return document(large(1, 2 * MEBIBYTE), large(2, MEBIBYTE + padding))

    padding = LARGEST_IMAGE_BYTES - sum(map(size_bytes, filled(0)["Versions"]))
    assert not any("Cut" in version for version in filled(padding)["Versions"])
    assert all("Cut" in version for version in filled(padding + 1)["Versions"])


# --- one image


def test_an_image_has_the_old_keys_in_the_old_order_first() -> None:
    version = tagged(describe_version(APP, digest("a"), OCI_MANIFEST, [image(labels=LABELS, author="x")]), ["1.0"])
    hub = HubDetails("text", NOON, 1, 2)
    described = describe_image(APP, [version], updated_at=NOON, webhook_url="https://x.example", hub=hub)
    new = ["Registry", "Repository", "Digest", "MediaType", "Platforms", "Source", "Base"]
    assert list(described) == [*OLD_IMAGE_KEYS, *new]


def test_an_image_without_a_version_has_nothing_on_top() -> None:
    assert document() == ImageDocument(
        LatestSHA="",
        UpdatedAt="2026-11-20T12:00:00Z",
        Versions=[],
        ImageName="owner/app",
        ImageURL="https://hub.docker.com/r/owner/app/",
        Registry="docker.io",
        Repository="owner/app",
    )


def test_what_is_unknown_is_left_out_on_top() -> None:
    shown = document(tagged(outline_version(APP, digest("a"), unread="x"), ["latest"]))
    assert {"DownloadSize", "LayerCount", "Labels", "Author", "Platforms", "LastUpdated"} & shown.keys() == set()


def test_what_is_unknown_is_zero_below() -> None:
    version = document(tagged(outline_version(APP, digest("a"), unread="x"), ["latest"]))["Versions"][0]
    assert (version["DownloadSize"], version["LayerCount"], version["Author"]) == (0, 0, "")


def test_the_current_version_is_on_top() -> None:
    old = described("1.0", letter="a", sizes=(1,), created=NOON)
    shown = document(old, described("latest", "2.0", letter="b", sizes=(2, 3)))
    fields = shown["LatestSHA"], shown["Id"], shown["LatestVersion"], shown["LayerCount"], shown["DownloadSize"]
    assert fields == ("b" * 64, "b" * 64, "2.0", 2, 5)


def test_the_labels_and_annotations_of_the_current_version_are_on_top() -> None:
    subject = image(labels={"a": "1"}, annotations={"b": "mañana"})
    shown = document(describe_version(APP, digest("a"), OCI_MANIFEST, [subject]))
    assert (shown["Labels"], shown["Annotations"]) == ({"a": "1"}, {"b": "mañana"})


def test_versions_are_listed_without_their_layers() -> None:
    subject = replace(image(sizes=(1,)), config=replace(config(), diff_ids=(digest("d"),)))
    version = describe_version(APP, digest("a"), OCI_MANIFEST, [subject])
    assert version.keys() - document(version)["Versions"][0].keys() == {"Layers", "DiffIDs", "ConfigDigest"}


def test_a_version_that_is_listed_stays_as_it_was() -> None:
    version = described("1.0")
    before = round_trip(version)
    document(version)
    assert version == before


def test_versions_are_listed_with_the_newest_first() -> None:
    whole_second, a_little_later = CREATED.replace(microsecond=0), CREATED.replace(microsecond=363853)
    moments = {"a": None, "b": CREATED, "c": whole_second, "d": a_little_later, "e": NOON}
    versions = [described(letter, letter=letter, created=created) for letter, created in moments.items()]
    assert [version["SHA"][0] for version in document(*versions)["Versions"]] == ["e", "d", "b", "c", "a"]


def test_versions_that_are_equally_old_are_listed_as_releases_are() -> None:
    tags = ["1.10.0", "1 1.9 1.9.1", "1.9.0", "1.9.0-rc1", "main"]
    versions = [described(*each.split(), letter=letter) for each, letter in zip(tags, "abcde", strict=True)]
    assert [" ".join(tags_of(version)) for version in document(*versions)["Versions"]] == tags


def test_the_order_of_versions_does_not_depend_on_how_they_came() -> None:
    versions = [described(letter, letter=letter) for letter in "abc"]
    assert document(*versions) == document(*reversed(versions))


@pytest.mark.parametrize(
    ("versions", "current"),
    [
        ({"a": ("latest", CREATED), "b": ("2.0", NOON)}, "a"),
        ({"a": ("latest", None), "b": ("2.0", NOON)}, "a"),
        ({"a": ("1.0 latest", CREATED), "b": ("2.0", NOON)}, "a"),
        ({"a": ("1.0", NOON), "b": ("2.0", CREATED)}, "b"),
        ({"a": ("1.0", CREATED), "b": ("2.0", None)}, "b"),
        ({"a": ("1.9", NOON), "b": ("1.10", None), "c": ("1.2", NOON)}, "b"),
        ({"a": ("v1.9", NOON), "b": ("v1.10", None)}, "b"),
        ({"a": ("release-1.0.9", NOON), "b": ("release-1.0.10", CREATED), "c": ("main", NOON)}, "b"),
        ({"a": ("build-9", NOON), "b": ("build-10", CREATED)}, "b"),
        ({"a": ("1.0", CREATED), "b": ("2.0-rc1", NOON), "c": ("2.0-beta", NOON), "d": ("3.0.0a1", NOON)}, "a"),
        ({"a": ("1.0-alpine", NOON), "b": ("1.0", CREATED), "c": ("1.0-slim", NOON)}, "b"),
        ({"a": ("1.0", CREATED), "b": ("debian-12", NOON)}, "a"),
        ({"a": ("1.0", CREATED), "b": ("sha-1234567", NOON)}, "a"),
        ({"a": ("1.0", CREATED), "b": ("20261120", NOON)}, "a"),
        ({"a": ("1.0", CREATED), "b": ("main", NOON)}, "a"),
        ({"a": ("main", CREATED), "b": ("edge", NOON)}, "b"),
        ({"a": ("main", CREATED), "b": ("edge", None)}, "a"),
        ({"a": ("1.0-rc1", CREATED), "b": ("main", NOON)}, "b"),
        ({"a": ("sha-7f3a2b1", CREATED), "b": ("sha-1234567", None)}, "a"),
        ({"a": ("pr-12", CREATED), "b": ("main", None)}, "a"),
        ({"a": ("v1.0", CREATED), "b": ("1.0", NOON)}, "b"),
        ({"a": ("main", None), "b": ("edge", None)}, "b"),
    ],
    ids=range(22),
)
@pytest.mark.parametrize("backwards", [False, True])
def test_the_current_version_is_latest_else_the_highest_release_else_the_newest(
    versions: dict[str, tuple[str, datetime | None]], current: str, backwards: bool
) -> None:
    found = [described(*tags.split(), letter=letter, created=time) for letter, (tags, time) in versions.items()]
    shown = document(*(reversed(found) if backwards else found))
    assert shown["LatestSHA"][0] == current
    assert badges_of(shown, None) == badges_of(shown, versions[current][0].split()[0]) | {
        "version": badges_of(shown, None)["version"]
    }


@pytest.mark.parametrize(
    ("first_seen", "current"),
    [
        ({"a": "03Z", "b": "02Z", "c": "01Z"}, "a"),
        ({"a": "01Z", "b": "03.5Z", "c": "03Z"}, "b"),
        ({"a": "01Z"}, "a"),
        ({}, "c"),
    ],
)
def test_of_versions_of_unknown_age_the_current_one_was_first_seen_last(
    first_seen: dict[str, str], current: str
) -> None:
    versions = [described(f"tag-{letter}", letter=letter, created=None) for letter in "abc"]
    for version in versions:
        if (second := first_seen.get(version["SHA"][0])):
            version["FirstSeen"] = f"2026-11-24T12:00:{second}"
    shown = describe_image(APP, versions, updated_at=NOON)
    found = current_version(shown["Versions"])
    assert (shown["LatestSHA"][0], found and found["SHA"][0]) == (current, current)


def test_a_creation_says_more_than_what_was_seen_last() -> None:
    versions = described("main", letter="a", created=NOON), described("edge", letter="b", created=CREATED)
    versions[1]["FirstSeen"] = "2026-11-24T12:00:00Z"
    shown = describe_image(APP, versions, updated_at=NOON)
    assert shown["LatestSHA"][0] == "a"


def test_a_placeholder_in_an_older_document_makes_no_version_the_newest() -> None:
    old = described("main", letter="b", created=None)
    old["Created"] = "1970-01-01T00:00:00Z"
    shown = document(old, described("edge", letter="a", created=CREATED))
    assert (shown["LatestSHA"][0], shown["LastUpdated"]) == ("a", "2018-12-14T08:47:51.363852Z")


@pytest.mark.parametrize("count", [0, 130])
def test_an_image_says_how_many_tags_its_registry_has(count: int) -> None:
    assert describe_image(APP, [], updated_at=NOON, tag_count=count)["TagCount"] == count


def test_the_version_on_top_is_named_as_the_releases_of_its_image_are() -> None:
    versions = described("build-9", "a-long-branch", letter="a"), described("build-8", letter="b", created=None)
    assert document(*versions)["LatestVersion"] == "build-9"


def test_there_is_no_current_version_where_there_is_none() -> None:
    assert current_version([]) is None


def test_docker_hub_fills_its_fields() -> None:
    shown = document(described("1.0"), hub=HubDetails("mañana", NOON, 0, 7))
    fields = shown["Description"], shown["LastUpdated"], shown["PullCount"], shown["StarCount"]
    assert fields == ("mañana", "2026-11-20T12:00:00Z", 0, 7)


def test_fields_docker_hub_does_not_know_are_left_out() -> None:
    assert {"Description", "PullCount", "StarCount"} & document(described("1.0")).keys() == set()


def test_without_docker_hub_the_last_update_is_the_newest_creation() -> None:
    versions = [described(letter, letter=letter, created=moment) for letter, moment in {
        "a": CREATED.replace(microsecond=0), "b": CREATED, "c": None,
    }.items()]  # fmt: skip
    assert document(*versions)["LastUpdated"] == "2018-12-14T08:47:51.363852Z"


@pytest.mark.parametrize("hub", [HubDetails("mañana", NOON, 0, 7), HubDetails(None, None, 5, None), HubDetails()])
def test_details_of_docker_hub_are_read_back(hub: HubDetails) -> None:
    assert hub_details(document(hub=hub)) == hub


def test_what_labels_say_is_not_kept_as_if_docker_hub_had_said_it() -> None:
    shown = document(described("1.0", labels={"org.opencontainers.image.description": "of this version"}))

    assert shown["Description"] == "of this version"
    assert hub_details(shown) == HubDetails()


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("alpine", "https://hub.docker.com/r/library/alpine/"),
        ("owner/app", "https://hub.docker.com/r/owner/app/"),
        ("quay.io/a/b/c", "https://quay.io/repository/a/b/c"),
        ("ghcr.io/a/b", "https://ghcr.io/a/b"),
        ("localhost:5000/web", None),
    ],
)
def test_an_image_has_a_page_where_its_registry_has_one(name: str, url: str | None) -> None:
    assert describe_image(Repository.parse(name), [], updated_at=NOON).get("ImageURL") == url


# --- the document of a tag


def test_the_document_of_a_tag_has_its_version_on_top() -> None:
    versions = described("1.0", letter="a", sizes=(1,), labels=LABELS), described("latest", letter="b", author="x")
    shown = shown_at(document(*versions), "1.0")
    assert shown is not None
    assert (shown["Id"], shown["DownloadSize"], shown["Labels"], shown["LatestVersion"]) == ("a" * 64, 1, LABELS, "1.0")


def test_the_document_of_a_tag_has_nothing_of_another_version_on_top() -> None:
    versions = described("1.0", letter="a"), described("latest", letter="b", author="x", labels=LABELS)
    shown = shown_at(document(*versions), "1.0")
    assert shown is not None
    assert {"Author", "Labels", "Source", "Base"} & shown.keys() == set()


def test_the_document_of_a_tag_is_otherwise_that_of_the_image() -> None:
    whole = document(described("1.0", letter="a"), described("latest", letter="b"))
    shown = shown_at(whole, "1.0")
    assert shown is not None
    assert (shown["LatestSHA"], shown["Versions"]) == ("b" * 64, whole["Versions"])


def test_the_document_of_the_current_tag_is_that_of_the_image() -> None:
    whole = document(described("1.0", letter="a"), described("latest", letter="b"))
    assert shown_at(whole, "latest") == whole


def test_the_document_of_a_tag_leaves_that_of_the_image_as_it_was() -> None:
    image = document(described("1.0"), described("latest", letter="b"))
    before = round_trip(image)
    assert shown_at(image, "1.0") != image
    assert image == before


@pytest.mark.parametrize("tag", ["mañana", "", "2.0", "LATEST"])
def test_there_is_no_document_of_an_unknown_tag(tag: str) -> None:
    assert shown_at(document(described("latest")), tag) is None


@given(st.dictionaries(st.text(), st.text(), max_size=4), st.text(), st.text())
def test_whatever_labels_say_a_document_can_be_read_back(labels: dict[str, str], value: str, author: str) -> None:
    known = dict.fromkeys(LABELS, value)
    whole = document(described("latest", labels=labels | known, annotations=labels, author=author))
    assert round_trip(whole) == whole


@given(st.text())
def test_whatever_a_history_says_a_version_can_be_read_back(created_by: str) -> None:
    version = described("latest", history=(step(created_by), step(created_by, empty_layer=True)))
    assert round_trip(version) == version


def test_a_version_has_the_config_of_its_main_platform_and_each_platform_has_its_own() -> None:
    arm = replace(image("b", platform=ARM64), config=replace(config(ARM64), parameters={"User": "arm"}))
    amd = replace(image("c"), config=replace(config(), parameters={"User": "amd"}))
    version = describe_version(APP, digest("a"), OCI_INDEX, [arm, amd])

    assert (version["Config"], version["ConfigDigest"]) == ({"User": "amd"}, digest("c"))
    assert [platform["Config"] for platform in version["Platforms"]] == [{"User": "arm"}, {"User": "amd"}]


def test_a_large_config_of_a_platform_is_left_out_beside_that_of_the_version() -> None:
    large = replace(image("c"), config=replace(config(), parameters={"Env": ["A=" + "x" * 5000]}))
    version = describe_version(APP, digest("a"), OCI_INDEX, [large, image("b", platform=ARM64)])

    assert "Config" in version
    assert "Config" not in version["Platforms"][0]


def test_a_config_that_says_nothing_is_not_one_that_is_unknown() -> None:
    known = replace(image(), config=replace(config(), parameters={}))

    assert describe_version(APP, digest("a"), OCI_MANIFEST, [known])["Config"] == {}
    assert "Config" not in describe_version(APP, digest("a"), OCI_MANIFEST, [image()])


def with_parameters(parameters: ConfigDocument) -> VersionDocument:
    subject = replace(image(), config=replace(config(), parameters=parameters))
    return tagged(describe_version(APP, digest("a"), OCI_MANIFEST, [subject]), ["latest"])


@pytest.mark.parametrize("parameters", [{}, {"User": "app", "Env": ["A=mañana"]}])
def test_an_image_has_the_config_of_each_version_and_that_of_the_current_one_on_top(parameters: ConfigDocument) -> None:
    shown = document(with_parameters(parameters))

    assert shown["Config"] == shown["Versions"][0]["Config"] == parameters


def test_a_large_config_is_brief_in_the_document_of_its_image_and_whole_in_that_of_its_version() -> None:
    whole = with_parameters({"User": "app", "Env": ["A=" + "x" * 5000]})
    shown = document(whole)

    assert shown["Config"] == shown["Versions"][0]["Config"] == {"User": "app"}
    assert with_details_of(whole, shown["Versions"][0]) == whole
    assert list(with_details_of(whole, shown["Versions"][0])) == list(whole)


def test_a_config_that_is_unknown_is_not_in_the_document_of_its_image() -> None:
    shown = document(described("latest"), with_parameters({"User": "x" * 5000}))

    assert "Config" not in shown
    assert not any("Config" in version for version in shown["Versions"])
