"""What readers of an open instance are answered, from the first view of an image to its page."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from werkzeug.test import TestResponse
from werkzeug.wrappers import Response

from tests.fakes.registry import FakeRegistry, image
from tests.running_service import badge_text
from tests.site.page import Page
from tests.web.bench import Bench

OPEN = {"open_registries": ("docker.io", "ghcr.io")}
PAGE, BADGE, DOCUMENT = "/images/{}", "/badges/size/{}.svg", "/v1/images/{}"
OF_A_RECORD = [DOCUMENT, *(f"{DOCUMENT}/-/{name}.json" for name in ("changes", "history", "releases"))]
NO_SUCH_NAME = '{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry"}]}'


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as registry:
        registry.push("example/web", "latest", image(layers=[2048]))
        registry.always("example/gone", lambda _: Response(NO_SUCH_NAME, 404))
        yield registry


@pytest.fixture
def bench(tmp_path: Path, fake: FakeRegistry) -> Bench:
    return Bench(tmp_path, "", fake, **OPEN)


@pytest.fixture
def full(tmp_path: Path, fake: FakeRegistry) -> Bench:
    """An instance that tracks no further image in this hour."""
    bench = Bench(tmp_path, "", fake, **OPEN, open_per_hour=1)
    bench.client.get("/badges/size/example/web.svg")
    return bench


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("closed"), "")


def told(answer: TestResponse) -> str:
    """Return what a page says on one line."""
    return Page(answer.data).words


@pytest.mark.parametrize("path", [PAGE, *OF_A_RECORD, f"{DOCUMENT}/version/{'0' * 64}"])
def test_the_first_request_is_answered_that_the_image_is_being_read(bench: Bench, path: str) -> None:
    answer = bench.client.get(path.format("example/web"))

    assert (answer.status_code, answer.headers["Retry-After"]) == (202, "5")


@pytest.mark.parametrize("path", [PAGE, BADGE, *OF_A_RECORD])
def test_the_next_request_after_the_check_is_answered_with_what_was_asked_for(bench: Bench, path: str) -> None:
    bench.client.get(path.format("example/web"))

    bench.command("refresh")

    assert bench.client.get(path.format("example/web")).status_code == 200
    assert badge_text(bench.client.get(BADGE.format("example/web")).data) == "size: 2.0 KiB"


def test_a_badge_says_that_it_is_pending_and_may_be_kept_for_a_minute(bench: Bench) -> None:
    answer = bench.client.get(BADGE.format("example/web"))

    assert badge_text(answer.data) == "size: pending"
    assert answer.headers["Cache-Control"] == "public, max-age=60, s-maxage=60"


def test_a_state_is_pending_as_soon_as_it_is_asked_for(bench: Bench) -> None:
    answer = bench.client.get(f"{DOCUMENT}/-/status.json".format("example/web"))

    assert (answer.status_code, answer.get_json()["State"]) == (200, "pending")


def test_the_page_of_an_image_that_is_being_read_says_so_and_asks_for_itself_without_a_script(bench: Bench) -> None:
    page = Page(bench.client.get(PAGE.format("example/web")).data)

    assert "being read for the first time. Its page appears here in a few seconds." in page.words
    (refresh,) = (meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "refresh")
    assert re.fullmatch(r"5; url=\?again=\d+", refresh or "")


@pytest.mark.parametrize("name", ["example/gone", "alpine:", "quay.io/example/web"])
def test_the_page_of_an_image_that_is_not_being_read_does_not_ask_for_itself(bench: Bench, name: str) -> None:
    bench.client.get(PAGE.format(name))
    bench.command("refresh")

    page = Page(bench.client.get(PAGE.format(name)).data)

    assert not [meta for meta in page.all("meta") if meta.get("http-equiv") == "refresh"]


@pytest.mark.parametrize("path", [PAGE, *OF_A_RECORD, f"{DOCUMENT}/-/status.json"])
def test_an_image_that_its_registry_does_not_have_is_not_found(bench: Bench, path: str) -> None:
    bench.client.get(BADGE.format("example/gone"))
    bench.command("refresh")

    assert bench.client.get(path.format("example/gone")).status_code == 404
    assert badge_text(bench.client.get(BADGE.format("example/gone")).data) == "image: not found"


def test_the_page_of_an_image_that_its_registry_does_not_have_says_so(bench: Bench) -> None:
    bench.client.get(PAGE.format("example/gone"))
    bench.command("refresh")

    assert "The registry has no public image with this name." in told(bench.client.get(PAGE.format("example/gone")))


@pytest.mark.parametrize("path", [PAGE, *OF_A_RECORD, f"{DOCUMENT}/-/status.json"])
def test_what_cannot_be_tracked_now_is_answered_with_when_to_ask_again(full: Bench, path: str) -> None:
    answer = full.client.get(path.format("example/other"))

    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 3600
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_page_of_what_cannot_be_tracked_now_says_in_how_many_minutes(full: Bench) -> None:
    assert "Open this page again in 60 minutes." in told(full.client.get(PAGE.format("example/other")))


def test_the_badge_of_what_cannot_be_tracked_now_is_pending(full: Bench) -> None:
    assert badge_text(full.client.get(BADGE.format("example/other")).data) == "size: pending"


def test_the_page_of_an_image_on_another_registry_says_which_are_open(bench: Bench) -> None:
    answer = bench.client.get(PAGE.format("quay.io/example/web"))

    assert answer.status_code == 404
    assert "tracks public images on docker.io or ghcr.io as soon as someone opens their page." in told(answer)
    assert "flask track quay.io/example/web" in told(answer)


def test_a_closed_instance_says_how_its_operator_tracks_an_image(closed: Bench) -> None:
    answer = closed.client.get(PAGE.format("example/web"))

    assert (answer.status_code, closed.command("images").output) == (404, "")
    assert "flask track example/web" in told(answer)
    assert "as soon as someone opens their page" not in told(answer)


@pytest.mark.parametrize("method", ["HEAD", "POST", "OPTIONS"])
@pytest.mark.parametrize("path", [PAGE, BADGE, DOCUMENT])
def test_only_a_get_tracks_an_image(bench: Bench, path: str, method: str) -> None:
    bench.client.open(path.format("example/web"), method=method)

    assert bench.command("images").output == ""


@pytest.mark.parametrize(
    ("entered", "location"),
    [
        ("alpine", "/images/alpine/"),
        ("docker pull Example/Web:V1", "/images/example/web:V1/"),
        ("https://hub.docker.com/r/example/web", "/images/example/web/"),
        ("//evil.example/web", "/images/evil.example/web/"),
        ("https://evil.example/web", "/images/evil.example/web/"),
        ("", "/"),
        ("  ", "/"),
    ],
)
def test_the_box_leads_to_the_page_of_the_image(closed: Bench, entered: str, location: str) -> None:
    answer = closed.client.get("/images/", query_string={"image": entered})

    assert (answer.status_code, answer.headers["Location"]) == (303, location)
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_box_leads_to_the_page_below_the_base_url(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "", base_url="https://example.org/badges")

    assert bench.client.get("/images/?image=alpine").headers["Location"] == "/badges/images/alpine/"


@pytest.mark.parametrize("entered", ["hello world", "../../x", "https://github.com/example/web", "x" * 5000, "a\0b"])
def test_what_names_no_image_leads_to_what_a_name_looks_like(closed: Bench, entered: str) -> None:
    answer = closed.client.get("/images/", query_string={"image": entered})

    assert (answer.status_code, answer.headers["Cache-Control"]) == (404, "no-store")
    assert "This is not a valid image name." in told(answer)
    assert len(answer.data) < 20_000


@pytest.mark.parametrize("path", ["/", "/images/hello%20world"])
def test_an_open_instance_has_a_box_that_works_without_a_script(bench: Bench, path: str) -> None:
    bench.round()

    page = Page(bench.client.get(path).data)

    (form,) = (form for form in page.all("form") if form.get("action"))
    assert (form["action"], "hidden" in form, form.get("method")) == ("/images/", False, None)
    assert "image" in [field.get("name") for field in page.all("input")]


@pytest.mark.parametrize("path", ["/", "/images/hello%20world"])
def test_a_closed_instance_has_no_box(closed: Bench, path: str) -> None:
    closed.round()

    assert not [form for form in Page(closed.client.get(path).data).all("form") if form.get("action")]


def test_the_metrics_count_what_came_of_requests_for_untracked_images(tmp_path: Path, fake: FakeRegistry) -> None:
    bench = Bench(tmp_path, "", fake, **OPEN, open_per_hour=1)
    for name in ("example/gone", "example/web", "example/other", "quay.io/example/web"):
        bench.client.get(BADGE.format(name))
    bench.command("refresh")
    bench.client.get(BADGE.format("example/gone"))

    families = text_string_to_metric_families(bench.client.get("/metrics").text)
    samples = [sample for family in families for sample in family.samples]
    counted = {s.labels["outcome"]: s.value for s in samples if s.name == "microbadger_untracked_requests_total"}
    assert counted == {"tracked": 1, "refused": 2, "absent": 1}


def test_the_list_of_images_marks_those_that_only_readers_asked_for(bench: Bench) -> None:
    bench.client.get(BADGE.format("example/web"))
    bench.command("track", "--no-wait", "example/kept")

    lines = bench.command("images").output.splitlines()
    marked = {line.split()[0]: line.endswith("tracked on request") for line in lines}
    assert marked == {"example/web": True, "example/kept": False}


def test_an_image_that_a_command_tracks_is_kept_for_good(bench: Bench) -> None:
    bench.client.get(BADGE.format("example/web"))

    assert bench.command("track", "--no-wait", "example/web").output == "example/web: tracked\n"

    assert "tracked on request" not in bench.command("images").output
    assert bench.command("track", "--no-wait", "example/web").output == "example/web: already tracked\n"


def test_an_image_that_readers_asked_for_can_be_untracked(bench: Bench) -> None:
    bench.client.get(BADGE.format("example/web"))

    assert bench.command("untrack", "example/web").exit_code == 0

    assert bench.command("images").output == ""
