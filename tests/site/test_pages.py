"""What pages say, read as a browser without a script reads them."""

import gzip
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.badges.svg import STYLES
from microbadger.badges.text import BADGE_TYPES
from microbadger.image.changes import ChangeDocument
from microbadger.image.describe import describe_image, tagged
from microbadger.image.documents import (
    ImageDocument,
    LayerDocument,
    PlatformDocument,
    RelativeDocument,
    TagDocument,
    VersionDocument,
)
from microbadger.image.labels import KNOWN_FIELDS
from microbadger.image.reference import Repository
from microbadger.site import pages
from microbadger.site.markup import FORMATS, badge_link
from microbadger.site.pages import home_page, image_page, layer_rows, not_found_page, platform_names, visible

ASSETS = Path(pages.__file__).parent / "assets"
BASE = "https://badges.example.org"
REPOSITORY = Repository.parse("example/web")
OCI = "org.opencontainers.image"
CHECKED_AT = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
SHAS = random.Random(6)

VOID = {"meta", "link", "img", "input", "br", "wbr", "rect"}


class Page(HTMLParser):
    """A page's elements, and its text with a line for each element."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page.decode())
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data if self.open and self.open[-1] in ("code", "bdi") else data.strip("\n") + "\n"

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for element, attributes in self.elements if element == name]

    def values(self, attribute: str) -> list[str]:
        return [attributes[attribute] or "" for _, attributes in self.elements if attribute in attributes]


def layer(command: str, size_bytes: int) -> LayerDocument:
    return LayerDocument(BlobSum="", Command=command, DownloadSize=size_bytes)


def version(*tags: str, **fields: Any) -> VersionDocument:
    sha = f"{SHAS.getrandbits(256):064x}"
    platform = PlatformDocument(
        OS="linux", Architecture="amd64", Digest=f"sha256:{sha}", DownloadSize=2048, LayerCount=1
    )
    document = {
        "SHA": sha,
        "Tags": [TagDocument(tag=tag) for tag in tags],
        "ImageName": "example/web",
        "Author": "",
        "LayerCount": 1,
        "DownloadSize": 2048,
        "Created": "2026-11-20T10:00:00Z",
        "Digest": f"sha256:{sha}",
        "MediaType": "application/vnd.oci.image.manifest.v1+json",
        "Platforms": [platform],
        "Layers": [layer("COPY web /", 2048)],
    }
    return {**document, **fields}  # type: ignore[typeddict-item]


def image_of(*versions: VersionDocument, webhook_url: str | None = None) -> ImageDocument:
    return describe_image(REPOSITORY, versions, updated_at=CHECKED_AT, webhook_url=webhook_url)


def page_of(
    current: VersionDocument,
    *others: VersionDocument,
    changes: Sequence[ChangeDocument] = (),
    base_url: str = BASE,
    webhook_url: str | None = None,
) -> Page:
    image = image_of(current, *others, webhook_url=webhook_url)
    return Page(image_page(image, current=current, changes=changes, base_url=base_url))


@pytest.mark.parametrize(
    "versions",
    [[], [version("1.0")], [version("1.0", Labels={"a": '<time id="checked">', "b": "</html>"}), version("2.0")]],
)
def test_a_page_that_was_checked_again_is_the_one_that_would_be_written(versions: list[VersionDocument]) -> None:
    last, now = (
        describe_image(REPOSITORY, versions, updated_at=CHECKED_AT + timedelta(days=days)) for days in (0, 40)
    )
    page = image_page(last, current=None, changes=[], base_url=BASE)
    assert pages.checked_again(page, now["UpdatedAt"]) == image_page(now, current=None, changes=[], base_url=BASE)


@pytest.mark.parametrize("damaged", [None, b"", b"<!DOCTYPE html><html>", b"garbage"])
def test_what_is_no_whole_page_has_to_be_written_anew(damaged: bytes | None) -> None:
    assert pages.checked_again(damaged, "2026-11-24T12:00:00Z") is None


EVERY_PAGE = {
    "image": lambda base: image_page(image_of(version("1.0")), current=None, changes=[], base_url=base),
    "image without versions": lambda base: image_page(image_of(), current=None, changes=[], base_url=base),
    "home": lambda base: home_page([{"ImageName": "alpine"}], 1, base),
    "empty home": lambda base: home_page([], 0, base),
    "not found": lambda base: not_found_page("nobody/knows", base),
}


@pytest.mark.parametrize("write", EVERY_PAGE.values(), ids=EVERY_PAGE)
def test_a_page_asks_no_other_host_and_has_no_script_or_style_of_its_own(write: Any) -> None:
    page = Page(write(f"{BASE}/sub/folder"))
    assert [meta["content"] for meta in page.all("meta") if "http-equiv" in meta] == [pages.CONTENT_SECURITY_POLICY]
    loaded = [*page.values("src"), *(link["href"] for link in page.all("link") if link["rel"] != "canonical")]
    assert loaded
    assert all(url and url.startswith("/sub/folder/") for url in loaded)
    assert [script.keys() for script in page.all("script")] == [{"src", "defer"}]
    assert not page.all("style")
    assert not [name for _, attributes in page.elements for name in attributes if name == "style" or name[:2] == "on"]


@pytest.mark.parametrize("write", EVERY_PAGE.values(), ids=EVERY_PAGE)
def test_it_says_which_language_and_how_wide_it_is(write: Any) -> None:
    page = Page(write(BASE))
    assert page.all("html")[0]["lang"] == "en"
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.all("meta")


@pytest.mark.parametrize("name", ["style.css", "page.js", "icon.svg"])
def test_an_asset_has_another_address_once_its_content_is_another(name: str) -> None:
    page = Page(home_page([], 0, BASE))
    addresses = [url for url in [*page.values("src"), *page.values("href")] if f"/assets/{name}?" in url]
    assert addresses
    assert all(len(url.partition("?")[2]) == 8 for url in addresses)


def test_script_and_style_are_under_20_kb_compressed() -> None:
    assets = [gzip.compress((ASSETS / name).read_bytes()) for name in ("page.js", "style.css")]
    assert sum(map(len, assets)) < 20_000


def test_an_image_page_with_a_hundred_tags_is_under_60_kb_compressed() -> None:
    numbers = random.Random(4)
    architectures = ("amd64", "arm64", "arm", "ppc64le", "s390x", "riscv64")
    platforms = [
        PlatformDocument(OS="linux", Architecture=name, Digest=f"sha256:{number:064}", DownloadSize=1, LayerCount=30)
        for number, name in enumerate(architectures)
    ]

    def labelled(tag: str) -> VersionDocument:
        commit = f"{numbers.getrandbits(160):040x}"
        url = f"https://github.com/example/web/commit/{commit}"
        return version(
            tag,
            Platforms=platforms,
            DownloadSize=numbers.randrange(10**9),
            Created=f"2026-{numbers.randrange(10, 13)}-{numbers.randrange(10, 29)}T10:00:{numbers.randrange(10, 60)}Z",
            Labels={f"{OCI}.revision": commit, f"{OCI}.source": "https://github.com/example/web"},
            VersionControl={"Type": "git", "URL": url, "Commit": commit},
            License={"Code": "Apache-2.0"},
        )

    layers = [layer(f"RUN {numbers.randbytes(60).hex()}", numbers.randrange(10**8)) for _ in range(60)]
    current = {**labelled("latest"), "Layers": layers}
    others = [labelled(f"{number}.{numbers.randrange(100)}-alpine") for number in range(99)]
    image = image_of(current, *others)  # type: ignore[arg-type]
    page = image_page(image, current=current, changes=[CHANGE] * 100, base_url=BASE)  # type: ignore[arg-type]
    assert len(gzip.compress(page)) < 60_000


def test_an_image_tells_its_facts_in_words() -> None:
    page = page_of(version("1.2.0", "latest", Labels={f"{OCI}.description": "Bäckt Brötchen"}))
    for fact in ("Docker Hub", "Bäckt Brötchen", "1.2.0", "2.0 KiB", "linux/amd64", "20 November 2026"):
        assert fact in page.text
    assert {"datetime": "2026-11-20T10:00:00Z", "title": "2026-11-20 10:00:00 UTC"} in page.all("time")
    assert "docker pull example/web:1.2.0" in page.text


@pytest.mark.parametrize(
    ("name", "registry", "written"),
    [
        ("alpine", "Docker Hub", "docker pull alpine:1.0"),
        ("ghcr.io/example/web", "GitHub Container Registry", "docker pull ghcr.io/example/web:1.0"),
        ("localhost:5000/web", "localhost:5000", "docker pull localhost:5000/web:1.0"),
    ],
)
def test_an_image_has_the_name_by_which_it_is_pulled(name: str, registry: str, written: str) -> None:
    current = version("1.0")
    image = describe_image(Repository.parse(name), [current], updated_at=CHECKED_AT)
    page = Page(image_page(image, current=current, changes=[], base_url=BASE))
    assert registry in page.text
    assert written in page.text


def test_it_links_what_the_labels_safely_name() -> None:
    labels = {
        f"{OCI}.source": "git@github.com:example/web.git",
        f"{OCI}.documentation": "https://docs.example.org/web",
        f"{OCI}.licenses": "mit",
    }
    page = page_of(version("1.0", Labels=labels))
    for url in ("https://github.com/example/web", "https://docs.example.org/web", "https://spdx.org/licenses/MIT.html"):
        assert url in page.values("href")


HOSTILE = [
    "<script>alert(1)</script>",
    "</bdi></dd></dl><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)//https://github.com/",
    "data:text/html,<script>alert(1)</script>",
    "{{ 7 * 7 }}{% raw %}",
    "invoice\u202efdp.exe",
    "null\x00byte",
    "half \ud800 a character",
    "x" * 10_240,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_text_shows_as_text_wherever_it_stands(text: str) -> None:
    labels = {key: text for keys in KNOWN_FIELDS.values() for key in keys if key}
    layers = [layer(text, 1), layer(text, 0)]
    hostile = version("1.0", Labels={**labels, text: text}, Annotations={text: text}, Author=text, Layers=layers)
    clean = page_of(version("1.0", Labels=dict.fromkeys([*labels, "x"], "x"), Annotations={"y": "x"}))
    page = page_of(hostile)
    assert [name for name, _ in page.elements if name in ("script", "img")] == [
        name for name, _ in clean.elements if name in ("script", "img")
    ]
    assert all(url.startswith(("/", "#", "https://")) for url in page.values("href"))
    assert visible(text[:200]) in page.text
    assert len(page.text) < 100_000


@given(st.dictionaries(st.text(max_size=20), st.text(), max_size=4), st.text(), st.text())
def test_whatever_strangers_write_stays_text(labels: dict[str, str], command: str, description: str) -> None:
    image = image_of(version("1.0"))
    image["Description"] = description
    current = version("1.0", Labels=labels, Annotations=labels, Layers=[layer(command, 5)])
    page = Page(image_page(image, current=current, changes=[], base_url=BASE))
    assert len(page.all("script")) == 1
    assert all(url.startswith(("/", "#", "https://")) for url in page.values("href"))
    assert visible(page.text) == page.text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Grüße, 世界 👩\u200d🚀 مرحبا", "Grüße, 世界 👩\u200d🚀 مرحبا"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("invoice\u202efdp.exe", r"invoice\u{202e}fdp.exe"),
        ("\u2066a\u2069\u200b\ufeff", r"\u{2066}a\u{2069}\u{200b}\u{feff}"),
        ("\x00\x1b[31m\x85", r"\u{0}\u{1b}[31m\u{85}"),
        ("\ud800\u2028", r"\u{d800}\u{2028}"),
        ("\U000e0041", r"\u{e0041}"),
    ],
)
def test_it_spells_out_what_would_hide_or_reorder_text(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(
    ("sizes", "rows"),
    [
        ([], []),
        ([0], [("", "", "", False)]),
        ([3072, 0, 1024], [("3.0 KiB", "75%", "100.0", True), ("", "", "", False), ("1.0 KiB", "25%", "33.3", False)]),
        ([7, 7], [("7 B", "50%", "100.0", True), ("7 B", "50%", "100.0", True)]),
        ([10**9, 1], [("953.7 MiB", "100%", "100.0", True), ("1 B", "<1%", "0.5", False)]),
    ],
)
def test_a_bar_is_as_wide_as_its_layer_is_large(sizes: list[int], rows: list[tuple[str, str, str, bool]]) -> None:
    found = layer_rows([layer("RUN make", size) for size in sizes])
    assert [(row.size, row.share, row.width, row.is_largest) for row in found] == rows


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["linux/arm/v7"], "linux/arm/v7"),
        (["linux/amd64", "linux/arm64"], "linux/amd64, arm64"),
        (["linux/amd64", "windows/amd64", "windows/amd64", "linux/386"], "linux/amd64, windows/amd64, linux/386"),
        ([], ""),
    ],
)
def test_platforms_are_told_without_repeating_the_system(names: list[str], text: str) -> None:
    platforms = []
    for os, architecture, *variant in (name.split("/") for name in names):
        platform = PlatformDocument(OS=os, Architecture=architecture, Digest="", DownloadSize=1, LayerCount=1)
        platforms.append(platform | {"Variant": variant[0]} if variant else platform)
    assert platform_names(platforms) == text


def test_the_platform_switch_begins_with_the_platform_whose_layers_are_shown() -> None:
    def platform(architecture: str, size: int) -> PlatformDocument:
        return PlatformDocument(
            OS="linux",
            Architecture=architecture,
            Digest="",
            DownloadSize=size,
            LayerCount=1,
            Layers=[layer("COPY web /", size)],
        )

    page = page_of(version("1.0", Platforms=[platform("arm64", 1024), platform("amd64", 2048)]))
    assert "2.0 KiB in 1 layer for linux/amd64" in page.text
    assert {"value": "1", "selected": None} in page.all("option")


def test_layers_that_were_not_read_are_left_to_the_script() -> None:
    image = image_of(version("1.0"))
    page = Page(image_page(image, current=None, changes=[], base_url=BASE))
    section = next(attributes for attributes in page.all("section") if attributes["id"] == "layers")
    assert section["data-version"] == f"/v1/images/example/web/version/{image['LatestSHA']}.json"
    assert "data-unread" in section
    assert not page.all("ol")


@pytest.mark.parametrize("field", ["Unsupported", "Unread"])
def test_a_version_that_cannot_be_described_says_why(field: str) -> None:
    odd = version("2.0", Platforms=[], Layers=[], Created="2026-11-21T10:00:00Z", **{field: "It is a Helm chart."})
    page = page_of(odd, version("1.0"))
    assert page.text.count("It is a Helm chart.") == 2
    assert "Labels to add" not in page.text


def test_relatives_lead_to_their_pages() -> None:
    relative = RelativeDocument(
        SHA="ab", Tags=[TagDocument(tag="3.22")], ImageName="alpine", LayerCount=1, MicrobadgerURL=""
    )
    page = page_of(version("1.0", Parents=[relative], Identical=[{**relative, "ImageName": "a/copy", "Tags": []}]))
    assert "alpine\n" in page.text
    assert "3.22\n" in page.text
    assert {"/images/alpine", "/images/a/copy"} <= set(page.values("href"))


CHANGE: ChangeDocument = {
    "Time": "2026-11-20T10:00:00Z",
    "New": [{"tag": "1.1", "SHA": "aa", "Digest": "sha256:aaaaaaaaaaaaaaaaaa"}],
    "Changed": [{"tag": "latest", "OldDigest": "sha256:bbbbbbbbbbbbbbbb", "NewDigest": "sha256:aaaaaaaaaaaaaaaa"}],
    "Deleted": [{"tag": "0.9", "Digest": "sha256:cccccccccccccccccc"}],
}


def test_changes_tell_what_moved_when_and_where_to_follow_them() -> None:
    page = page_of(version("1.1"), changes=[CHANGE])
    words = page.text.replace("\n", "")
    assert "1.1 is new: aaaaaaaaaaaa" in words
    assert "latest moved from bbbbbbbbbbbb to aaaaaaaaaaaa" in words
    assert "0.9 is gone: cccccccccccc" in words
    assert page.values("href").count("/images/example/web/-/feed.xml") == 2


def test_an_image_that_never_changed_says_so_and_can_be_followed() -> None:
    page = page_of(version("1.1"))
    assert "No tag has moved" in page.text
    assert page.values("href").count("/images/example/web/-/feed.xml") == 2


def test_a_public_webhook_stands_on_the_page_ready_to_be_used() -> None:
    url = f"{BASE}/images/example/web/token"
    page = page_of(version("1.0"), webhook_url=url)
    assert f'curl -X POST "{url}"' in page.text
    for sender in ("Docker Hub", "GitHub Actions", "GitLab CI", "Quay", "Harbor", "Your own registry"):
        assert sender in page.text
    assert "$WEBHOOK_URL" not in page.text


def test_where_webhooks_are_secret_it_says_how_the_operator_gets_one() -> None:
    page = page_of(version("1.0"))
    assert "flask webhook example/web" in page.text
    assert 'curl -X POST "$WEBHOOK_URL"' in page.text


def test_every_badge_and_every_format_is_offered_by_name() -> None:
    page = page_of(version("1.0"))
    assert [li["data-type"] for li in page.all("li") if "data-type" in li] == list(BADGE_TYPES)
    assert [option["value"] for option in page.all("option") if option.get("value")] == list(FORMATS)
    for badge_type in BADGE_TYPES:
        assert FORMATS["markdown"](badge_link(BASE, REPOSITORY, badge_type)) in page.text


def filled(template: str, escapes: Mapping[str, str], badge_type: str, tag: str, query: str) -> str:
    spoken = "".join(escapes.get(character, character) for character in tag)
    for hole, value in {"type": badge_type, "tag": tag, "spoken": spoken, "query": query}.items():
        template = template.replace(f"{{{hole}}}", value)
    return template


@pytest.mark.parametrize("name", ["example/web", "alpine", "my_org/my__tool", "localhost:5000/a/b-c"])
@pytest.mark.parametrize("tag", ["", "1.0__beta--x", "_", "V2.0-rc.1"])
@pytest.mark.parametrize("markup_format", FORMATS)
def test_the_templates_give_what_badge_markup_writes(name: str, tag: str, markup_format: str) -> None:
    repository = Repository.parse(name)
    image = describe_image(repository, [version("1.0")], updated_at=CHECKED_AT)
    page = Page(image_page(image, current=None, changes=[], base_url=BASE))
    markup = json.loads(page.values("data-markup")[0])["formats"][markup_format]
    link = badge_link(BASE, repository, "version", tag or None)
    for query in ("", *(f"?style={style}" for style in STYLES)):
        expected = FORMATS[markup_format](replace(link, image_url=link.image_url + query))
        assert filled(markup["tag" if tag else "image"], markup["escapes"], "version", tag, query) == expected


def test_the_current_version_is_the_first_choice_and_every_tag_another() -> None:
    page = page_of(version("2", "latest"), tagged(version(), ["1.0", "1"]))
    for tag in ("2", "latest", "1.0", "1"):
        assert f"{tag}\n" in page.text
    assert {"value": ""} in page.all("option")


def test_home_lists_images_with_what_is_known_of_them() -> None:
    known = {
        "ImageName": "example/web",
        "Description": "<b>Bäckt</b>",
        "LatestVersion": "1.2",
        "DownloadSize": 2048,
        "UpdatedAt": "2026-11-24T12:30:00Z",
    }
    page = Page(home_page([known, {"ImageName": "example/new"}], 2, f"{BASE}/sub"))
    for text in ("<b>Bäckt</b>", "1.2", "2.0 KiB", "24 November 2026", "not read yet", "2 images"):
        assert text in page.text
    assert {"/sub/images/example/web", "/sub/images/example/new"} <= set(page.values("href"))


def test_home_lists_some_of_ten_thousand_images_and_says_where_the_others_are() -> None:
    page = Page(home_page([{"ImageName": f"example/web{number}"} for number in range(300)], 10_000, BASE))
    assert len(page.all("tr")) == pages.LISTED_ON_HOME + 1
    assert "The first 200 of 10000" in page.text
    assert "/v1/images.json" in page.values("href")


def test_an_empty_home_tells_how_to_track_the_first_image() -> None:
    page = Page(home_page([], 0, BASE))
    assert "flask track alpine" in page.text
    assert not page.all("table")


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("nobody/knows", "flask track nobody/knows"),
        ("nobody/knows:1.2", "flask track nobody/knows"),
        ("library/alpine", "flask track alpine"),
        ("ghcr.io/a/b", "flask track ghcr.io/a/b"),
    ],
)
def test_an_unknown_name_leads_to_the_command_that_tracks_it(name: str, command: str) -> None:
    page = Page(not_found_page(name, BASE))
    assert command in page.text
    assert name in page.text


@pytest.mark.parametrize(
    "name", ["Große/Bäcker", "x; rm -rf ~", "$(reboot)", "a\nb", "<script>", "../etc", "x" * 100_000, ""]
)
def test_what_cannot_be_a_name_is_never_put_into_a_command(name: str) -> None:
    page = Page(not_found_page(name, BASE))
    assert "flask track" not in page.text
    assert "cannot be the name of an image" in page.text
    assert len(page.text) < 2000
