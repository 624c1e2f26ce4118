"""How an image is configured and where it comes from, as readers see it: drawn by the page and by its script."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict
from importlib import resources
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from microbadger.badges.svg import draw
from microbadger.badges.text import badges_of
from microbadger.image.documents import VersionDocument, document_bytes
from microbadger.site.claim_rows import claim_notes, claim_rows, has_claims
from microbadger.site.config_rows import config_table
from microbadger.site.image_page import image_page
from microbadger.site.media_types import media_type_of
from microbadger.site.options import SiteOptions
from microbadger.site.step_texts import instruction_of, step_text
from tests.browser import PHONE, reading, violations
from tests.site.claims_document import CLAIMS, CONFIG, DIGEST, SECOND, claiming
from tests.site.images import image_of, layer, version
from tests.site.test_step_texts import STEPS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

SITE = "https://site.test"
SCRIPT = "<script>document.title = 'taken over'</script>"

Open = Callable[..., "Page"]


@pytest.fixture
def opened(chromium: "Browser") -> Iterator[Open]:
    """Open the page of an image with these versions, which a test made, in tabs that close with the test."""
    with ExitStack() as tabs:

        def opened(*versions: VersionDocument, **options: Any) -> "Page":
            tab: AbstractContextManager[Page] = reading(chromium, SITE, **options)
            page = tabs.enter_context(tab)
            page.route("**/*", lambda route: answer(route, versions))
            page.goto("/images/example/web/")
            return page

        yield opened


def answer(route: "Route", versions: tuple[VersionDocument, ...]) -> None:
    path = urlsplit(route.request.url).path
    by_path = {f"/v1/images/example/web/version/{version['SHA']}.json": version for version in versions}
    if path in by_path:
        route.fulfill(body=document_bytes(by_path[path]), content_type="application/json")
    elif path.startswith("/assets/"):
        asset = resources.files("microbadger.site").joinpath(path.removeprefix("/"))
        route.fulfill(body=asset.read_bytes(), content_type=media_type_of(path))
    elif path.startswith("/badges/"):
        route.fulfill(body=draw(badges_of(image_of(*versions), None)[path.split("/")[2]]), content_type="image/svg+xml")
    elif path.endswith("/-/status.json"):
        route.fulfill(json={"ImageName": "example/web", "State": "current"})
    else:
        page = image_page(image_of(*versions), version=versions[0], changes=[], site=SiteOptions(SITE))
        route.fulfill(body=page, content_type="text/html")


def open_version(page: "Page", tag: str) -> Any:
    page.get_by_role("button", name=tag).click()
    page.locator(".details .layers").wait_for()
    return page.locator(".details")


def squeezed(html: str) -> str:
    return "".join(html.split())


CONFIGS: list[Any] = [
    {},
    CONFIG,
    *({"User": user} for user in ("root", "0", "0:0", "root:x", ":x", "00", "app", "1000:0", "señor", "0x")),
    *({"Cmd": words} for words in (["a b", ""], ["it's", '"'], ["ñ", "$x", "a=b", "@%+=:,./-_"], ["\n"])),
    *({"ExposedPorts": [port]} for port in ("80", "80/tcp", "1-2/udp", "1-2", "80/x", "123456", "80/TCP", "80/tcp\n")),
    *({"StopSignal": signal} for signal in ("SIGTERM", "TERM", "15", "9", "SIGRTMIN+3", "SIGUSR2", "sigterm", "37")),
    {"Volumes": [f"/{number}" for number in range(60)]},
    {"WorkingDir": "/", "Entrypoint": ["/bin/sh", "-c", "exec a"]},
    *({"Healthcheck": {"Test": test}} for test in (["NONE"], ["CMD", "a", "b c"], ["CMD-SHELL", "a ; b"], ["x", "y"])),
    {"Healthcheck": {"Test": ["toString"], "Retries": 1, "StartInterval": 1}},
]
DURATIONS = [1, 999_999, 10**6, 15 * 10**8, SECOND, 59_999_999_999, 60 * SECOND, 90_061 * SECOND, 2**53 - 1]


@pytest.mark.parametrize("system", ["linux", "windows", None])
def test_the_script_words_a_config_as_the_page_does(opened: Open, system: str | None) -> None:
    configs = [*CONFIGS, *({"Healthcheck": {"Test": ["a"], "Interval": each, "Timeout": each}} for each in DURATIONS)]
    page = opened(version("1.0"))
    found = page.evaluate("([all, system]) => all.map((config) => configRows(config, system))", [configs, system])
    assert found == [[asdict(row) for row in config_table(config, system).rows] for config in configs]


def with_base(**base: Any) -> VersionDocument:
    return version("1.0", Base=base)


def with_provenance(**fields: Any) -> VersionDocument:
    return version("1.0", Provenance={"PredicateType": "x", **fields})


ADDRESSES = (
    "javascript:alert(1)", "https://example.org", "http://example.org/x?y#z", "https://user@example.org/",
    "https://example.org:8443/a", "http://example.org:8080/a", "https://localhost/x", "https://a.b/\"x", "//a.b",
    "https://EXAMPLE.org/A", "ftp://example.org", "https://127.0.0.1/x", "git@github.com:a/b.git", "https://a.b/%41[]",
    "https://example.orgx:x/", "https://exa mple.org", "https:example.org", "https://example.org/a\u202eb\n",
)  # fmt: skip
CLAIMED: list[VersionDocument] = [
    version("1.0"),
    claiming("1.0"),
    claiming("1.0", VersionControl=None, Source=None),
    *(with_base(Name="alpine", State=state) for state in ("current", "outdated", "unknown")),
    *(with_base(Name="alpine", State="outdated", MovedAt="2026-11-20T10:00:00Z", **exact) for exact in (
        {}, {"MovedAtIsExact": False})),
    *(with_base(Name=name) for name in (
        "docker.io/library/alpine:3.22", "docker.io/owner/app", "index.docker.io/library/alpine", "library/alpine",
        "ghcr.io/library/app:1", f"alpine:3.22@{DIGEST}", "alpine@sha256:ab")),
    with_base(Digest=DIGEST),
    *(with_provenance(Source=address, Invocation=address) for address in ADDRESSES),
    with_provenance(Unread="it is too large"),
    with_provenance(BuilderName="GitHub Actions", Commit="señor", StartedAt="2026-11-20T10:00:00Z"),
    with_provenance(Inputs=[{"URI": str(number)} for number in range(12)]),
    with_provenance(Inputs=[{"URI": "a", "Digest": "sha1:0123456789abcdef"}], InputCount=1, Differs=["Source", "x"]),
    *(version("1.0", SBOM={"Format": "SPDX", **fields}) for fields in (
        {}, {"PackageCount": 1}, {"PackageCount": 0, "Licenses": {}}, {"Licenses": {"MIT": 1}}, {"Unread": "señor"},
        {"Licenses": dict.fromkeys("abcdef", 2)})),
    *(version("1.0", Signatures=[{"Kind": "cosign"}] * count) for count in (0, 1, 12)),
    version("1.0", UnreadClaims="It is away."),
    version("1.0", Unread="x"),
    version("1.0", Unsupported="a chart", Platforms=[], Signatures=[]),
    version("1.0", Unsupported="a chart", Platforms=[], EndOfLife="2026-01-02"),
]  # fmt: skip


def test_the_script_words_claims_as_the_page_does(opened: Open) -> None:
    page = opened(version("1.0"))
    found = page.evaluate("all => all.map((each) => [claimRows(each), claimNotes(each), hasClaims(each)])", CLAIMED)
    assert found == [
        [[asdict(row) for row in claim_rows(each)], claim_notes(each), has_claims(each)] for each in CLAIMED
    ]


def test_the_script_words_steps_as_the_page_does(opened: Open) -> None:
    page = opened(version("1.0"))
    commands = [command for command, _ in STEPS]
    assert page.evaluate("all => all.map(stepText)", commands) == [step_text(command) for command in commands]
    assert page.evaluate("all => all.map(instructionOf)", commands) == [instruction_of(command) for command in commands]


PARENT = {"ImageName": "example/base", "Tags": [{"tag": "1.0"}], "SHA": "ab", "LayerCount": 2, "MicrobadgerURL": ""}


@pytest.mark.parametrize("fields", [{"Base": {"Name": "alpine", "LayerCount": 1}}, {"Parents": [PARENT]}, {}])
def test_the_script_draws_layers_as_the_page_has_them(opened: Open, fields: dict[str, Any]) -> None:
    steps = [("ADD rootfs /", 4096), ('CMD ["sh"]', 0), ("EXPOSE 80", 0), ("RUN a; b", 10_240), ("", 1), (SCRIPT, 0)]
    layers = [layer(command, size) for command, size in steps]
    sums = {"DownloadSize": 14_337, "LayerCount": 3}
    platform = {"OS": "linux", "Architecture": "amd64", "Digest": DIGEST, **sums}
    page = opened(version("1.0", Layers=layers, Platforms=[platform], **sums, **fields))
    as_published = squeezed(page.locator("#layers .shown").inner_html())
    assert as_published.count("baseimage") == {"Base": 2, "Parents": 3}.get(next(iter(fields), ""), 0)
    assert squeezed(open_version(page, "1.0").locator(".shown").inner_html()) == as_published


def test_of_another_platform_no_layer_is_marked_as_the_base_images(opened: Open) -> None:
    page = opened(claiming("1.0", Base={"Name": "alpine", "LayerCount": 1}))
    assert "base image" in page.locator("#layers .shown").inner_text()
    page.locator("#layers").get_by_label("Platform").select_option("linux/arm64")
    page.locator("#layers .sum", has_text="arm64").wait_for()
    assert "base image" not in page.locator("#layers .shown").inner_text()


def test_the_script_draws_configuration_and_claims_as_the_page_has_them(opened: Open) -> None:
    page = opened(claiming("1.0"))
    parts = {name: squeezed(page.locator(f"{name} .shown").inner_html()) for name in ("#configuration", "#origin")}

    opened_version = squeezed(open_version(page, "1.0").inner_html())
    page.locator("#layers").get_by_label("Platform").select_option("linux/arm64")
    page.locator("#configuration .aside", has_text="arm64").wait_for()
    page.locator("#layers").get_by_label("Platform").select_option("linux/amd64")
    page.locator("#configuration .aside", has_text="amd64").wait_for()

    assert squeezed(page.locator("#configuration .shown").inner_html()) == parts["#configuration"]
    assert all(part in opened_version for part in parts.values())


def test_another_platform_has_its_own_configuration(opened: Open) -> None:
    page = opened(claiming("1.0"))
    page.locator("#layers").get_by_label("Platform").select_option("linux/arm64")
    page.locator("#configuration .aside", has_text="For linux/arm64.").wait_for()
    assert page.locator("#configuration dd").all_inner_texts() == ["app"]
    assert page.locator("#configuration table").count() == 0


def test_a_config_that_the_document_does_not_have_is_not_known(opened: Open) -> None:
    platforms = claiming()["Platforms"]
    del platforms[0]["Config"], platforms[1]["Config"]
    page = opened(claiming("1.0", Platforms=platforms))
    config = page.locator("#configuration")
    page.locator("#layers").get_by_label("Platform").select_option("linux/arm64")
    config.get_by_text("Unknown.").wait_for()
    page.locator("#layers").get_by_label("Platform").select_option("linux/amd64")
    config.get_by_text("Environment").wait_for()  # that of the main platform is also that of the version
    assert config.get_by_text("Unknown.").count() == 0


def test_another_version_opens_with_its_own_configuration_and_claims(opened: Open) -> None:
    other = version("0.9", Config={"User": "app", "Env": ["TOKEN"]}, Base={"Name": "debian:12", "State": "current"})
    page = opened(claiming("1.0"), other)
    details = open_version(page, "0.9").inner_text()
    for text in ("app", "TOKEN", "only the names of the variables", "debian:12", "its tag names the same layers"):
        assert text in details


def test_the_age_of_a_base_is_in_words(opened: Open) -> None:
    page = opened(claiming("1.0", Base={**CLAIMS["Base"], "MovedAt": "2020-01-01T00:00:00Z"}))
    base = page.locator("#origin dd").first.inner_text()
    assert base.startswith("alpine:3.22 0123456789ab outdated the tag moved ")
    assert base.endswith(" years ago or earlier")


def test_everything_can_be_read_without_the_script(opened: Open) -> None:
    page = opened(claiming("1.0"), java_script_enabled=False)
    assert "the tag moved 20 November 2026 or earlier" in page.locator("#origin").inner_text()
    assert page.locator("#configuration tbody th:visible").count() == 5
    assert "every 30 seconds, timeout 5 seconds, 3 retries" in page.locator("#configuration").inner_text()
    assert "30 November 2027" in page.locator("#origin").inner_text()


def test_hostile_texts_are_texts_for_the_script_too(opened: Open) -> None:
    text = f"{SCRIPT}\u202e"
    hostile = claiming(
        "1.0",
        Config={"User": text, "Env": [f"{text}={text}", text], "Cmd": [text], "ExposedPorts": [text],
                "Healthcheck": {"Test": [text, text]}, "Volumes": [text], "WorkingDir": text, "StopSignal": text},
        Base={"Name": text},
        Provenance=dict.fromkeys(("PredicateType", "Builder", "BuilderName", "Commit", "Dockerfile", "Unread"), text)
        | dict.fromkeys(("Source", "Invocation"), "javascript:alert(1)") | {"Inputs": [{"URI": text, "Digest": text}]},
        SBOM={"Format": text, "Licenses": {text: 1}, "Unread": text},
        Signatures=[{"Kind": text}],
        UnreadClaims=text,
    )  # fmt: skip
    page = opened(hostile)
    details = open_version(page, "1.0")
    assert details.inner_text().count(SCRIPT) > 15
    assert "\u202e" not in page.locator("main").inner_text()
    assert page.locator("main script").count() == 0
    links = page.locator("main a").evaluate_all("links => links.map((link) => link.href)")
    assert all(link.startswith((SITE, "https://")) for link in links)
    assert page.title() == "example/web · MicroBadger"


def open_everything(page: "Page") -> None:
    open_version(page, "1.0")
    page.locator("main details").evaluate_all("all => all.forEach((each) => { each.name = ''; each.open = true; })")


def test_it_fits_on_a_phone(opened: Open) -> None:
    page = opened(claiming("1.0"), viewport=PHONE)
    open_everything(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


@pytest.mark.parametrize("config", [CONFIG, {"Env": ["TOKEN", "MODE"]}, {}], ids=range(3))
def test_axe_finds_no_violation_in_light_in_dark_and_on_a_phone(opened: Open, config: Any) -> None:
    page = opened(claiming("1.0", Config=config))
    open_everything(page)
    assert violations(page) == []
    page.emulate_media(color_scheme="dark")
    assert violations(page) == []
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    assert violations(page) == []
