"""What pages and files say of an image of which a part could not be read, or is not known."""

import json
from typing import Any

import pytest

from microbadger.image.documents import ImageDocument, PlatformDocument, VersionDocument
from microbadger.image.history import begin_history
from microbadger.site.image_files import ImageFiles
from microbadger.site.image_page import image_page, tag_count_text, unread_parts
from microbadger.site.layer_rows import layer_rows
from microbadger.site.options import SiteOptions
from microbadger.site.paths import ImagePaths
from microbadger.site.templating import media_words
from tests.site.images import image_of, layer, version
from tests.site.page import Page

SITE = SiteOptions("https://badges.example.org")
DENIED = "registry.example.org answered 403."
HOSTILE = "<script>alert(1)</script>\u202e"
OCI, DOCKER = "application/vnd.oci.image.layer", "application/vnd.docker.image.rootfs"


def platform(name: str = "linux/amd64", **fields: Any) -> PlatformDocument:
    named = dict(zip(("OS", "Architecture", "Variant"), filter(None, name.split("/")), strict=False))
    return {"Digest": f"sha256:{'a' * 64}", "DownloadSize": 2048, "LayerCount": 1, **named, **fields}  # type: ignore[typeddict-item]


def unread_platform(name: str, reason: str = DENIED) -> PlatformDocument:
    return platform(name, DownloadSize=0, LayerCount=0, Unread=reason)


def unasked(*tags: str, reason: str = DENIED) -> VersionDocument:
    """Return the version that stands for tags whose digest is unknown."""
    nothing = {"SHA": "", "Digest": "", "MediaType": "", "Platforms": [], "Layers": [], "DownloadSize": 0}
    unread = version(*tags, **nothing, LayerCount=0, Unread=reason)
    return {key: value for key, value in unread.items() if key != "Created"}  # type: ignore[return-value]


def page_of(shown: VersionDocument, *others: VersionDocument, tag: str | None = None, tag_count: int = 0) -> Page:
    image = image_of(shown, *others)
    if tag_count:
        image["TagCount"] = tag_count
    return Page(image_page(image, tag=tag, version=shown, changes=[], site=SITE))


def files_of(image: ImageDocument, *, is_static: bool) -> ImageFiles:
    def stored(sha: str) -> VersionDocument | None:
        return next(each for each in image["Versions"] if sha and each["SHA"] == sha)

    changes: Any = {"ImageName": "example/web", "Changes": []}
    return ImageFiles(
        image=image,
        changes=changes,
        history=lambda: begin_history(image),
        version=stored,
        site=SiteOptions(SITE.base_url, is_static),
    )


# Platforms


@pytest.mark.parametrize(
    ("platforms", "shown"),
    [
        ([platform("windows/amd64", OSVersion="10.0.20348.2762")], "windows/amd64 10.0.20348.2762"),
        (
            [platform("windows/amd64", OSVersion=number) for number in ("10.0.17763.1", "10.0.20348.2")],
            "2 windows/amd64 10.0.17763.1, amd64 10.0.20348.2",
        ),
        ([platform("linux/arm/v7", OSVersion="6")], "linux/arm/v7 6"),
        ([platform("")], "unknown"),
        ([platform(""), platform("linux/arm64")], "2 unknown, linux/arm64"),
        ([platform("linux")], "linux"),
        ([], "unknown"),
    ],
)
def test_a_page_names_each_platform_by_what_is_known_of_it(platforms: list[PlatformDocument], shown: str) -> None:
    assert f"Platforms {shown} Created" in page_of(version("1.0", Platforms=platforms)).words


def test_a_choice_of_platforms_tells_versions_of_windows_apart() -> None:
    numbers = ("10.0.17763.1", "10.0.20348.2")
    page = page_of(version("1.0", Platforms=[platform("windows/amd64", OSVersion=number) for number in numbers]))
    for number in numbers:
        assert f"\nwindows/amd64 {number}\n" in page.text


def test_a_page_says_which_platforms_could_not_be_read_and_why() -> None:
    names = ("linux/arm64", "linux/arm/v7", "windows/amd64")
    unread = [unread_platform(name, reason) for name, reason in zip(names, [DENIED, DENIED, HOSTILE], strict=True)]
    page = page_of(version("1.0", Platforms=[platform(), *unread]))
    assert f"linux/arm64, arm/v7 : {DENIED} windows/amd64 : <script>alert(1)</script>\\u{{202e}}" in page.words
    assert "2.0 KiB in 1 layer for linux/amd64" in page.words
    assert "linux/amd64, arm64, arm/v7, windows/amd64 (3 not read)" in page.words
    assert len(page.all("script")) == 3


def test_a_page_of_an_image_that_was_read_whole_does_not_speak_of_it() -> None:
    page = page_of(version("1.0", Platforms=[platform(), platform("linux/arm64")]))
    assert "not read" not in page.words
    assert "could not" not in page.words


