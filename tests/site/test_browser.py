"""The pages as their readers use them: in a browser, from the service, about images of a real registry."""

import json
import random
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from werkzeug.wrappers import Response

from microbadger.badges.svg import STYLES
from microbadger.badges.text import BADGE_TYPES
from microbadger.image.documents import VersionDocument, tags_of
from microbadger.image.reference import Repository
from microbadger.image.words import platform_text, size_text
from microbadger.site.markup import FORMATS, badge_link
from microbadger.site.templating import media_words, visible
from tests.browser import PHONE, PLAIN_HOST, focused, pasted, reading, tab_to, violations
from tests.fakes.registry import FakeRegistry, image
from tests.real_registry import ImageMaker, RunningRegistry, need
from tests.running_service import START_SECONDS, RunningService

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

OCI = "org.opencontainers.image"
WEB, BARE, HOSTILE, ODD = "example/web", "example/bare", "example/hostile", "my_org/tool__box"
ODD_TAG = "1.0__beta--x_"
SCRIPT = "<script>document.title = 'taken over'</script>"
HOSTILE_LABELS = {
    f"{OCI}.title": SCRIPT,
    f"{OCI}.description": f"{SCRIPT} \u202egnorw",
    f"{OCI}.source": "javascript:alert(1)",
    f"{OCI}.documentation": 'https://docs.example.org/"onmouseover="alert(1)',
    f"{OCI}.url": "data:text/html,<script>alert(1)</script>",
    f"{OCI}.licenses": "<img src=x onerror=alert(1)>",
    "right.to.left": "invoice\u202efdp.exe",
    "long": "x" * 10_240,
    "<svg/onload>": "`${alert(1)}`",
}
PAGES = {
    "home": "/",
    "image": f"/images/{WEB}",
    "tag": f"/images/{WEB}:1.1.0",
    "image without labels": f"/images/{BARE}",
    "hostile image": f"/images/{HOSTILE}",
    "not found": "/images/nobody/knows",
    "tag not found": f"/images/{WEB}:nope",
}

Read = Callable[..., "Page"]


class Site:
    """A service that has read four images from a registry."""

    def __init__(self, service: RunningService) -> None:
        self.service = service
        self.url = service.url

    def versions(self, name: str) -> list[VersionDocument]:
        versions: list[VersionDocument] = self.service.get(f"/v1/images/{name}").json()["Versions"]
        return versions

    def version_with(self, name: str, tag: str) -> VersionDocument:
        sha = next(version["SHA"] for version in self.versions(name) if tag in tags_of(version))
        version: VersionDocument = self.service.get(f"/v1/images/{name}/version/{sha}.json").json()
        return version


def push_images(registry: RunningRegistry, maker: ImageMaker) -> None:
    content = random.Random(1).randbytes(90_000)

    def web(number: str, created: str, architectures: tuple[str, ...], *tags: str) -> None:
        labels = {
            f"{OCI}.source": "https://github.com/example/web",
            f"{OCI}.revision": f"{number.replace('.', '')}abcdef1234567",
            f"{OCI}.licenses": "Apache-2.0",
            f"{OCI}.description": f"Answers requests, {number}",
            f"{OCI}.base.name": "docker.io/library/alpine:3.22",
        }
        images = [
            maker.make(
                [{"a": content[: 20_000 + 9_000 * place]}, {"b": content[20_000:] + number.encode()}, {"c": b""}],
                labels=labels,
                created=created,
                architecture=architecture,
                commands=["ADD rootfs.tar /", f"RUN make VERSION={number} '<b>&amp;'", "COPY conf /"],
                cmd=f"web-{architecture}",
            )
            for place, architecture in enumerate(architectures)
        ]
        for tag in tags:
            maker.push_index(images, f"{registry.host}/{WEB}:{tag}", attested=True)

    web("1.1.0", "2026-09-01T10:00:00Z", ("amd64",), "1.1.0")
    web("1.2.0", "2026-11-20T10:00:00Z", ("arm64", "amd64"), "1.2.0", "latest")
    maker.push(maker.make([{"a": b"1"}]), f"{registry.host}/{BARE}:latest")
    maker.push(
        maker.make([{"a": b"1"}], labels=HOSTILE_LABELS, commands=[f"RUN echo {SCRIPT} \u202e {'y' * 3000}"]),
        f"{registry.host}/{HOSTILE}:latest",
    )
    maker.push(maker.make([{"a": b"1"}]), f"{registry.host}/{ODD}:{ODD_TAG}")


