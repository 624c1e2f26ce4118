"""The platforms of a version: which is the main one, what each document has, and what is missing where a part is."""

from collections.abc import Mapping
from typing import Any

import pytest

from microbadger.image.configs import Config, parse_config
from microbadger.image.describe import describe_version, has_unread_part, outline_version
from microbadger.image.descriptors import Descriptor, Platform
from microbadger.image.documents import PlatformDocument, VersionDocument
from microbadger.image.manifest import OCI_INDEX, OCI_MANIFEST, Manifest
from microbadger.image.platforms import PlatformImage, command_of, distinct, main_platform
from microbadger.image.reference import Repository
from tests.fakes.registry import OCI_LAYER, to_json

APP = Repository.parse("owner/app")
AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")
WINDOWS, UNKNOWN = Platform("windows", "amd64", None, "10.0"), Platform("unknown", "unknown")
CREATED = "2026-11-20T10:00:00Z"


def digest(letter: str) -> str:
    return f"sha256:{letter * 64}"


def config(platform: Platform = UNKNOWN, labels: Mapping[str, str] | None = None, **fields: Any) -> Config:
    names = {"os": platform.os, "architecture": platform.architecture, "os.version": platform.os_version}
    return parse_config(to_json({**names, "config": {"Labels": labels or {}}, **fields}))


def manifest(*sizes: int, annotations: Mapping[str, str] | None = None) -> Manifest:
    layers = tuple(Descriptor(OCI_LAYER, digest(str(size)), size) for size in sizes)
    return Manifest(OCI_MANIFEST, Descriptor("", digest("c"), 2), layers, annotations or {})


def whole(entry: Platform | None = AMD64, *sizes: int, letter: str = "a", **fields: Any) -> PlatformImage:
    return PlatformImage(digest(letter), entry, manifest(*(sizes or (1,))), config(**fields))


def without_config(platform: Platform | None = AMD64, *sizes: int, letter: str = "b") -> PlatformImage:
    return PlatformImage(digest(letter), platform, manifest(*sizes), None, unread="the config is gone")


def unread(platform: Platform | None = AMD64, letter: str = "d") -> PlatformImage:
    return PlatformImage(digest(letter), platform, None, None, unread="the manifest is gone")


def version(*images: PlatformImage, index: Mapping[str, str] | None = None) -> VersionDocument:
    return describe_version(APP, digest("e"), OCI_INDEX, images, index)


def names(*images: PlatformImage) -> list[tuple[str | None, ...]]:
    fields = ("OS", "Architecture", "Variant", "OSVersion")
    return [tuple(platform.get(field) for field in fields) for platform in version(*images)["Platforms"]]  # type: ignore[misc]


# --- commands

COMMANDS = [
    ("RUN /bin/sh -c echo mañana # buildkit", "RUN echo mañana"),
    ("", ""),
    ("/bin/sh -c #(nop)  CMD [\"sh\"]", 'CMD ["sh"]'),
    ("/bin/sh -c #(nop) ADD file:1a2b in / ", "ADD file:1a2b in /"),
    ("/bin/sh -c apk add --no-cache curl", "RUN apk add --no-cache curl"),
    ("|1 VERSION=1.0 /bin/sh -c make", "RUN make"),
    ("RUN |1 VERSION=1.0 /bin/sh -c make # buildkit", "RUN make"),
    ("RUN /bin/sh -c make # buildkit", "RUN make"),
    ("RUN make", "RUN make"),
    ("COPY /app /app # buildkit", "COPY /app /app"),
    ("COPY file:1a2b in / ", "COPY file:1a2b in /"),
    ('CMD ["/bin/sh" "-c" "make"]', 'CMD ["/bin/sh" "-c" "make"]'),
    ("ENTRYPOINT /bin/sh -c make", "ENTRYPOINT /bin/sh -c make"),
    ("cmd /S /C #(nop)  ENTRYPOINT [\"app.exe\"]", 'ENTRYPOINT ["app.exe"]'),
    ("bazel build ...", "bazel build ..."),
    ("/bin/sh -c ", "/bin/sh -c"),
    ("/bin/sh -c #(nop)  CMD [\"#(nop)\"]", 'CMD ["#(nop)"]'),
    ("/bin/sh -c   make  x", "RUN make  x"),
    ("/bin/sh -c sh -c '/bin/sh -c make'", "RUN sh -c '/bin/sh -c make'"),
]  # fmt: skip


