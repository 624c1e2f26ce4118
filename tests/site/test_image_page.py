"""What the page of an image says, and the page about one of its tags."""

import gzip
import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.badges.svg import STYLES
from microbadger.badges.text import BADGE_TYPES
from microbadger.image.changes import ChangeDocument
from microbadger.image.describe import describe_image, tagged
from microbadger.image.differences import DifferenceDocument
from microbadger.image.documents import PlatformDocument, RelativeDocument, TagDocument, VersionDocument, tags_of
from microbadger.image.history import MOST_POINTS, PointDocument
from microbadger.image.labels import KNOWN_FIELDS
from microbadger.image.reference import Repository
from microbadger.site.image_page import image_page
from microbadger.site.markup import FORMATS, badge_link
from microbadger.site.options import SiteOptions
from microbadger.site.templating import visible
from tests.site.claims_document import claiming
from tests.site.images import UPDATED_AT, WEB, image_of, layer, version
from tests.site.page import Page

BASE = "https://badges.example.org"
SITE, STATIC_SITE = SiteOptions(BASE), SiteOptions(BASE, is_static=True)
OCI = "org.opencontainers.image"


def page_of(
    current: VersionDocument,
    *others: VersionDocument,
    changes: Sequence[ChangeDocument] = (),
    points: Sequence[PointDocument] = (),
    site: SiteOptions = SITE,
    webhook_url: str | None = None,
) -> Page:
    image = image_of(current, *others, webhook_url=webhook_url)
    return Page(image_page(image, version=current, changes=changes, points=points, site=site))


def test_an_image_page_with_a_hundred_tags_and_a_long_history_is_under_60_kb_compressed() -> None:
    numbers = random.Random(4)
    architectures = ("amd64", "arm64", "arm", "ppc64le", "s390x", "riscv64")
    platforms = [
        PlatformDocument(OS="linux", Architecture=name, Digest=f"sha256:{number:064}", DownloadSize=1, LayerCount=30)
        for number, name in enumerate(architectures)
    ]

    def seen() -> str:
        month, day, fraction = numbers.randrange(10, 13), numbers.randrange(10, 29), numbers.randrange(10**5, 10**6)
        return f"2026-{month}-{day}T10:00:18.{fraction}Z"

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
            Tags=[TagDocument(tag=tag, FirstSeen=seen(), FirstSeenIsExact=False)],
            FirstSeen=seen(),
        )

    layers = [layer(f"RUN {numbers.randbytes(60).hex()}", numbers.randrange(10**8)) for _ in range(60)]
    current = {**labelled("latest"), "Layers": layers}
    others = [labelled(f"{number}.{numbers.randrange(100)}-alpine") for number in range(99)]
    image = image_of(current, *others)  # type: ignore[arg-type]
    points = [
        PointDocument(
            Time=f"{2000 + number}-{numbers.randrange(10, 13)}-01T10:00:{numbers.randrange(10, 60)}Z",
            Version=f"1.{number}.0",
            Digest=f"sha256:{numbers.getrandbits(256):064x}",
            DownloadSize=numbers.randrange(10**9),
            LayerCount=numbers.randrange(1, 100),
        )
        for number in range(MOST_POINTS)
    ]

    def differing() -> ChangeDocument:
        texts = {f"{OCI}.{name}": f"{numbers.getrandbits(160):040x}" for name in ("revision", "version", "created")}
        found: DifferenceDocument = {"Labels": {key: {"Old": text[::-1], "New": text} for key, text in texts.items()}}
        return {**CHANGE, "Changed": [{**CHANGE["Changed"][0], "Difference": found}]}

    changes = [differing() for _ in range(100)]
    page = image_page(image, version=current, changes=changes, points=points, site=SITE)  # type: ignore[arg-type]
    assert b'class="chart"' in page
    assert len(gzip.compress(page, 6)) < 60_000


def test_an_image_has_its_facts_in_words() -> None:
    page = page_of(version("1.2.0", "latest", Labels={f"{OCI}.description": "Bäckt Brötchen"}))
    for fact in ("Docker Hub", "Bäckt Brötchen", "1.2.0", "2.0 KiB", "linux/amd64", "20 November 2026"):
        assert fact in page.text
    assert {"datetime": "2026-11-20T10:00:00Z", "title": "2026-11-20 10:00:00 UTC"} in page.all("time")
    assert "docker pull example/web:1.2.0" in page.text


