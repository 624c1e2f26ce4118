"""The files of an image: which there are, when they are written, and that each is made the same whenever it is."""

import json
import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.badges.text import BADGE_TYPES
from microbadger.image.changes import ChangeLogDocument
from microbadger.image.documents import StatusDocument, VersionDocument, document_bytes, image_name
from microbadger.image.history import begin_history
from microbadger.image.reference import InvalidReference, Repository
from microbadger.site.image_files import ImageFiles, Maker, status_files
from microbadger.site.options import SiteOptions
from microbadger.site.paths import CATALOGUE, HOME, ImagePaths, has_own_paths, image_in
from tests.site.images import WEB, image_of, layer, version
from tests.site.page import Page

BASE = "https://badges.example.org"
ALPINE = Repository.parse("alpine")
CURRENT, OLD = version("2.0", "latest", Created="2026-11-20T10:00:00Z"), version("1.0", Created="2026-11-01T10:00:00Z")
STATUS: StatusDocument = {
    "ImageName": "example/web",
    "State": "failing",
    "CheckedAt": "2026-11-24T12:30:00Z",
    "NextCheckAt": "2026-11-25T12:30:00Z",
    "Reason": "unreachable",
    "Error": "example.org cannot be reached",
    "FailingSince": "2026-11-24T12:30:00Z",
}


def files_of(
    *versions: VersionDocument,
    repository: Repository = WEB,
    stored: Iterable[VersionDocument] | None = None,
    is_static: bool = False,
    base_url: str = BASE,
    webhook_url: str | None = None,
) -> ImageFiles:
    """Return the files of an image with these versions, of which all or only some are ``stored`` with layers."""
    image = image_of(*versions, repository=repository, webhook_url=webhook_url)
    documents = {version["SHA"]: version for version in (versions if stored is None else stored)}
    return ImageFiles(
        image=image,
        changes=ChangeLogDocument(ImageName=image_name(repository), Changes=[]),
        history=lambda: begin_history(image),
        version=documents.get,
        site=SiteOptions(base_url, is_static=is_static),
    )


def tags_in(paths: Iterable[str]) -> set[str]:
    return {match[1] for path in paths if (match := re.search(r":([\w.-]+?)(?:/index\.html|\.svg|\.json)$", path))}


def made(files: Mapping[str, Maker]) -> dict[str, bytes]:
    return {path: make() for path, make in files.items()}


def test_an_image_has_badges_pages_documents_and_a_feed() -> None:
    paths = {path for path in files_of(CURRENT, OLD).all() if not path.startswith("badges/")}
    assert paths == {
        "images/example/web/index.html",
        "images/example/web:1.0/index.html",
        "images/example/web:2.0/index.html",
        "images/example/web:latest/index.html",
        "images/example/web/-/feed.xml",
        "v1/images/example/web/-/changes.json",
        "v1/images/example/web/-/history.json",
        "v1/images/example/web/-/releases.json",
        f"v1/images/example/web/version/{CURRENT['SHA']}.json",
        f"v1/images/example/web/version/{OLD['SHA']}.json",
        "v1/images/example/web.json",
    }


def test_each_tag_has_each_badge_as_a_picture_and_as_a_document() -> None:
    paths = ImagePaths("example/web")
    badges = {path for path in files_of(CURRENT, OLD).all() if path.startswith("badges/")}
    assert badges == {
        paths.badge(badge_type, tag, suffix)
        for badge_type in BADGE_TYPES
        for tag in (None, "1.0", "2.0", "latest")
        for suffix in ("svg", "json")
    }


def test_the_service_writes_no_file_of_tags_that_the_current_version_does_not_have() -> None:
    written = files_of(CURRENT, OLD).written()
    assert tags_in(written) == {"2.0", "latest"}


def test_the_service_writes_every_file_that_is_not_of_a_tag() -> None:
    files = files_of(CURRENT, OLD)
    assert {path for path in files.all() if not tags_in([path])} <= files.written().keys()


def test_a_static_site_has_every_file_written() -> None:
    files, static = files_of(CURRENT, OLD), files_of(CURRENT, OLD, is_static=True)
    assert static.written().keys() == static.all().keys() == files.all().keys()


def test_the_state_of_an_official_image_stands_under_both_names() -> None:
    assert [*status_files(ALPINE, STATUS)] == [
        "v1/images/library/alpine/-/status.json",
        "v1/images/alpine/-/status.json",
    ]


def test_a_static_status_says_what_fails_and_not_when_a_check_was() -> None:
    status = json.loads(status_files(WEB, STATUS)["v1/images/example/web/-/status.json"]())
    assert status == {key: value for key, value in STATUS.items() if key not in ("CheckedAt", "NextCheckAt")}


def test_an_official_image_has_each_file_under_both_names() -> None:
    contents = made(files_of(CURRENT, repository=ALPINE).all())
    bare = {path: content for path, content in contents.items() if "library/" not in path}
    assert bare == {path.replace("library/", ""): content for path, content in contents.items() if "library/" in path}