def test_what_is_said_of_a_version_is_not_repeated_for_its_platforms() -> None:
    platforms = [unread_platform("linux/amd64"), unread_platform("linux/arm64", "it is too large")]
    parts = unread_parts(version("1.0", Platforms=platforms, Unread=DENIED))
    assert [(part.platforms, part.reason) for part in parts] == [([platforms[1]], "it is too large")]


# What is left out because it is too large

LABELS = "5 of 7 labels are left out: there are too many, or they are too large"
COMMANDS = "2 of 9 commands are left out"


def test_a_page_says_what_is_left_out_of_the_image_and_of_its_platforms() -> None:
    cut = [platform(name, Cut=[COMMANDS]) for name in ("linux/arm64", "linux/s390x")]
    platforms = [platform(Cut=[LABELS]), *cut]
    page = page_of(version("1.0", Platforms=platforms, Cut=[LABELS]))
    assert f"too large to show in full: {LABELS} linux/arm64, s390x : {COMMANDS} Version" in page.words


def test_a_page_shows_what_is_left_out_as_text() -> None:
    page = page_of(version("1.0", Platforms=[platform()], Cut=[HOSTILE]))
    assert "<script>alert(1)</script>\\u{202e}" in page.words
    assert len(page.all("script")) == 3


def test_a_page_of_an_image_that_is_shown_whole_does_not_speak_of_its_size() -> None:
    assert "too large" not in page_of(version("1.0", Platforms=[platform()])).words


# Versions


def test_an_unread_version_shows_what_is_known_of_it() -> None:
    odd = version("1.0", Platforms=[platform(Unread=DENIED)], Unread=DENIED, LayerCount=3, DownloadSize=4096)
    page = page_of(odd)
    assert "Download size 4.0 KiB Layers 3 Platforms linux/amd64 Created" in page.words
    assert "4.0 KiB in 3 layers for linux/amd64" not in page.words  # that is not the platform's
    assert page.text.count(DENIED) == 2


@pytest.mark.parametrize(
    ("field", "facts"),
    [
        ("Unread", "Download size unknown Layers unknown Platforms unknown Created"),
        ("Unsupported", "Download size unknown Created"),
    ],
)
def test_an_unread_version_of_which_nothing_is_known_says_unknown(field: str, facts: str) -> None:
    odd = version("1.0", Platforms=[], Layers=[], LayerCount=0, DownloadSize=0, **{field: HOSTILE})
    page = page_of(odd)
    assert facts in page.words
    assert ("Not read." in page.words) is (field == "Unread")
    assert page.words.count("<script>alert(1)</script>\\u{202e}") == 2


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"Created": "2026-11-20T10:00:00Z"}, "20 November 2026"),
        ({"Created": "2013-03-20T00:00:00Z"}, "20 March 2013"),
        ({"Created": "1970-01-01T00:00:00Z"}, "unknown"),
        ({"Created": "0001-01-01T00:00:00Z"}, "unknown"),
        ({"Created": "1980-01-01T00:00:01Z"}, "unknown"),
        ({"Created": "2013-03-19T23:59:59.999Z"}, "unknown"),
    ],
)
def test_a_creation_is_a_date_or_unknown(fields: dict[str, str], shown: str) -> None:
    page = page_of(version("1.0", **fields))
    assert f"Created {shown} Updated" in page.words
    assert f"Page of 1.0 {shown} 2.0 KiB" in page.words


def test_a_creation_that_is_missing_is_unknown() -> None:
    odd = version("1.0")
    del odd["Created"]
    assert "Created unknown Updated" in page_of(odd).words


# Tags whose digest is unknown


def test_tags_that_could_not_be_asked_are_listed_with_the_reason_and_without_a_link() -> None:
    page = page_of(version("2.0", "latest"), unasked("1.0", "1"), unasked("0.9", reason=HOSTILE))
    assert f"Pages of 1.0 , 1 {DENIED} 0.9 Pull" in page.words
    assert "Page of 0.9 <script>alert(1)</script>\\u{202e}" in page.words
    assert page.words.partition("Versions Filter")[2].count("current ") == 1
    assert len([url for url in page.values("href") if "/version/" in url]) == 1


@pytest.mark.parametrize("tag", [None, "1.0"])
def test_a_page_about_such_a_tag_says_why_it_has_nothing_else(tag: str | None) -> None:
    page = page_of(unasked("1.0"), tag=tag)
    assert page.text.count(DENIED) == (1 if tag else 2)
    assert "docker pull example/web:1.0" in page.text
    assert "Digest" not in page.words
    assert "data-version" not in [name for section in page.all("section") for name in section]
    assert [url for url in page.values("href") if "/version/" in url] == []
    assert "current" not in page.words.partition("Versions Tags")[2]


