"""Pages with short and with very long content, and a site that serves them and what they load."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import resources
from threading import Thread
from typing import Any

from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from microbadger.badges.svg import draw
from microbadger.badges.text import badges_of
from microbadger.image.changes import ChangeDocument
from microbadger.image.comparisons import comparison
from microbadger.image.describe import describe_image
from microbadger.image.documents import ImageDocument, StatusDocument, VersionDocument, document_bytes
from microbadger.image.history import PointDocument
from microbadger.image.reference import Repository
from microbadger.site.compare_page import compare_page
from microbadger.site.image_page import image_page
from microbadger.site.media_types import media_type_of
from microbadger.site.options import SiteOptions
from microbadger.site.pages import absent_page, api_page, home_page
from microbadger.site.paths import ImagePaths
from tests.site.claims_document import CONFIG, claiming
from tests.site.images import UPDATED_AT, image_of, layer, version

SITE = SiteOptions("https://site.test")

LONG_TAG = "release-2026.11.30-build.4711-commit.0123456789abcdef0123456789abcdef-with_a_word_that_nothing_breaks_up"
LONG_NAME = f"registry.example.org:5000/department-of-images/{'an-image-with-a-long-name' * 4}"
LONG_WORD = "x" * 300
LONG_TEXT = f"A description of everything that somebody could want to know about it, and a bit more. {LONG_WORD} " * 3
ERROR = f"registry.example.org answered 500 Internal Server Error: {LONG_WORD}"
LONG_COMMAND = (
    "RUN set -eux; \tapk add --no-cache \t\tca-certificates \t\tcurl ; \tcurl --fail --output /usr/local/bin/tool "
    f'"https://downloads.example.org/{LONG_WORD}" && chmod +x /usr/local/bin/tool && tool --version'
)
LONG_PLATFORMS: list[Any] = [
    {"Digest": f"sha256:{'9' * 64}", "DownloadSize": 987_654_321, "LayerCount": 3, **platform}
    for platform in (
        {"OS": "linux", "Architecture": "amd64"}, {"OS": "linux", "Architecture": "arm64", "Variant": "v8"},
        {"OS": "linux", "Architecture": "arm", "Variant": "v7"}, {"OS": "linux", "Architecture": "s390x"},
        {"OS": "windows", "OSVersion": "10.0.20348.2762", "Architecture": "amd64"},
        {"OS": "windows", "OSVersion": "10.0.17763.6414", "Architecture": "amd64"})
]  # fmt: skip
LAYERS = [
    layer("ADD alpine-minirootfs-3.22.2-x86_64.tar.gz / # buildkit", 3_800_000),
    layer('CMD ["/bin/sh"]', 0),
    layer("ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 0),
    layer(LONG_COMMAND, 987_654_321),
    layer(f"COPY {LONG_WORD} /", 123),
    layer("EXPOSE map[443/tcp:{} 80/tcp:{}]", 0),
]


def long_version(*tags: str, **fields: Any) -> VersionDocument:
    """Return a version of which everything is long."""
    commit = "0123456789" * 4
    document = {
        "Layers": LAYERS,
        "LayerCount": 3,
        "DownloadSize": 987_654_321,
        "Platforms": LONG_PLATFORMS,
        "Created": "2026-09-30T10:00:00Z",
        "Labels": {"org.opencontainers.image.description": LONG_TEXT, LONG_WORD: LONG_WORD, "short": "text"},
        "License": {"Code": "Apache-2.0 AND LicenseRef-something-very-long"},
        "VersionControl": {"Type": "git", "URL": f"https://github.com/example/web/commit/{commit}", "Commit": commit},
        "FirstSeen": "2026-09-30T10:00:00Z",
        "FirstSeenIsExact": False,
        "Config": {**CONFIG, "Env": [f"{LONG_WORD}={LONG_WORD}", *CONFIG["Env"]]},
    }
    return claiming(*tags, **{**document, **fields})


def image_named(name: str, *versions: VersionDocument) -> ImageDocument:
    hook_url = f"{SITE.base_url}/images/example/web/token"
    return describe_image(Repository.parse(name), versions, updated_at=UPDATED_AT, webhook_url=hook_url)


def points_of(*versions: VersionDocument) -> list[PointDocument]:
    return [
        PointDocument(Time=f"2026-0{number}-01T10:00:00Z", Version=version["Tags"][0]["tag"], Digest=version["Digest"],
                      DownloadSize=version["DownloadSize"], LayerCount=version["LayerCount"])
        for number, version in enumerate(versions, 1)
    ]  # fmt: skip


def changes_of(old: VersionDocument, new: VersionDocument) -> list[ChangeDocument]:
    tag = new["Tags"][0]["tag"]
    moved = {"tag": tag, "OldDigest": old["Digest"], "NewDigest": new["Digest"],
             "Difference": {"Labels": {LONG_WORD: {"Old": LONG_WORD, "New": LONG_TEXT}}}}  # fmt: skip
    return [{"Time": "2026-11-30T10:00:00Z", "New": [], "Changed": [moved], "Deleted": []}]  # type: ignore[list-item]


SHORT = [version("1.1.0", "latest", Created="2026-11-30T10:00:00Z"), version("1.0.0")]
LONG = [
    long_version(LONG_TAG, *(f"1.7.{number}-alpine3.22" for number in range(40)), "latest"),
    long_version("1.6.0"),
    *(version(f"1.5.{number}") for number in range(20)),
    version("broken", Platforms=[], Layers=[], Unread=ERROR),
]
CHART = version(
    "1.2.3_build.4",
    Platforms=[],
    Layers=[],
    LayerCount=0,
    Unsupported="this is a Helm chart, not a container image",
    Chart={"Name": LONG_NAME, "Version": "1.2.3+build.4", "AppVersion": LONG_TAG, "Description": LONG_TEXT,
           "Keywords": ["http", LONG_WORD], "Home": f"https://example.org/{LONG_WORD}"},
)  # fmt: skip
STATUS: StatusDocument = {"ImageName": "example/web", "State": "current", "CheckedAt": "2026-11-30T10:00:00Z"}
FAILING: StatusDocument = {
    **STATUS, "State": "failing", "Reason": "not_found", "Error": ERROR, "FailingSince": "2026-11-20T10:00:00Z",
    "NextCheckAt": "2026-11-25T10:00:00Z",
}  # fmt: skip
LISTED: list[dict[str, Any]] = [
    {"ImageName": "example/web", "Description": LONG_TEXT, "LatestVersion": "3.23.0", "DownloadSize": 987_654_321,
     "UpdatedAt": "2026-11-30T10:00:00Z", "State": "current"},
    {"ImageName": LONG_NAME, "Description": "", "LatestVersion": LONG_TAG, "DownloadSize": 2048,
     "UpdatedAt": "2026-09-30T10:00:00Z", "State": "failing", "Reason": "not_found", "Kind": "Helm chart"},
    {"ImageName": "example/new", "State": "pending"},
    {"ImageName": "example/gone", "State": "failing", "Reason": "rate_limited"},
]  # fmt: skip
SHORT_LIST = [{**LISTED[0], "ImageName": "alpine", "Description": "Small"}]


def _pages() -> dict[str, bytes]:
    short, long = image_of(*SHORT), image_named(LONG_NAME, *LONG)
    long |= {"Description": LONG_TEXT, "PullCount": 123_456_789, "StarCount": 4_711, "TagCount": 4_711}
    absent = partial(absent_page, site=SITE)
    written = partial(image_page, changes=changes_of(*LONG[:2]), points=points_of(*LONG[:2]), site=SITE)
    return {
        "home": home_page(LISTED, 4_711, SITE),
        "home of one image": home_page(SHORT_LIST, 1, SITE),
        "empty home": home_page([], 0, SITE),
        "short image": image_page(short, version=SHORT[0], changes=[], site=SITE),
        "long image": written(long, version=LONG[0]),
        "long tag": written(long, tag=LONG_TAG, version=LONG[0]),
        "failing image": image_page(image_named("example/failing", *SHORT), version=SHORT[0], changes=[], site=SITE),
        "unread image": image_page(image_of(LONG[-1]), version=LONG[-1], changes=[], site=SITE),
        "chart": image_page(image_of(CHART), version=CHART, changes=[], site=SITE),
        "not tracked": absent("nobody/knows"),
        "long name": absent(LONG_NAME),
        "invalid": absent(f"Nobody/{LONG_WORD}"),
        "pending": absent("nobody/knows", status={"ImageName": "nobody/knows", "State": "pending"}),
        "failing": absent(LONG_NAME, status=FAILING),
        "no such tag": absent(f"{LONG_NAME}:{LONG_TAG}", status=FAILING, tag=LONG_TAG),
        "API": api_page(SITE.base_url),
        "comparison": compare_page(comparison(*SHORT), "1.0.0", "1.1.0", ImagePaths("example/web"), SITE),
        "long comparison": compare_page(
            comparison(LONG[1], LONG[0]), "1.6.0", LONG_TAG, ImagePaths(LONG_NAME), SITE
        ),
    }  # fmt: skip


PAGES = _pages()
MISFIT = """<!doctype html>
<p style="width: 400px">wide</p>
<p style="height: 1em; overflow: hidden; width: 5em">This is cut above or below.</p>
<p style="overflow: hidden; white-space: nowrap; width: 5em">This is cut at a side.</p>
<p style="overflow-wrap: anywhere; width: 2em">unbroken</p>
"""


@contextmanager
def served_pages() -> Iterator[str]:
    """Serve the pages at ``/page/<name>``, and yield the URL of the site, which is an empty page."""
    server = make_server("127.0.0.1", 0, Request.application(_answer), threaded=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()


def _answer(request: Request) -> Response:
    kind, _, rest = request.path.lstrip("/").partition("/")
    if not kind:
        return Response("<!doctype html>", content_type="text/html")
    if kind == "page":
        return Response(PAGES.get(rest, MISFIT), content_type="text/html; charset=utf-8")
    if kind == "assets":
        asset = resources.files("microbadger.site").joinpath(kind, rest).read_bytes()
        return Response(asset, content_type=media_type_of(rest))
    if kind == "badges":
        image = image_of(*(SHORT if "/example/" in rest else LONG))
        badge = badges_of(image, LONG_TAG if LONG_TAG in rest else None)[rest.split("/")[0]]
        return Response(draw(badge), content_type="image/svg+xml")
    return Response(_document(request.path, [*SHORT, *LONG, CHART]), content_type="application/json")


def _document(path: str, versions: Sequence[VersionDocument]) -> bytes:
    if path.endswith("/status.json"):
        return document_bytes(FAILING if "example/failing" in path else STATUS)
    found: list[Any] = [version for version in versions if path.endswith(f"/{version['SHA']}.json")]
    return document_bytes(found[0] if found else {"Images": LISTED})