@pytest.mark.parametrize(("created_by", "command"), COMMANDS)
def test_a_command_is_written_as_in_the_dockerfile(created_by: str, command: str) -> None:
    assert command_of(created_by) == command


# --- the main platform


@pytest.mark.parametrize(
    ("platforms", "main"),
    [
        ([AMD64], AMD64),
        ([Platform("linux", "amd64", "v3"), AMD64], AMD64),
        ([ARM64, Platform("linux", "amd64", "v3")], Platform("linux", "amd64", "v3")),
        ([Platform("linux", "amd64", "v2"), Platform("linux", "amd64", "v1")], Platform("linux", "amd64", "v1")),
        ([Platform("linux", "arm64", "v8"), Platform("windows", "amd64")], Platform("linux", "arm64", "v8")),
        ([ARM64, AMD64], AMD64),
        ([ARM64, Platform("windows", "amd64")], ARM64),
        ([Platform("windows", "amd64"), ARM64, AMD64], AMD64),
        ([UNKNOWN], UNKNOWN),
        ([UNKNOWN, ARM64], ARM64),
    ],
)
def test_the_main_platform_is_linux_amd64_else_the_first(platforms: list[Platform], main: Platform) -> None:
    assert main_platform([whole(platform) for platform in platforms]).platform == main


@pytest.mark.parametrize(
    ("images", "main"),
    [
        ([without_config(AMD64, 5), whole(ARM64)], ARM64),
        ([unread(AMD64), whole(ARM64)], ARM64),
        ([whole(ARM64), without_config(AMD64, 5)], ARM64),
        ([unread(ARM64), whole(AMD64)], AMD64),
        ([without_config(ARM64, 5), without_config(AMD64, 5)], AMD64),
        ([without_config(ARM64, 5), unread(AMD64)], ARM64),
        ([unread(ARM64), unread(AMD64)], AMD64),
    ],
    ids=range(7),
)
def test_the_main_platform_is_one_of_those_that_were_read_best(images: list[PlatformImage], main: Platform) -> None:
    assert main_platform(images).platform == main


# --- platforms belong to entries


def test_one_manifest_for_three_platforms_is_three_platforms() -> None:
    arm = Platform("linux", "arm")
    entries = [whole(AMD64), whole(arm), whole(Platform("linux", "arm", "v7"))]
    assert names(*entries) == [
        ("linux", "amd64", None, None), ("linux", "arm", None, None), ("linux", "arm", "v7", None),
    ]  # fmt: skip


def test_an_entry_that_is_there_twice_is_one_platform() -> None:
    first, arm, again, other = whole(AMD64), whole(ARM64), whole(AMD64), whole(AMD64, letter="b")
    assert distinct([first, arm, again, other]) == [first, arm, other]


def test_two_broken_entries_without_a_digest_are_both_reported() -> None:
    broken = [PlatformImage("", None, None, None, unread=reason) for reason in ("one", "another", "one")]
    assert [platform["Unread"] for platform in version(*broken)["Platforms"]] == ["one", "another"]