@pytest.fixture(scope="module")
def site(image_maker: ImageMaker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    need("docker-registry")
    folder = tmp_path_factory.mktemp("site")
    names = [WEB, BARE, HOSTILE, ODD]
    with RunningRegistry(folder / "registry") as registry:
        push_images(registry, image_maker)
        mirrors = json.dumps({"docker.io": f"http://{registry.host}"})
        with RunningService(folder / "service", names, mirrors=mirrors) as service:
            for name in names:
                service.wait_for_image(name)
            service.wait(lambda: service.get("/v1/images.json").text.count("LatestVersion") == len(names), "the list")
            yield Site(service)


@pytest.fixture
def read(chromium: "Browser", site: Site) -> Iterator[Read]:
    """Open an address of the site in tabs that close, and are checked, with the test."""
    with ExitStack() as tabs:

        def read(path: str, **options: Any) -> "Page":
            tab: AbstractContextManager[Page] = reading(chromium, site.url, **options)
            page = tabs.enter_context(tab)
            page.goto(path)
            return page

        yield read


def markup(markup_format: str, name: str, badge_type: str, tag: str | None, query: str, base_url: str) -> str:
    link = badge_link(base_url, Repository.parse(name), badge_type, tag)
    return FORMATS[markup_format](replace(link, image_url=link.image_url + query))


def open_version(page: "Page", tag: str) -> Any:
    """Open a version in the table and return its details once they are there."""
    row = page.locator("#versions tbody > tr", has=page.locator(f".tag:text-is('{tag}')"))
    row.get_by_role("button").click()
    details = row.locator("xpath=following-sibling::tr[1]")
    details.locator(".layers").wait_for()
    return details


def test_search_finds_an_image_as_one_types_and_opens_it(read: Read, site: Site) -> None:
    page = read("/")
    page.get_by_label("Find").press_sequentially("tool_")
    page.get_by_text("1 image found").wait_for()
    assert page.locator("table.images tbody a").all_text_contents() == [ODD]

    page.keyboard.press("Enter")

    page.wait_for_url(f"{site.url}/images/{ODD}/")
    assert page.locator("h1").text_content() == ODD


def test_an_address_of_the_old_service_leads_to_the_image(read: Read, site: Site) -> None:
    page = read(f"/#/images/{WEB}")

    page.wait_for_url(f"{site.url}/images/{WEB}/")


def test_search_reads_descriptions_and_comes_back_to_the_whole_list(read: Read) -> None:
    page = read("/")
    before = page.locator("table.images").inner_text()
    find = page.get_by_label("Find")
    find.fill("requests ANSWERS")
    page.get_by_text("1 image found").wait_for()
    assert page.locator("table.images tbody a").all_text_contents() == [WEB]
    find.fill("nothing like that")
    page.get_by_text("No images match.").wait_for()
    find.fill("")
    page.get_by_text("4 images").wait_for()
    assert page.locator("table.images").inner_text() == before


def test_search_in_ten_thousand_images_shows_the_best_fifty(read: Read) -> None:
    images = [{"ImageName": f"team{number % 7}/service{number}"} for number in range(9_999)]
    best = {"ImageName": "example/service", "Description": SCRIPT, "UpdatedAt": "2026-11-20T10:00:00Z"}
    catalogue = {"Images": [*images, best]}
    page = read("about:blank")
    page.route("**/v1/images.json", lambda route: route.fulfill(json=catalogue))
    page.goto("/")
    page.get_by_label("Find").fill("service")
    page.get_by_text("10000 images found, the first 50 are shown").wait_for()
    rows = page.locator("table.images tbody tr")
    assert rows.count() == 50
    assert "example/service" in rows.first.inner_text()
    assert SCRIPT in rows.first.inner_text()


def test_an_unknown_name_leads_to_similar_ones(read: Read, site: Site) -> None:
    page = read("/images/somebody/web")
    assert page.get_by_role("searchbox", name="Find").input_value() == "web"
    page.get_by_role("link", name=WEB).click()
    page.wait_for_url(f"{site.url}/images/{WEB}/")


def test_times_are_in_words_and_exactly_on_hover(read: Read) -> None:
    page = read(f"/images/{WEB}")
    checked = page.locator("#checked time")
    checked.wait_for()
    assert checked.text_content() in ("just now", "1 minute ago", "2 minutes ago")
    assert (checked.get_attribute("title") or "").endswith(" UTC")
    assert page.locator(".facts time").first.get_attribute("title") == "2026-11-20 10:00:00 UTC"


AGES = ("just now", "1 minute ago", "2 minutes ago")
OR_EARLIER = [f"{age} or earlier" for age in AGES]


def test_the_age_of_the_first_sight_is_in_words(read: Read) -> None:
    page = read(f"/images/{WEB}")
    said = page.locator(".facts .aside", has_text="first seen")
    assert said.inner_text() in [f"first seen here {age}" for age in OR_EARLIER]
    assert "First seen here" in open_version(page, "1.1.0").inner_text()


def test_the_badges_say_when_the_chosen_tag_was_first_seen(read: Read) -> None:
    page = read("about:blank")

    def make_older(route: "Route") -> None:
        answer = route.fetch()
        of_the_tag = re.compile('data-first-seen="[^"]+" data-or-earlier(?=[^>]*>1.1.0)')
        assert of_the_tag.search(answer.text())
        route.fulfill(response=answer, body=of_the_tag.sub('data-first-seen="2020-01-01"', answer.text()))

    page.route(f"**/images/{WEB}", make_older)
    page.goto(f"/images/{WEB}#badges")
    said = page.locator("#first-seen")
    assert said.inner_text() in [f"First seen here: {age}" for age in OR_EARLIER]
    page.locator("select[name=tag]").select_option("1.1.0")
    assert re.fullmatch(r"First seen here: \d+ years ago", said.inner_text())
    assert said.locator("time").get_attribute("title") == "2020-01-01"


def test_the_config_of_renovate_is_copied_and_leads_to_the_releases(read: Read, site: Site) -> None:
    page = read(f"/images/{WEB}")
    page.get_by_text("Get the Renovate config").click()
    page.locator("#renovate").get_by_role("button", name="Copy the configuration of Renovate").click()
    page.locator("#renovate").get_by_text("Copied").wait_for()
    config = json.loads(pasted(page))
    url = config["customDatasources"]["microbadger"]["defaultRegistryUrlTemplate"].replace("{{packageName}}", WEB)
    releases = requests.get(url, timeout=10).json()["releases"]
    assert [release["version"] for release in releases] == ["1.2.0", "1.1.0"]
    assert page.get_by_role("link", name="the releases of this image").get_attribute("href") in url


def test_a_version_opens_with_its_layers_and_labels(read: Read, site: Site) -> None:
    page = read(f"/images/{WEB}")
    details = open_version(page, "1.1.0")
    layers = site.version_with(WEB, "1.1.0")["Layers"]
    assert details.locator(".layers code").all_text_contents() == [layer["Command"] for layer in layers]
    assert details.locator(".layers .largest code").all_text_contents() == ["RUN make VERSION=1.1.0 '<b>&amp;'"]
    assert "Answers requests, 1.1.0" in details.inner_text()
    assert details.get_by_role("link", name="110abcdef1234567").get_attribute("href") == (
        "https://github.com/example/web/commit/110abcdef1234567"
    )
    page.get_by_role("button", name="1.1.0").click()
    assert details.count() == 0 or not details.is_visible()


def test_the_script_draws_layers_as_the_page_has_them(read: Read) -> None:
    page = read(f"/images/{WEB}")
    as_published = page.locator("#layers .shown").inner_html()
    details = open_version(page, "latest")
    squeezed = "".join(as_published.split())
    assert "".join(details.locator(".shown").inner_html().split()) == squeezed
    page.locator("#layers").get_by_label("Platform").select_option("linux/arm64")
    page.locator("#layers").get_by_label("Platform").select_option("linux/amd64")
    page.locator("#layers .sum", has_text="amd64").wait_for()
    assert "".join(page.locator("#layers .shown").inner_html().split()) == squeezed


def test_the_script_words_sizes_and_spells_texts_as_the_page_does(read: Read) -> None:
    numbers = random.Random(3)
    sizes = [0, 1, 1023, 1280, 1792, 1_048_524, 1_048_525, 1_310_720, *(numbers.randrange(2**42) for _ in range(500))]
    texts = ["Grüße 👩\u200d🚀", "a\u202eb\u2066\u200b\u00ad\ufeff", "\x00\x1b\x85\r\n\t", "\u2028\U000e0041", "مرحبا"]
    page = read("/")
    assert page.evaluate("sizes => sizes.map(sizeText)", sizes) == [size_text(size) for size in sizes]
    assert page.evaluate("texts => texts.map(visible)", texts) == [visible(text) for text in texts]


@pytest.mark.parametrize(
    ("seconds", "words", "words_if_past"),
    [
        (0.5, "in less than a minute", "just now"),
        (59, "in less than a minute", "just now"),
        (61.5, "in 1 minute", "just now"),
        (7201.5, "in 2 hours", "just now"),
        (-0.5, "just now", "just now"),
        (-59, "just now", "just now"),
        (-61, "1 minute ago", "1 minute ago"),
        (-7201, "2 hours ago", "2 hours ago"),
    ],
)
def test_a_time_is_past_or_to_come(read: Read, seconds: float, words: str, words_if_past: str) -> None:
    page = read("/")
    in_words = """([seconds, isPast]) => {
        const now = Date.now();
        Date.now = () => now;
        return ageText(new Date(now + 1000 * seconds).toISOString(), isPast);
    }"""
    assert [page.evaluate(in_words, [seconds, is_past]) for is_past in (False, True)] == [words, words_if_past]


def test_the_time_of_the_next_check_is_to_come(read: Read) -> None:
    page = read("/")
    ages = page.evaluate("""() => {
        const soon = new Date(Date.now() + 30_000).toISOString();
        for (const ahead of ["data-ahead", "title"]) {
          document.body.append(element("time", { datetime: soon, class: "soon", [ahead]: "" }));
        }
        setUp();
        return all(".soon").map((time) => time.textContent);
    }""")
    assert ages == ["in less than a minute", "just now"]


def test_the_script_words_platforms_and_layers_as_the_page_does(read: Read) -> None:
    parts = [{"OS": "linux"}, {"Architecture": "arm"}, {"Variant": "v7"}, {"OSVersion": "10.0.20348.2762"}]
    platforms: list[Any] = [
        {key: value for number, part in enumerate(parts) if chosen >> number & 1 for key, value in part.items()}
        for chosen in range(16)
    ]
    page = read(f"/images/{WEB}")
    assert page.evaluate("all => all.map(platformText)", platforms) == [platform_text(each) for each in platforms]
    types = [
        f"application/vnd.{kind}{compression}{encryption}"
        for kind in ("oci.image.layer.v1.tar", "oci.image.layer.nondistributable.v1.tar", "docker.foreign.diff.tar")
        for compression in ("", "+gzip", "+zstd", ".gzip", ".zstd")
        for encryption in ("", "+encrypted")
    ]
    assert page.evaluate("all => all.map(mediaWords)", types) == [media_words(each) for each in types]


def test_the_script_says_what_could_not_be_read(read: Read) -> None:
    layers = [{"Command": "COPY", "DownloadSize": 5, "MediaType": "a.tar+zstd"}]
    read_whole = {"OS": "linux", "Architecture": "amd64", "Digest": "", "DownloadSize": 5, "LayerCount": 1}
    unread = {**read_whole, "Architecture": "arm64", "DownloadSize": 0, "LayerCount": 0, "Unread": SCRIPT}
    version: dict[str, Any] = {
        "Tags": [],
        "ImageName": WEB,
        "Labels": {"a": "1", "b": "2"},
        "InheritedLabels": ["a"],
        "DownloadSize": 5,
        "LayerCount": 1,
        "Created": "1970-01-01T00:00:00Z",
        "Layers": layers,
        "Digest": "sha256:ab",
        "Platforms": [{**read_whole, "Layers": layers}, unread],
    }
    page = read(f"/images/{WEB}")
    shown = "([version, index]) => platformView(version, index).map((part) => part.innerText ?? part.textContent)"
    assert page.evaluate(shown, [version, 1]) == [SCRIPT, "Not read.", ""]
    assert page.evaluate(shown, [version, 0]) == ["5 B in 1 layer for linux/amd64", "5 Bzstd5 B so far100%COPY"]
    labels = "([version, index]) => labelsOf(version, version.Platforms[index]).map((row) => row[0].textContent)"
    assert page.evaluate(labels, [{**version, "Platforms": [read_whole]}, 0]) == ["a from the base image", "b"]
    assert page.evaluate(labels, [version, 1]) == []
    opened = "version => versionView(version, '/x').map((part) => part.textContent).join(' ')"
    assert "Created" not in page.evaluate(opened, version)
    said = page.evaluate(opened, {**version, "Platforms": [unread], "Unread": SCRIPT})
    assert said.count(SCRIPT) == 1
    nothing = {**version, "Platforms": [], "Unread": f"{SCRIPT}\u202e"}
    assert page.evaluate(opened, nothing) == f"{SCRIPT}\\u{{202e}}"
    other = {**read_whole, "Architecture": "arm64", "Cut": [SCRIPT, "b is left out"]}
    large = {**version, "Cut": [SCRIPT], "Platforms": [{**read_whole, "Cut": [SCRIPT]}, other]}
    assert page.evaluate(opened, large).count(SCRIPT) == 1
    assert page.evaluate(shown, [large, 1])[0] == "b is left out"


def test_a_page_says_what_the_last_check_could_not_read(read: Read, site: Site) -> None:
    status = {"ImageName": WEB, "State": "current", "Note": f"2 of 3 tags were read {SCRIPT}"}
    page = read("about:blank")
    page.route("**/-/status.json", lambda route: route.fulfill(json=status))
    page.goto(f"/images/{WEB}")
    note = page.locator("[data-status] p.note")
    note.wait_for()
    assert note.text_content() == f"{status['Note']}."


@pytest.mark.parametrize("where", ["current", "opened"])
def test_another_platform_has_other_layers(read: Read, where: str) -> None:
    page = read(f"/images/{WEB}")
    part = page.locator("#layers") if where == "current" else open_version(page, "1.2.0")
    assert "linux/amd64" in (part.locator(".sum").text_content() or "")
    size = part.locator(".size").first.text_content()

    part.get_by_label("Platform").select_option("linux/arm64")

    part.locator(".sum", has_text="linux/arm64").wait_for()
    assert part.locator(".layers code").last.text_content() == 'CMD ["web-arm64"]'
    assert part.locator(".size").first.text_content() != size


def test_a_page_says_when_its_image_was_checked(read: Read, site: Site) -> None:
    page = read(f"/images/{WEB}")
    page.locator("#checked time").wait_for()
    assert re.fullmatch(r"checked (just now|\d+ minutes? ago)", page.locator("#checked").text_content() or "")
    checked_at = site.service.get(f"/v1/images/{WEB}/-/status.json").json()["CheckedAt"]
    assert page.locator("#checked time").get_attribute("datetime") == checked_at
    assert page.locator("[data-status]").text_content() == ""


def test_a_page_says_that_its_image_is_failing_until_it_is_not(
    chromium: "Browser", tmp_path: Path
) -> None:
    with FakeRegistry() as fake:
        is_down = threading.Event()
        fake.always("/v2/", lambda _: Response(status=503) if is_down.is_set() else None)
        fake.push("team/web", "latest", image())
        name = f"{fake.host}/team/web"
        with RunningService(tmp_path, [name]) as service, reading(chromium, service.url) as page:
            assert service.push(name, wait_seconds=60).json()["Result"] == "fresh"
            is_down.set()
            assert service.push(name, wait_seconds=60).status_code == 502
            page.goto(f"/images/{name}")
            trouble = page.locator("[data-status] p")
            trouble.wait_for()
            error = service.get(f"/v1/images/{name}/-/status.json").json()["Error"]
            assert re.fullmatch(rf"Failing since just now: {re.escape(error)}\.", trouble.text_content() or "")
            assert page.locator("#layers .layers").count() == 1

            is_down.clear()
            assert service.push(name, wait_seconds=60).json()["Result"] == "fresh"

            page.reload()
            page.locator("#checked time").wait_for()
            assert trouble.count() == 0


def test_the_page_of_an_image_that_is_being_read_becomes_its_page(
    chromium: "Browser", tmp_path: Path
) -> None:
    with FakeRegistry() as fake:
        may_answer = threading.Event()
        fake.always("/tags/list", lambda _: None if may_answer.wait(START_SECONDS) else Response(status=503))
        fake.push("team/web", "latest", image())
        name = f"{fake.host}/team/web"
        with RunningService(tmp_path, [name]) as service, reading(chromium, service.url) as page:
            page.goto(f"/images/{name}")
            assert "being read for the first time" in page.locator("main").inner_text()

            may_answer.set()

            page.locator("#layers .layers").wait_for()


def test_the_page_of_an_image_that_the_registry_does_not_have_says_so(
    chromium: "Browser", tmp_path: Path
) -> None:
    with FakeRegistry() as fake:
        name = f"{fake.host}/team/gone"
        with RunningService(tmp_path, [name]) as service, reading(chromium, service.url) as page:
            service.wait(lambda: service.get(f"/images/{name}").status_code == 404, "the page says that there is none")
            page.goto(f"/images/{name}")
            text = page.locator("main").inner_text()
            assert "not found in registry" in text.lower()
            assert "first time" not in text
            assert violations(page) == []


def test_a_page_of_a_tag_shows_that_version(read: Read, site: Site) -> None:
    page = read(f"/images/{WEB}:1.1.0")
    assert page.locator("h1").text_content() == f"{WEB}:1.1.0"
    layers = site.version_with(WEB, "1.1.0")["Layers"]
    assert page.locator("#layers .layers code").all_text_contents() == [layer["Command"] for layer in layers]


def test_the_filter_leaves_the_versions_that_fit(read: Read) -> None:
    page = read(f"/images/{WEB}")
    open_version(page, "1.2.0")
    page.get_by_label("Filter").fill("1.1")
    page.get_by_text("1 of 2 versions").wait_for()
    assert page.locator("#versions tbody tr:visible .tag").all_text_contents() == ["1.1.0"]
    page.get_by_label("Filter").fill("arm64")
    assert page.locator("#versions tbody tr:visible .tag").all_text_contents() == ["1.2.0", "latest"]
    assert page.locator("#versions .details").is_visible()


def test_what_cannot_be_loaded_is_said(chromium: "Browser", site: Site) -> None:
    context = chromium.new_context(base_url=site.url)
    page = context.new_page()
    page.route("**/v1/**", lambda route: route.abort())
    page.goto(f"/images/{WEB}")
    page.get_by_role("button", name="1.1.0").click()
    page.get_by_text("This version could not be loaded.").wait_for()
    page.locator("#layers").get_by_label("Platform").select_option("linux/arm64")
    page.get_by_text("The layers could not be loaded.").wait_for()
    page.goto("/")
    page.get_by_label("Find").fill("web")
    page.get_by_text("The list could not be loaded.").wait_for()
    page.unroute("**/v1/**")
    page.get_by_label("Find").fill("tool")
    page.get_by_text("1 image found").wait_for()
    context.close()


@pytest.mark.parametrize(("name", "tag"), [(ODD, ODD_TAG), (ODD, None), (WEB, "1.1.0")])
def test_badge_markup_is_what_badge_markup_writes(read: Read, site: Site, name: str, tag: str | None) -> None:
    panel = read(f"/images/{name}#badges").locator("#badges")
    panel.locator("select[name=tag]").select_option(tag or "")
    for markup_format in FORMATS:
        panel.get_by_label("Format").select_option(markup_format)
        for style in STYLES:
            panel.get_by_label("Style").select_option(style)
            query = "" if style == "flat" else f"?style={style}"
            texts = panel.locator(".badge-list code").all_text_contents()
            expected = [markup(markup_format, name, kind, tag, query, site.url) for kind in BADGE_TYPES]
            assert sorted(texts) == sorted(expected)


def test_badge_markup_is_copied_and_says_so(read: Read, site: Site) -> None:
    page = read(f"/images/{ODD}#badges")
    page.get_by_label("Format").select_option("asciidoc")
    row = page.locator("[data-type='version']")
    row.get_by_role("button", name="Copy").click()
    row.get_by_text("Copied").wait_for()
    assert page.locator("#status").text_content() == "Copied"
    assert pasted(page) == markup("asciidoc", ODD, "version", None, "", site.url)


def test_the_preview_shows_the_badge_that_is_copied(read: Read, site: Site) -> None:
    page = read(f"/images/{WEB}#badges")
    panel = page.locator("#badges")
    preview = panel.locator("[data-type='version'] img")
    with page.expect_response("**/badges/version/example/web:1.1.0.svg?style=for-the-badge") as answered:
        panel.locator("select[name=tag]").select_option("1.1.0")
        panel.get_by_label("Style").select_option("for-the-badge")
    assert "1.1.0" in answered.value.text()
    page.wait_for_function("image => image.complete && image.naturalHeight === 28", arg=preview.element_handle())
    assert preview.get_attribute("alt") == "version of 1.1.0"
    panel.locator("select[name=tag]").select_option("")
    assert preview.get_attribute("alt") == "version: 1.2.0"


def test_the_webhook_is_copied_and_works(read: Read, site: Site) -> None:
    page = read(f"/images/{WEB}")
    page.get_by_text("Get the webhook").click()
    page.locator("#webhook").get_by_role("button", name="Copy the webhook URL").click()
    page.locator("#webhook").get_by_text("Copied").wait_for()
    url = pasted(page)
    assert url == site.service.command("webhook", WEB).stdout.strip()
    assert requests.post(url, timeout=10).text == "OK"


def test_without_https_it_copies_all_the_same(chromium: "Browser", site: Site) -> None:
    url = f"http://{PLAIN_HOST}:{site.service.port}"
    with reading(chromium, url) as page:
        page.goto(f"/images/{WEB}")
        assert page.evaluate("isSecureContext") is False
        page.get_by_role("button", name="Copy the digest").click()
        page.get_by_text("Copied").first.wait_for()
        page.get_by_label("Filter").press("Control+v")
        assert page.get_by_label("Filter").input_value() == site.versions(WEB)[0]["Digest"]


def test_everything_can_be_done_with_the_keyboard_alone(read: Read, site: Site) -> None:
    page = read("/")
    tab_to(page, lambda words: words == "Skip to the content")
    page.keyboard.press("Enter")
    tab_to(page, lambda _: page.evaluate("document.activeElement.name") == "find")
    page.keyboard.type("example/web")
    page.get_by_text("1 image found").wait_for()
    tab_to(page, lambda words: words == WEB)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{site.url}/images/{WEB}/")

    tab_to(page, lambda words: words == "Get the badges")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    tab_to(page, lambda words: words.startswith("the current version"))
    page.keyboard.type("1.1.0")
    tab_to(page, lambda words: words == "Copy the markup of the badge image")
    page.keyboard.press("Enter")
    page.get_by_text("Copied").first.wait_for()
    assert pasted(page) == markup("markdown", WEB, "image", "1.1.0", "", site.url)

    tab_to(page, lambda words: words == "1.1.0")
    page.keyboard.press("Space")
    page.locator(".details .layers").wait_for()
    assert focused(page) == "1.1.0"
    tab_to(page, lambda words: words == "Copy the digest")
    page.keyboard.press("Enter")
    page.locator(".details").get_by_text("Copied").wait_for()
    assert pasted(page) == site.version_with(WEB, "1.1.0")["Digest"]


def test_without_javascript_everything_can_be_read(read: Read, site: Site) -> None:
    page = read(f"/images/{WEB}", java_script_enabled=False)
    assert page.locator("button:visible, select:visible, input:visible").count() == 0
    assert page.locator(".facts time:visible").count() == 3
    layers = site.version_with(WEB, "latest")["Layers"]
    assert page.locator(".layers .bar:visible").count() == 3
    page.get_by_text("1 step without a layer: CMD").click()
    assert page.locator(".layers code:visible").all_text_contents() == [layer["Command"] for layer in layers]
    page.get_by_text("Get the badges").click()
    text = markup("markdown", WEB, "version", None, "", site.url)
    assert text in page.locator("#badges .badge-list code:visible").all_text_contents()
    page.get_by_text("Get the webhook").click()
    webhook = site.service.command("webhook", WEB).stdout.strip()
    assert page.locator("#webhook code:visible").first.text_content() == webhook
    with page.expect_response(f"**/v1/images/{WEB}/version/*.json") as answered:
        page.get_by_role("link", name="1.1.0").click()
    assert tags_of(answered.value.json()) == ["1.1.0"]


@pytest.mark.parametrize("path", ["/", "/images/nobody/knows"])
def test_without_javascript_no_page_shows_what_would_not_work(read: Read, path: str) -> None:
    page = read(path, java_script_enabled=False)
    assert page.locator("button:visible, select:visible, input:visible").count() == 0
    assert page.locator("main a:visible, main code:visible").count() > 0


def open_everything(page: "Page") -> None:
    for button in page.locator("button.open").all():
        button.click()
    for panel in page.locator("main details").all():
        panel.evaluate("panel => { panel.name = ''; panel.open = true; }")
    page.wait_for_function("[...document.querySelectorAll('.details')].every((row) => row.querySelector('.layers'))")


@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES)
def test_it_fits_on_a_phone(read: Read, path: str) -> None:
    page = read(path, viewport=PHONE)
    open_everything(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    wide = "[...document.querySelectorAll('.scroll')].filter((box) => box.scrollWidth > box.clientWidth).length"
    assert page.evaluate(wide) == 0


@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES)
def test_axe_finds_no_violation_in_light_in_dark_and_on_a_phone(read: Read, path: str) -> None:
    page = read(path)
    open_everything(page)
    assert violations(page) == []
    page.emulate_media(color_scheme="dark")
    assert violations(page) == []
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    assert violations(page) == []