SEEN = {"FirstSeen": "2026-11-21T10:00:00Z"}
SEEN_LATER = {"FirstSeen": "2026-11-23T10:00:00Z", "FirstSeenIsExact": False}


def test_it_says_when_the_version_was_first_seen_with_a_date_that_stays_true() -> None:
    page = page_of(version("1.0", **SEEN))
    assert "first seen here 21 November 2026 Updated" in page.words
    assert "First seen here: 21 November 2026 Download" in page.words
    assert {"datetime": "2026-11-21T10:00:00Z", "title": "2026-11-21 10:00:00 UTC"} in page.all("time")


def test_an_upper_bound_says_that_it_may_have_been_earlier() -> None:
    page = page_of(version("1.0", **SEEN_LATER))
    assert "first seen here 23 November 2026 or earlier Updated" in page.words
    assert "First seen here: 23 November 2026 or earlier Download" in page.words


def test_the_page_about_a_tag_says_when_the_tag_was_first_seen_to_name_its_version() -> None:
    tagged_later = version(Tags=[{"tag": "1.0", **SEEN}, {"tag": "stable", **SEEN_LATER}], **SEEN)
    page = tag_page("stable", tagged_later)
    assert page.words.count("23 November 2026 or earlier") == 2


def test_each_tag_in_the_panel_of_badges_has_when_it_was_first_seen() -> None:
    page = page_of(version(Tags=[{"tag": "1.0", **SEEN}, {"tag": "stable", **SEEN_LATER}, {"tag": "odd"}], **SEEN))
    about = [attributes for attributes in page.all("option") if "selected" not in attributes][:4]
    assert about == [
        {"value": "", "data-first-seen": "2026-11-21T10:00:00Z"},
        {"data-first-seen": "2026-11-21T10:00:00Z"},
        {"data-first-seen": "2026-11-23T10:00:00Z", "data-or-earlier": None},
        {},
    ]


def test_what_was_never_seen_says_nothing_of_it() -> None:
    assert "first seen" not in page_of(version("1.0")).words.lower()


@pytest.mark.parametrize("site", [SITE, STATIC_SITE])
def test_it_has_the_config_that_makes_renovate_read_the_releases(site: SiteOptions) -> None:
    page = page_of(version("1.0"), site=site)
    config = json.loads(page.text[page.text.index("{") : page.text.rindex("}") + 1])
    url = config["customDatasources"]["microbadger"]["defaultRegistryUrlTemplate"]
    assert url == f"{BASE}/v1/images/{{{{packageName}}}}/-/releases.json"
    assert [rule["matchPackageNames"] for rule in config["packageRules"]] == [["example/web"]]
    assert "/v1/images/example/web/-/releases.json" in page.values("href")


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
    image = describe_image(Repository.parse(name), [current], updated_at=UPDATED_AT)
    page = Page(image_page(image, version=current, changes=[], site=SITE))
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
def test_a_hostile_text_is_shown_as_text_everywhere(text: str) -> None:
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
    page = Page(image_page(image, version=current, changes=[], site=SITE))
    names = [re.findall(r"/assets/(\w+)\.js", script["src"] or "") for script in page.all("script")]
    assert names == [["rows"], ["badges"], ["page"]]
    assert all(url.startswith(("/", "#", "https://")) for url in page.values("href"))
    assert visible(page.text) == page.text


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
    page = Page(image_page(image, version=None, changes=[], site=SITE))
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
    assert {"/images/alpine/", "/images/a/copy/"} <= set(page.values("href"))


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
    assert "No tags have moved since tracking began." in page.text
    assert "Last change" not in page.text
    assert page.values("href").count("/images/example/web/-/feed.xml") == 2


def test_a_public_webhook_stands_on_the_page_ready_to_be_used() -> None:
    url = f"{BASE}/images/example/web/token"
    page = page_of(version("1.0"), webhook_url=url)
    assert f'curl -X POST "{url}"' in page.text
    assert "POST to this URL to refresh the image immediately; otherwise it is checked daily." in page.words
    for sender in ("Docker Hub", "GitHub Actions", "GitLab CI", "Quay", "Harbor", "Your own registry"):
        assert sender in page.text
    assert "$WEBHOOK_URL" not in page.text


