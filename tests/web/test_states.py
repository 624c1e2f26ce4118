"""The state of an image: everything that shows it says the same, and how long that may be kept."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from microbadger.image.documents import Reason
from microbadger.image.reference import Repository
from tests.fakes.registry import FakeRegistry, image
from tests.running_service import badge_text
from tests.site.page import Page
from tests.web.bench import Bench

KEPT = "public, max-age=300, s-maxage=300, stale-while-revalidate=86400, stale-if-error=604800"
PASSING = "public, max-age=60, s-maxage=60"
SENTENCE = "größe.example has said so"
NOT_FOUND, PENDING, PUBLISHED = "image: not found", "size: pending", "size: 2.0 KiB"


@dataclass(frozen=True)
class Row:
    """A name, and what is said of it: by the badge of its size, by its page and the lists; and its state if it has one.

    ``status`` is that of the page and the document. A page without a ``heading`` of its own is about the image.
    """

    name: str
    status: int
    badge: str
    heading: str
    listed: str = ""
    state: str | None = None
    reason: Reason | None = None

    @property
    def image(self) -> str:
        return self.name.partition(":")[0]

    @property
    def cache(self) -> str:
        return KEPT if self.status == 200 else PASSING


REASONS: dict[Reason, tuple[int, str, str]] = {
    "not_found": (404, NOT_FOUND, "not found in registry"),
    "denied": (404, NOT_FOUND, "private or not found"),
    "rate_limited": (202, PENDING, "rate limited by registry"),
    "unreachable": (202, PENDING, "registry unreachable"),
    "bad_answer": (202, PENDING, "registry answer invalid"),
    "local": (202, PENDING, "cannot be stored"),
}
ROWS = {
    "not a name": Row("Große/Bäcker", 404, NOT_FOUND, "Not found"),
    "not tracked": Row("example/unknown", 404, NOT_FOUND, "Not tracked"),
    "tag of an image that is not tracked": Row("example/unknown:1.0", 404, NOT_FOUND, "Not tracked"),
    "pending": Row("example/pending", 202, PENDING, "Not read yet", "not read yet", "pending"),
    "tag of a pending image": Row("example/pending:1.0", 202, PENDING, "Not read yet", "not read yet", "pending"),
    "current": Row("example/current", 200, PUBLISHED, "", "", "current"),
    "tag": Row("example/current:1.0", 200, PUBLISHED, "", "", "current"),
    "unknown tag": Row("example/current:nope", 404, "nope: not found", "Tag not found", "", "current"),
    "overdue": Row("example/overdue", 200, PUBLISHED, "", "check overdue", "overdue"),
    **{
        f"failing: {reason}": Row(f"kept/{reason}", 200, PUBLISHED, "", words, "failing", reason)
        for reason, (_, _, words) in REASONS.items()
    },
    **{
        f"failing, never read: {reason}": Row(
            f"new/{reason}", status, badge, words.capitalize(), words, "failing", reason
        )
        for reason, (status, badge, words) in REASONS.items()
    },
    "unknown tag of a failing image": Row(
        "kept/local:nope", 404, "nope: not found", "Tag not found", "cannot be stored", "failing", "local"
    ),
    "tag of an image that was denied": Row(
        "new/denied:1.0", 404, NOT_FOUND, "Private or not found", "private or not found", "failing", "denied"
    ),
}
TRACKED = {row.image for row in ROWS.values() if row.state}
every_row = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A service with an image in each state."""
    read = [name for name in TRACKED if not name.startswith(("new/", "example/pending"))]
    with FakeRegistry() as fake:
        for name in read:
            for tag in ("1.0", "latest"):
                fake.push(name, tag, image(layers=[2048]))
        bench = Bench(tmp_path_factory.mktemp("states"), " ".join(TRACKED), fake)
        bench.freshness.upkeep.follow_tracked()
        bench.refresh(*read)
        for row in ROWS.values():
            if row.state in ("overdue", "failing"):
                put_into_state(bench, Repository.parse(row.image), row.reason)
        bench.freshness.catalogue.publish_if_stale()
        yield bench


def put_into_state(bench: Bench, repository: Repository, reason: Reason | None) -> None:
    """Have the last check failed, or the next one overdue."""
    checks = bench.freshness.checks
    check = checks.get(repository)
    if reason:
        check = checks.failed(replace(check, began_at=checks.now()), reason, SENTENCE)
    else:
        check = replace(check, due_at=checks.now() - timedelta(hours=1))
    with bench.tools.database.write() as connection:
        checks.write(connection, repository, check)


def badge(bench: Bench, row: Row, suffix: str, badge_type: str = "size") -> TestResponse:
    return bench.client.get(f"/badges/{badge_type}/{row.name}.{suffix}")


def listed(bench: Bench, row: Row) -> dict[str, Any] | None:
    """Return what the list of all images says."""
    images = bench.client.get("/v1/images").get_json()["Images"]
    return next((entry for entry in images if entry["ImageName"] == row.image), None)


@every_row
def test_the_badge_says_it(bench: Bench, row: Row) -> None:
    answer = badge(bench, row, "svg")

    assert (answer.status_code, answer.mimetype) == (200, "image/svg+xml")
    assert badge_text(answer.data) == row.badge


@every_row
def test_the_badge_as_a_document_says_it(bench: Bench, row: Row) -> None:
    document = badge(bench, row, "json").get_json()

    assert f"{document['label']}: {document['message']}" == row.badge