def test_axe_finds_no_violation_before_the_script_is_there(read: Read) -> None:
    page = read("about:blank")
    page.route("**/page.js?*", lambda route: route.fulfill(body="", content_type="text/javascript"))
    page.goto(f"/images/{WEB}")
    assert page.locator("#versions a.open").count() == 2
    assert violations(page) == []


def test_dark_is_dark_and_light_is_light(read: Read) -> None:
    darkest = "Math.max(...getComputedStyle(document.body).backgroundColor.match(/\\d+/g))"
    dark, light = (read("/", color_scheme=scheme).evaluate(darkest) for scheme in ("dark", "light"))
    assert dark < 40
    assert light > 240


def test_in_print_there_is_nothing_to_press_and_the_times_are_exact(read: Read) -> None:
    page = read(f"/images/{WEB}")
    page.emulate_media(media="print")
    assert page.locator("button.copy:visible, select:visible, input:visible, .panel:visible").count() == 0
    shown = page.locator(".facts time").first.evaluate("time => getComputedStyle(time, '::after').content")
    assert "2026-11-20 10:00:00 UTC" in shown


def test_hostile_texts_are_shown_as_texts(read: Read) -> None:
    page = read(f"/images/{HOSTILE}")
    open_everything(page)
    text = page.locator("main").inner_text()
    assert page.title() == f"{HOSTILE} · MicroBadger"
    reordered = r"invoice\u{202e}fdp.exe"
    for value in (SCRIPT, "javascript:alert(1)", "<img src=x onerror=alert(1)>", reordered, "<svg/onload>"):
        assert value in text
    assert "\u202e" not in text
    assert "xxx… (shortened; the JSON has all of it)" in text
    assert page.locator("main script, main [onload], main [onerror], main [onmouseover]").count() == 0
    addresses = page.locator("main a").evaluate_all("links => links.map((link) => link.href)")
    assert all(address.startswith(("http://127.0.0.1:", "https://")) for address in addresses)


def test_an_empty_home_page_is_accessible_and_has_the_first_step(
    chromium: "Browser", tmp_path_factory: pytest.TempPathFactory
) -> None:
    with RunningService(tmp_path_factory.mktemp("empty")) as service:
        service.wait(lambda: service.get("/").status_code == 200, "the home page")
        with reading(chromium, service.url) as page:
            page.goto("/")
            assert "flask track alpine" in page.locator("main").inner_text()
            assert violations(page) == []