def test_windows_platforms_differ_in_their_version() -> None:
    entries = [whole(Platform("windows", "amd64", None, version)) for version in ("10.0.17763.1", "10.0.20348.2762")]
    assert names(*entries) == [
        ("windows", "amd64", None, "10.0.17763.1"), ("windows", "amd64", None, "10.0.20348.2762"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("entry", "of_config", "expected"),
    [
        (ARM64, AMD64, ("linux", "arm64", None, None)),
        (None, AMD64, ("linux", "amd64", None, None)),
        (UNKNOWN, AMD64, ("linux", "amd64", None, None)),
        (Platform("linux", "unknown"), AMD64, ("linux", "amd64", None, None)),
        (Platform("unknown", "amd64", "v2"), AMD64, ("linux", "amd64", "v2", None)),
        (Platform("windows", "amd64"), WINDOWS, ("windows", "amd64", None, "10.0")),
        (Platform("windows", "amd64", None, "9"), WINDOWS, ("windows", "amd64", None, "9")),
        (Platform("linux", "amd64"), WINDOWS, ("linux", "amd64", None, None)),
        (None, UNKNOWN, (None, None, None, None)),
        (UNKNOWN, UNKNOWN, (None, None, None, None)),
        (Platform("linux", "unknown"), UNKNOWN, ("linux", None, None, None)),
        (Platform("unknown", "arm", "v7"), UNKNOWN, (None, "arm", "v7", None)),
    ],
)
def test_the_config_adds_what_an_entry_does_not_say(
    entry: Platform | None, of_config: Platform, expected: tuple[str | None, ...]
) -> None:
    assert names(whole(entry, platform=of_config)) == [expected]


# --- parts that could not be read


def test_a_platform_that_could_not_be_read_hides_no_other() -> None:
    found = version(whole(AMD64, 5, 7), unread(Platform("linux", "arm", "v7", "1")))
    assert "Unread" not in found
    assert (found["DownloadSize"], found["LayerCount"]) == (12, 2)
    assert found["Platforms"][1] == PlatformDocument(
        OS="linux",
        OSVersion="1",
        Architecture="arm",
        Variant="v7",
        Digest=digest("d"),
        DownloadSize=0,
        LayerCount=0,
        Layers=[],
        Unread="the manifest is gone",
    )


def test_a_platform_without_its_config_has_its_size_and_layers() -> None:
    platform = version(whole(AMD64, 5), without_config(ARM64, 5, 7))["Platforms"][1]
    facts = platform["DownloadSize"], platform["LayerCount"], len(platform["Layers"]), platform["Unread"]
    assert facts == (12, 2, 2, "the config is gone")


def test_a_platform_says_what_was_cut_of_it() -> None:
    many = {str(number): "" for number in range(1002)}
    main, other = whole(AMD64, letter="a"), whole(ARM64, letter="b", labels=many)
    why = "2 of 1002 {} are left out: there are too many, or they are too large"
    assert version(main, other)["Platforms"][1]["Cut"] == [why.format("labels")]
    cut = [platform.get("Cut") for platform in version(main, other, index=many)["Platforms"]]
    assert cut[1] == [why.format("labels"), why.format("annotations")]


@pytest.mark.parametrize(
    ("images", "reason", "size"),
    [
        ([whole(AMD64, 9)], None, 9),
        ([whole(AMD64, 9), unread(ARM64)], None, 9),
        ([unread(AMD64), whole(ARM64, 9)], None, 9),
        ([without_config(AMD64, 7), whole(ARM64, 9)], None, 9),
        ([unread(AMD64), without_config(ARM64, 7), whole(Platform("linux", "386"), 9)], None, 9),
        ([without_config(AMD64, 7)], "the config is gone", 7),
        ([without_config(ARM64, 7), unread(AMD64)], "the config is gone", 7),
        ([unread(AMD64), unread(ARM64)], "the manifest is gone", 0),
        ([unread(None)], "the manifest is gone", 0),
        ([PlatformImage("", None, None, None)], "it could not be read", 0),
    ],
    ids=range(10),
)
def test_a_version_is_unread_if_no_platform_was_read_whole(
    images: list[PlatformImage], reason: str | None, size: int
) -> None:
    found = version(*images)
    assert (found.get("Unread"), found["DownloadSize"], len(found["Platforms"])) == (reason, size, len(images))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (version(whole()), False),
        (version(whole(), whole(ARM64)), False),
        (version(whole(), unread(ARM64)), True),
        (version(whole(), without_config(ARM64, 1)), True),
        (version(unread()), True),
        (outline_version(APP, digest("a"), unread="x"), True),
        (outline_version(APP, digest("a"), unsupported="x"), False),
    ],
    ids=range(7),
)
def test_it_knows_whether_a_part_is_unread(found: VersionDocument, expected: bool) -> None:
    assert has_unread_part(found) is expected