@every_row
def test_the_badge_in_another_style_says_it(bench: Bench, row: Row) -> None:
    answer = bench.client.get(f"/badges/size/{row.name}.svg?style=for-the-badge")

    assert badge_text(answer.data) == row.badge


@every_row
def test_the_page_says_it(bench: Bench, row: Row) -> None:
    answer = bench.client.get(f"/images/{row.name}")

    assert (answer.status_code, answer.mimetype) == (row.status, "text/html")
    assert f"<title>{row.heading or row.name} · MicroBadger</title>" in answer.text


@every_row
def test_the_document_is_answered_with_the_status_of_the_page(bench: Bench, row: Row) -> None:
    answer = bench.client.get(f"/v1/images/{row.name}")

    assert (answer.status_code, answer.mimetype) == (row.status, "application/json")


@every_row
def test_the_state_is_answered(bench: Bench, row: Row) -> None:
    answer = bench.client.get(f"/v1/images/{row.image}/-/status.json")

    status = answer.get_json()
    assert answer.status_code == (200 if row.state else 404)
    assert (status.get("State"), status.get("Reason")) == (row.state, row.reason)


@every_row
def test_the_list_of_all_images_says_it(bench: Bench, row: Row) -> None:
    entry = listed(bench, row)

    assert (entry and (entry["State"], entry.get("Reason"))) == (row.state and (row.state, row.reason))


@every_row
def test_a_page_of_the_list_says_what_the_list_says(bench: Bench, row: Row) -> None:
    images = bench.client.get("/v1/images?page_size=1000").get_json()["Images"]

    assert next((entry for entry in images if entry["ImageName"] == row.image), None) == listed(bench, row)


@every_row
def test_the_home_page_says_it(bench: Bench, row: Row) -> None:
    rows = bench.client.get("/").text.replace("<wbr>", "").split("<tr>")[1:]

    states = [re.findall('<span class="tag">(.*?)</span>', text) for text in rows if f">{row.image}<" in text]
    assert states == ([[row.listed] if row.listed else []] if row.state else [])


@every_row
def test_the_command_that_lists_images_says_it(bench: Bench, row: Row) -> None:
    columns = [line.split("  ") for line in bench.command("images").output.splitlines()]

    assert [column[1] for column in columns if column[0] == row.image] == [row.listed or "current"] * bool(row.state)


def test_the_state_of_the_service_counts_it(bench: Bench) -> None:
    health = bench.client.get("/healthz").get_json()

    states = [entry["State"] for entry in bench.client.get("/v1/images").get_json()["Images"]]
    assert (health["Images"], health["Pending"], health["Failing"]) == (
        len(TRACKED),
        states.count("pending"),
        states.count("failing"),
    )


@every_row
@pytest.mark.parametrize("path", ["/badges/size/{}.svg", "/badges/size/{}.json", "/images/{}", "/v1/images/{}"])
def test_what_may_soon_be_otherwise_is_kept_for_a_minute_and_a_public_file_for_five(
    bench: Bench, row: Row, path: str
) -> None:
    answer = bench.client.get(path.format(row.name))

    assert answer.headers["Cache-Control"] == row.cache


@every_row
@pytest.mark.parametrize("suffix", ["svg", "json"])
def test_a_badge_is_revalidated(bench: Bench, row: Row, suffix: str) -> None:
    tag = badge(bench, row, suffix).headers["ETag"]

    again = bench.client.get(f"/badges/size/{row.name}.{suffix}", headers={"If-None-Match": tag})

    assert not tag.startswith("W/")
    assert (again.status_code, again.data, again.headers["Cache-Control"]) == (304, b"", row.cache)


@every_row
@pytest.mark.parametrize(
    "path", ["/badges/size/{}.svg", "/badges/size/{}.json", "/v1/images/{}", "/v1/images/{}/-/status.json"]
)
def test_a_page_of_any_site_may_show_and_read_it(bench: Bench, row: Row, path: str) -> None:
    headers = bench.client.get(path.format(row.name), headers={"Origin": "https://größe.example"}).headers

    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["Cross-Origin-Resource-Policy"] == "cross-origin"


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("example/pending", {"ImageName", "State"}),
        ("example/current", {"ImageName", "State", "CheckedAt", "NextCheckAt"}),
        ("example/overdue", {"ImageName", "State", "CheckedAt", "NextCheckAt"}),
        *(
            (name, {"ImageName", "State", "CheckedAt", "NextCheckAt", "Reason", "Error", "FailingSince"})
            for name in ("kept/denied", "new/denied")
        ),
    ],
)
def test_a_state_has_the_times_of_its_checks_and_the_cause_of_its_failure(
    bench: Bench, name: str, fields: set[str]
) -> None:
    assert bench.client.get(f"/v1/images/{name}/-/status.json").get_json().keys() == fields


def test_a_failing_state_says_why_in_a_sentence(bench: Bench) -> None:
    assert bench.client.get("/v1/images/kept/local/-/status.json").get_json()["Error"] == SENTENCE


@pytest.mark.parametrize("name", ["example/pending", "example/current", "kept/local", "example/unknown"])
def test_a_state_is_kept_for_a_minute(bench: Bench, name: str) -> None:
    assert bench.client.get(f"/v1/images/{name}/-/status.json").headers["Cache-Control"] == PASSING


def test_the_page_of_a_pending_image_waits_for_its_state(bench: Bench) -> None:
    page = Page(bench.client.get("/images/example/pending").data)

    assert [div["data-status"] for div in page.all("div") if "data-pending" in div] == [
        "/v1/images/example/pending/-/status.json"
    ]