def test_where_webhooks_are_secret_it_says_how_the_operator_gets_one() -> None:
    page = page_of(version("1.0"))
    assert "flask webhook example/web" in page.text
    assert 'curl -X POST "$WEBHOOK_URL"' in page.text


def test_the_page_says_when_its_facts_changed_and_leaves_the_last_check_to_the_script() -> None:
    page = page_of(version("1.0"))
    assert "Updated 24 November 2026" in page.words
    checked = [dd for dd in page.all("dd") if dd.get("id") == "checked"]
    assert [dd["aria-live"] for dd in checked] == ["polite"]
    status = [div for div in page.all("div") if "data-status" in div]
    assert status == [{"aria-live": "polite", "data-status": "/v1/images/example/web/-/status.json"}]


def tag_page(tag: str, *versions: VersionDocument, site: SiteOptions = SITE) -> Page:
    image = image_of(*versions)
    shown = next(version for version in versions if tag in tags_of(version))
    return Page(image_page(image, tag=tag, version=shown, changes=[], site=site))


CURRENT = version("2.0", "latest", Created="2026-11-20T10:00:00Z")
OLD = version(
    "1.0",
    "1",
    Created="2026-11-01T10:00:00Z",
    DownloadSize=4096,
    Layers=[layer("COPY old /", 4096)],
    Labels={f"{OCI}.licenses": "MIT"},
)


def test_the_page_about_a_tag_shows_the_facts_layers_and_labels_of_its_version() -> None:
    page = tag_page("1.0", CURRENT, OLD)
    assert "Version 1.0 also 1 Download size 4.0 KiB" in page.words
    for text in ("docker pull example/web:1.0", "COPY old /", "Layers of 1.0", "MIT", "1 November 2026"):
        assert text in page.text
    assert "COPY web /" not in page.text


def test_an_image_can_be_pulled_by_tag_by_digest_and_by_both() -> None:
    page, tagged_page = page_of(CURRENT, OLD), tag_page("1.0", CURRENT, OLD)
    assert f"docker pull example/web:2.0@{CURRENT['Digest']}Copy" in page.words
    for text in ("docker pull example/web:1.0", f"Digest {OLD['Digest']}", f"example/web:1.0@{OLD['Digest']}"):
        assert f"{text}Copy" in tagged_page.words


def test_the_page_comes_in_the_order_in_which_readers_ask() -> None:
    points = [PointDocument(Time="2026-11-20T10:00:00Z", Digest=CURRENT["Digest"], DownloadSize=1, LayerCount=1)] * 2
    page = page_of({**CURRENT, "Config": {}}, OLD, changes=[CHANGE], points=points)
    parts = ["badges", "webhook", "versions", "layers", "labels", "configuration", "origin", "history", "changes"]
    assert [each for each in page.values("id") if each in parts] == parts
    texts = ["Download size", "docker pull", "@sha256:", "Last change", "Get the badges"]
    assert texts == sorted(texts, key=page.text.index)


def test_the_last_change_stands_near_the_top_in_a_line() -> None:
    said = "Last change 20 November 2026 : latest moved to sha256:aaaaaaaaaaaa, 1.1 is new, 0.9 is gone. All changes"
    assert said in page_of(version("1.1"), changes=[CHANGE, CHANGE]).words


def test_the_page_about_a_tag_has_the_changes_of_the_tag() -> None:
    image = image_of(CURRENT, OLD)
    base = {"Name": "alpine:3.22", "NewDigest": "sha256:ab", "Tags": ["1.0"]}
    later: ChangeDocument = {**CHANGE, "Deleted": [], "BaseMoved": [base]}  # type: ignore[list-item]
    page = Page(image_page(image, tag="1.0", version=OLD, changes=[CHANGE, later], site=SITE))
    assert "Last change 20 November 2026 : base image alpine:3.22 has moved." in page.words
    assert "Changes of 1.0 20 November 2026 1.0 base image alpine:3.22 has moved to ab Follow" in page.words
    assert "Changes of 1 This tag has not moved since tracking began." in tag_page("1", CURRENT, OLD).words