def test_a_layer_that_is_there_twice_counts_once_in_the_size_and_twice_in_the_layers() -> None:
    found = version(whole(AMD64, 7, 5, 7))
    assert (found["DownloadSize"], found["LayerCount"], found["Platforms"][0]["DownloadSize"]) == (12, 3, 12)


# --- annotations and times of each level

KEY = "org.opencontainers.image.revision"


@pytest.mark.parametrize(
    ("index", "entry", "manifest_", "label", "commit"),
    [
        ("index", "entry", "manifest", "label", "index"),
        ("", "entry", "manifest", "label", "entry"),
        ("NOASSERTION", " ", "manifest", "label", "manifest"),
        ("", "NOASSERTION", "", "label", "label"),
        ("", "", "", "", None),
    ],
)
@pytest.mark.parametrize("count", [1, 2])
def test_annotations_of_an_entry_stand_between_those_of_index_and_manifest(
    count: int, index: str, entry: str, manifest_: str, label: str, commit: str | None
) -> None:
    labels = {KEY: label, "org.opencontainers.image.source": "https://github.com/owner/app"}
    layers = manifest(1, annotations={KEY: manifest_})
    first = PlatformImage(digest("a"), AMD64, layers, config(labels=labels), {KEY: entry})
    found = version(first, *[whole(ARM64)] * (count - 1), index={KEY: index})
    assert ("VersionControl" in found and found["VersionControl"]["Commit"]) == (commit or False)
    if count == 2:
        assert found["Platforms"][0]["Annotations"] == found["Annotations"]


def test_each_platform_has_its_own_annotations() -> None:
    images = [PlatformImage(digest(name), platform, manifest(1), config(), {KEY: name}) for name, platform in (
        ("a", AMD64), ("b", ARM64),
    )]  # fmt: skip
    found = version(*images, index={"of": "index"})
    assert [platform["Annotations"] for platform in found["Platforms"]] == [
        {KEY: "a", "of": "index"}, {KEY: "b", "of": "index"},
    ]  # fmt: skip


OCI, OLD, EPOCH = "org.opencontainers.image.created", "org.label-schema.build-date", "1970-01-01T00:00:00Z"


@pytest.mark.parametrize("placeholder", [EPOCH, "0001-01-01T00:00:00Z", "2013-03-19T00:00:00Z", "mañana", None])
@pytest.mark.parametrize(
    ("index", "entry", "annotation", "labels", "created"),
    [
        (CREATED, EPOCH, EPOCH, {OCI: EPOCH}, CREATED),
        (EPOCH, CREATED, EPOCH, {OCI: EPOCH}, CREATED),
        (EPOCH, EPOCH, CREATED, {OCI: EPOCH}, CREATED),
        (EPOCH, EPOCH, EPOCH, {OCI: CREATED}, CREATED),
        (EPOCH, EPOCH, EPOCH, {OCI: EPOCH, OLD: CREATED}, CREATED),
        (EPOCH, EPOCH, EPOCH, {OLD: EPOCH}, None),
        (CREATED, "2025-01-01", "2024-01-01", {}, CREATED),
    ],
    ids=range(7),
)
def test_where_the_config_has_a_placeholder_an_annotation_or_a_label_says_when(
    placeholder: str | None, index: str, entry: str, annotation: str, labels: dict[str, str], created: str | None
) -> None:
    settings = config(labels=labels, created=placeholder)
    image = PlatformImage(digest("a"), AMD64, manifest(1, annotations={OCI: annotation}), settings, {OCI: entry})
    found = version(image, index={OCI: index})
    assert (found.get("Created"), found["Platforms"][0].get("Created")) == (created, created)


def test_the_config_says_first_when_an_image_was_created() -> None:
    found = version(whole(created=CREATED, labels={OCI: "2025-01-01"}), index={OCI: "2024-01-01"})
    assert found.get("Created") == CREATED