@pytest.mark.parametrize("is_static", [False, True])
def test_the_metadata_comes_last_under_the_familiar_name_at_the_very_end(is_static: bool) -> None:
    written = [*files_of(CURRENT, OLD, repository=ALPINE, is_static=is_static).written()]
    assert written[-2:] == ["v1/images/alpine.json", "v1/images/library/alpine.json"]


def test_an_image_without_versions_has_a_page_and_no_badge() -> None:
    assert [*files_of().written()] == [
        "images/example/web/index.html",
        "v1/images/example/web/-/changes.json",
        "images/example/web/-/feed.xml",
        "v1/images/example/web/-/history.json",
        "v1/images/example/web/-/releases.json",
        "v1/images/example/web.json",
    ]


@pytest.mark.parametrize("is_static", [False, True])
def test_a_file_has_the_same_bytes_whenever_it_is_made(is_static: bool) -> None:
    files, again = (files_of(CURRENT, OLD, repository=ALPINE, is_static=is_static) for _ in range(2))
    first = made(files.written())
    assert first == {path: files.all()[path]() for path in first} == made(again.written())


def test_a_version_is_published_as_it_is_stored() -> None:
    content = files_of(CURRENT).all()[f"v1/images/example/web/version/{CURRENT['SHA']}.json"]()
    assert content == document_bytes(CURRENT)


def test_a_version_that_is_not_stored_is_published_as_its_image_has_it() -> None:
    unread = version("3.0", Platforms=[], Unread="It will be read at the next check.", Created="2026-11-01T10:00:00Z")
    content = files_of(CURRENT, unread, stored=[CURRENT]).all()[f"v1/images/example/web/version/{unread['SHA']}.json"]()
    assert json.loads(content)["Unread"] == "It will be read at the next check."


def test_a_page_about_a_tag_has_the_layers_of_its_version() -> None:
    old = version("1.0", Created="2026-11-01T10:00:00Z", Layers=[layer("COPY old /", 1)])
    files = files_of(CURRENT, old).all()
    pages = [Page(files[f"images/example/web{tag}/index.html"]()).text for tag in ("", ":1.0")]
    assert ["COPY old /" in page for page in pages] == [False, True]


def addresses_on(page: Page) -> set[str]:
    """Return the addresses of this site that a page links, shows or has its script ask for."""
    attributes = ("href", "src", "data-status", "data-version", "data-catalogue")
    addresses = {urlsplit(address) for attribute in attributes for address in page.values(attribute)}
    return {address.path for address in addresses if address.netloc in ("", urlsplit(BASE).netloc) and address.path}


def test_every_address_on_a_static_page_is_that_of_a_file() -> None:
    webhook_url = f"{BASE}/sub/images/example/web/token"
    files = files_of(CURRENT, OLD, is_static=True, base_url=f"{BASE}/sub", webhook_url=webhook_url).all()
    scripts = ("badges.js", "page.js", "rows.js", "search.js")
    assets = {f"assets/{name}" for name in ("icon.png", "icon.svg", "style.css", *scripts)}
    of_the_site = {HOME, CATALOGUE, *status_files(WEB, STATUS), *assets, "guide/index.html"}
    for path in filter(re.compile(r".*\.html").fullmatch, files):
        found = {re.sub(r"/$", "/index.html", address) for address in addresses_on(Page(files[path]()))}
        assert found <= {f"/sub/{file}" for file in {*files, *of_the_site}}


def repositories() -> st.SearchStrategy[Repository]:
    part = st.from_regex(r"[a-z0-9]{1,3}(?:(?:[._]|__|-{1,2})[a-z0-9]{1,2})?", fullmatch=True)
    odd = st.sampled_from(["version", "index.html", "a.json", "b.svg", "images", "v1", "library", "0" * 64])
    hosts = st.sampled_from(["docker.io", "ghcr.io", "localhost:5000", "[::1]:5000", "example.json", "svg.svg:80"])
    paths = st.lists(part | odd, min_size=1, max_size=4).map("/".join)
    return st.builds("{}/{}".format, hosts, paths).filter(is_name).map(Repository.parse).filter(has_own_paths)


def is_name(text: str) -> bool:
    try:
        Repository.parse(text)
    except InvalidReference:
        return False
    return True


@given(repositories(), st.lists(st.from_regex(r"[\w][\w.-]{0,9}", fullmatch=True).filter(str.isascii), max_size=3))
def test_every_path_of_an_image_names_that_image(repository: Repository, tags: list[str]) -> None:
    long = "0" * 128
    files = files_of(
        version(*dict.fromkeys(tags)),
        version("x-long", SHA=long, Digest=f"sha512:{long}"),
        repository=repository,
        is_static=True,
    )
    assert {image_in(path) for path in files.all()} == {repository}