def test_the_page_about_a_tag_leads_to_the_other_versions_and_does_not_list_them() -> None:
    page = tag_page("1.0", CURRENT, OLD)
    assert "/images/example/web/#versions" in page.values("href")
    assert not {"#versions"} & set(page.values("href"))
    assert "versions" not in page.values("id")


def test_the_pages_about_a_hundred_tags_are_small() -> None:
    versions = [version(f"1.{number}", Created=f"20{number:02}-11-20T10:00:00Z") for number in range(13, 100)]
    page = image_page(image_of(*versions), tag="1.50", version=versions[37], changes=[], site=SITE)
    assert len(page) < 40_000


def test_the_page_about_a_tag_names_it_and_leads_to_the_current_version() -> None:
    page = tag_page("1.0", CURRENT, OLD)
    assert "Docker Hub example/web:1.0 Current version" in page.words
    assert "example/web:1.0 · MicroBadger" in page.text
    assert f"{BASE}/images/example/web:1.0/" in [link["href"] for link in page.all("link")]
    assert "/images/example/web/" in page.values("href")


def test_the_page_about_a_tag_has_the_badges_of_the_tag_and_their_markup() -> None:
    page = tag_page("1.0", CURRENT, OLD)
    shown = [image["src"] for image in page.all("img") if "/badges/" in (image["src"] or "")]
    assert shown
    assert all(source and source.endswith("/example/web:1.0.svg") for source in shown)
    assert "license: MIT" in page.values("alt")
    for badge_type in BADGE_TYPES:
        assert FORMATS["markdown"](badge_link(BASE, WEB, badge_type, "1.0")) in page.text
    assert page.all("option").count({"selected": None}) == 1


def test_a_static_page_offers_no_webhook_and_no_other_style() -> None:
    page = page_of(version("1.0"), site=STATIC_SITE, webhook_url=f"{BASE}/images/example/web/token")
    assert "webhook" not in page.text.lower()
    assert [select["name"] for select in page.all("select")] == ["tag", "format"]


def test_the_service_offers_a_webhook_and_other_styles() -> None:
    page = page_of(version("1.0"))
    assert "Get the webhook" in page.text
    assert [select["name"] for select in page.all("select")] == ["tag", "style", "format"]


def test_every_badge_and_every_format_is_offered_by_name() -> None:
    page = page_of(version("1.0"))
    assert {li["data-type"] for li in page.all("li") if "data-type" in li} == {*BADGE_TYPES}
    assert [option["value"] for option in page.all("option") if option.get("value")] == list(FORMATS)
    for badge_type in BADGE_TYPES:
        assert FORMATS["markdown"](badge_link(BASE, WEB, badge_type)) in page.text


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
    image = describe_image(repository, [version("1.0")], updated_at=UPDATED_AT)
    page = Page(image_page(image, version=None, changes=[], site=SITE))
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


def section(page: bytes, name: str) -> Page:
    """Return one section of a page."""
    begin = page.index(f'<section id="{name}"'.encode())
    return Page(page[begin : page.index(b"</section>", begin) + len(b"</section>")])


def part_of(name: str, current: VersionDocument) -> Page:
    return section(image_page(image_of(current), version=current, changes=[], site=SITE), name)


def test_the_configuration_is_in_words() -> None:
    words = part_of("configuration", claiming("1.0")).words
    for text in (
        "For linux/amd64.",
        "User root given as 0:0",
        "Command nginx -g 'daemon off;'",
        "Ports 443 (TCP), 53 (UDP), 8000 to 8010 (TCP)",
        "every 30 seconds, timeout 5 seconds, 3 retries, after a start period of 1 minute",
        "Stop signal SIGQUIT asks it to quit",
        "Environment Name Value PATH /usr/local/bin:/bin MODE fast EMPTY LONG",
        "GREETING señor",
    ):
        assert text in words


def test_a_config_that_says_nothing_runs_as_root() -> None:
    page = part_of("configuration", version("1.0", Config={}))
    assert page.words == "Configuration User root the image sets no user"


def test_a_config_that_was_not_read_is_not_known() -> None:
    assert part_of("configuration", version("1.0")).words == "Configuration Unknown."