@pytest.mark.parametrize("is_static", [False, True])
@pytest.mark.parametrize("tags", [("1.0",), ("1.0", "latest")])
def test_such_a_version_has_no_file_of_its_own(is_static: bool, tags: tuple[str, ...]) -> None:
    image = image_of(version("2.0"), unasked(*tags), unasked("0.9"))
    files = files_of(image, is_static=is_static)
    assert [path.rpartition("/")[2] for path in files.all() if path.startswith("v1/") and "/version/" in path] == [
        f"{each['SHA']}.json" for each in image["Versions"] if each["SHA"]
    ]
    assert files.maker_of("v1/images/example/web/version/.json") is None


def test_such_a_tag_has_a_page_and_badges_that_say_unknown() -> None:
    files = files_of(image_of(version("2.0"), unasked("1.0")), is_static=True)
    made = {path: make() for path, make in files.all().items()}
    paths = ImagePaths("example/web")
    assert DENIED in made[paths.tag_page("1.0")].decode()
    messages = {
        badge_type: json.loads(made[paths.badge(badge_type, "1.0", "json")])["message"]
        for badge_type in ("image", "size", "layers", "platforms", "created", "commit", "license", "base")
    }
    assert messages == dict.fromkeys(messages, "unknown")


def test_no_path_is_made_of_an_empty_digest() -> None:
    with pytest.raises(ValueError, match="without a digest"):
        ImagePaths("example/web").version("")


# Tags that are not kept


@pytest.mark.parametrize(
    ("count", "text"), [(0, ""), (2, ""), (3, ""), (4, "3 of 4 tags shown"), (200_000, "3 of 200000 tags shown")]
)
def test_a_page_says_of_how_many_tags_it_shows_some(count: int, text: str) -> None:
    versions = [version("2.0", "latest"), version("1.0")]
    image = image_of(*versions)
    if count:
        image["TagCount"] = count
    assert tag_count_text(image) == text
    assert f"Versions {text}".strip() in page_of(*versions, tag_count=count).words


# Layers


@pytest.mark.parametrize(
    ("media_type", "words"),
    [
        ("", ""),
        ("application/octet-stream", ""),
        (f"{OCI}.v1.tar+gzip", ""),
        (f"{OCI}.v1.tar", "uncompressed"),
        (f"{OCI}.v1.tar+zstd", "zstd"),
        (f"{OCI}.v1.tar+encrypted", "uncompressed, encrypted"),
        (f"{OCI}.v1.tar+gzip+encrypted", "encrypted"),
        (f"{OCI}.v1.tar+zstd+encrypted", "zstd, encrypted"),
        (f"{OCI}.nondistributable.v1.tar", "foreign, uncompressed"),
        (f"{OCI}.nondistributable.v1.tar+gzip", "foreign"),
        (f"{OCI}.nondistributable.v1.tar+zstd", "foreign, zstd"),
        (f"{OCI}.nondistributable.v1.tar+gzip+encrypted", "foreign, encrypted"),
        (f"{DOCKER}.diff.tar.gzip", ""),
        (f"{DOCKER}.diff.tar", "uncompressed"),
        (f"{DOCKER}.diff.tar.zstd", "zstd"),
        (f"{DOCKER}.diff.tar.gzip+encrypted", "encrypted"),
        (f"{DOCKER}.foreign.diff.tar.gzip", "foreign"),
        (f"{DOCKER}.foreign.diff.tar", "foreign, uncompressed"),
        ("application/vnd.oci.image.layer.nydus.blob.v1", ""),
        (HOSTILE, ""),
    ],
)
def test_a_layer_says_in_a_word_how_it_is_not_as_most_are(media_type: str, words: str) -> None:
    assert media_words(media_type) == words
    assert next(layer_rows([{**layer("RUN make", 1), "MediaType": media_type}])).kind == words


def test_the_words_stand_beside_the_size_of_a_layer() -> None:
    layers = [{**layer("COPY web /", 2048), "MediaType": f"{OCI}.v1.tar+zstd+encrypted"}, layer("RUN make", 1024)]
    page = page_of(version("1.0", Layers=layers))
    assert "2.0 KiB zstd, encrypted 2.0 KiB so far 67% COPY web / 1.0 KiB 3.0 KiB so far 33% RUN make" in page.words


# Labels of the base image


def test_a_label_of_the_base_image_is_marked_and_fills_no_fact() -> None:
    labels = {
        "org.opencontainers.image.source": "https://github.com/debian/debian",
        "org.opencontainers.image.licenses": "GPL-2.0-only",
        "org.opencontainers.image.description": "ours",
        "io.debian.release": HOSTILE,
    }
    inherited = [key for key, text in labels.items() if text != "ours"]
    page = page_of(version("1.0", Labels=labels, InheritedLabels=inherited))
    assert page.words.count("from the base image") == 3
    assert "Description org.opencontainers.image.descriptionours" in page.words
    assert "Source org.opencontainers.image.source from the base image https://github.com/debian/debian" in page.words
    assert page.values("href").count("https://github.com/debian/debian") == 1  # in the table, not on top
    for key in inherited[:2]:
        assert f'{key}="' in page.words.partition("Labels to add")[2]