def test_of_a_private_image_it_has_the_names_of_variables_and_says_why() -> None:
    page = part_of("configuration", version("1.0", Config={"Env": ["TOKEN", "MODE"]}))
    why = "Values can be secrets, so only the names of the variables of a private image are published."
    assert page.words.endswith(f"Environment Name TOKEN MODE {why}")
    assert len(page.all("td")) == 0


@pytest.mark.parametrize(
    ("count", "said"),
    [(200, ""), (201, " 1 more variable is in the JSON."), (203, " 3 more variables are in the JSON.")],
)
def test_of_many_variables_two_hundred_are_shown(count: int, said: str) -> None:
    page = part_of("configuration", version("1.0", Config={"Env": [f"V{number}=x" for number in range(count)]}))
    assert page.words.endswith(f"V199 x{said}")


def test_where_an_image_comes_from_is_a_claim_with_dates_that_stay_true() -> None:
    words = part_of("origin", claiming("1.0")).words
    for text in (
        "These are claims of the publisher of the image. This service does not check them.",
        "The labels and the provenance name different commits.",
        "Some of this could not be read: The registry limits pulls.",
        "alpine:3.22 0123456789ab outdated the tag moved 20 November 2026 or earlier",
        "GitHub Actions",
        "the labels say c0ffee",
        "started 20 November 2026 finished 20 November 2026",
        "and 11 more",
        "SPDX 2.3 214 packages MIT (120), Apache-2.0 (40), GPL-2.0-only (20), BSD-3-Clause (9), Zlib (4) and 2 others",
        "cosign made 20 November 2026 notation",
        "End of life 30 November 2027",
    ):
        assert text in words
    assert not any(word in words.lower() for word in ("verified", "trusted", "level"))


def test_an_image_of_which_nothing_is_claimed_says_so() -> None:
    words = part_of("origin", version("1.0", Signatures=[])).words
    assert words.endswith("Base image not given Provenance none SBOM none Signatures none")


def test_a_version_that_was_not_read_has_neither_configuration_nor_claims() -> None:
    page = page_of(version("1.0", Unread="it could not be read", Config={}))
    assert {"configuration", "origin"} & set(page.values("id")) == set()
    assert {"#configuration", "#origin"} & set(page.values("href")) == set()


def test_configuration_and_claims_can_be_jumped_to() -> None:
    page = page_of(version("1.0"))
    assert {"#configuration", "#origin"} <= set(page.values("href"))
    assert {"configuration", "origin"} <= set(page.values("id"))


def test_the_page_about_a_tag_has_the_configuration_and_the_base_of_its_version() -> None:
    old = version("1.0", Config={"User": "app"}, Base={"Name": "debian:12"}, Created="2026-01-01T00:00:00Z")
    page = tag_page("1.0", claiming("2.0", "latest"), old)
    assert "User app" in page.words
    assert "debian:12" in page.words
    assert "alpine:3.22" not in page.words


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_configs_and_claims_are_shown_as_text(text: str) -> None:
    words = ("PredicateType", "Builder", "BuilderName", "Commit", "Dockerfile", "Source", "Invocation", "Unread")
    hostile = claiming(
        "1.0",
        Config={
            **dict.fromkeys(("User", "WorkingDir", "StopSignal"), text),
            **{name: [text, text] for name in ("Entrypoint", "Cmd", "ExposedPorts", "Volumes")},
            "Env": [f"{text}={text}", text],
            "Healthcheck": {"Test": [text, text]},
        },
        Base={"Name": text, "State": "unknown"},
        Provenance={**dict.fromkeys(words, text), "Inputs": [{"URI": text, "Digest": text}], "Differs": [text]},
        SBOM={"Format": text, "FormatVersion": text, "Licenses": {text: 1}, "Unread": text},
        Signatures=[{"Kind": text}],
        UnreadClaims=text,
        Source=text,
    )
    page, clean = page_of(hostile), page_of(claiming("1.0"))
    assert [name for name, _ in page.elements if name in ("script", "img")] == [
        name for name, _ in clean.elements if name in ("script", "img")
    ]
    assert all(url.startswith(("/", "#", "https://")) for url in page.values("href"))
    assert visible(page.text) == page.text
    assert len(page.text) < 150_000
