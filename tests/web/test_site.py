"""What the service answers over HTTP, from a published image and a tracked one that was not read yet."""

import hmac
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families
from werkzeug.wrappers import Response

from microbadger.badges.text import BADGE_TYPES
from tests.fakes.registry import FakeRegistry, image, index
from tests.readme import GUIDE
from tests.running_service import badge_text
from tests.web.bench import Bench


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as fake:
        fake.push("library/alpine", "3.20", image(layers=[1024]))
        fake.push("library/alpine", "latest", image(layers=[1024, 1024]))
        yield fake


@pytest.fixture(scope="module")
def bench(fake: FakeRegistry, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A service that has read alpine, and tracks example/unread."""
    folder = tmp_path_factory.mktemp("app")
    Bench(folder, "alpine", fake).refresh()
    bench = Bench(folder, "alpine example/unread", fake)
    bench.round()
    return bench


@pytest.fixture
def client(bench: Bench) -> FlaskClient:
    return bench.client


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("image/alpine.svg", "2.0 KiB: 2 layers"),
        ("image/library/alpine.svg", "2.0 KiB: 2 layers"),
        ("image/alpine:3.20.svg", "1.0 KiB: 1 layer"),
        ("version/alpine:3.20.svg", "version: 3.20"),
        ("version/alpine:nope.svg", "nope: not found"),
        ("version/example/unread.svg", "version: pending"),
        ("image/example/unknown.svg", "image: not found"),
        ("image/EXAMPLE/Template_NAME.svg", "image: not found"),
        ("image/mañana.svg", "image: not found"),
        ("image/../../etc/passwd.svg", "image: not found"),
        ("image/alpine@sha256:0.svg", "image: not found"),
    ],
)
def test_a_badge_is_always_a_picture(client: FlaskClient, path: str, text: str) -> None:
    answer = client.get(f"/badges/{path}", follow_redirects=True)

    assert (answer.status_code, answer.mimetype) == (200, "image/svg+xml")
    assert badge_text(answer.data) == text


@pytest.mark.parametrize("badge_type", BADGE_TYPES)
def test_every_type_of_badge_is_there_as_a_picture_and_an_endpoint(client: FlaskClient, badge_type: str) -> None:
    ET.fromstring(client.get(f"/badges/{badge_type}/alpine.svg").data)
    assert client.get(f"/badges/{badge_type}/alpine.json").get_json()["schemaVersion"] == 1


@pytest.mark.parametrize(
    ("query", "height", "title"),
    [
        ("style=flat-square", "20", "2.0 KiB: 2 layers"),
        ("style=plastic", "18", "2.0 KiB: 2 layers"),
        ("style=for-the-badge", "28", "2.0 KiB: 2 layers"),
        ("style=unheard-of", "20", "2.0 KiB: 2 layers"),
        ("label=größe <b>", "20", "größe <b>: 2 layers"),
        ("label=", "20", "2 layers"),
        (f"label={'x' * 5000}", "20", f"{'x' * 254}…: 2 layers"),
        ("color=\"/><script>&labelColor=url(x)", "20", "2.0 KiB: 2 layers"),
    ],
)
def test_a_badge_is_drawn_as_the_query_says(client: FlaskClient, query: str, height: str, title: str) -> None:
    answer = client.get(f"/badges/image/alpine.svg?{query}")

    assert (answer.status_code, ET.fromstring(answer.data).get("height")) == (200, height)
    assert badge_text(answer.data) == title
    assert "max-age=300" in answer.headers["Cache-Control"]


def test_colours_of_the_query_are_used(client: FlaskClient) -> None:
    svg = client.get("/badges/size/alpine.svg?color=ff0000&labelColor=rebeccapurple").text

    assert 'fill="#ff0000"' in svg
    assert 'fill="#663399"' in svg


def test_a_query_that_means_nothing_changes_nothing(client: FlaskClient) -> None:
    plain = client.get("/badges/image/alpine.svg")

    assert client.get("/badges/image/alpine.svg?v=2").data == plain.data
    assert client.get("/badges/image/alpine.svg?style=flat&color=nonsense").data == plain.data


def said_without_a_file(bench: Bench, address: str) -> str:
    """Return what a badge says that is drawn as its query asks, for which no file may be written."""
    bench.client.get(f"/badges/{address.partition('?')[0]}")
    before = bench.files()
    said = badge_text(bench.client.get(f"/badges/{address}").data)
    assert bench.files() == before
    return said


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("version/alpine.svg", "version: 3.20"),
        ("version/alpine.svg?prerelease=1", "version: 3.21.0_rc1"),
        ("version/library/alpine.svg?prerelease=1", "version: 3.21.0_rc1"),
        ("version/alpine:3.20.svg?prerelease=1", "version: 3.20"),
        ("version/alpine.svg?prerelease=0", "version: 3.20"),
        ("version/alpine.svg?prerelease=1&label=next", "next: 3.21.0_rc1"),
        ("update/alpine.svg", "update: up to date"),
        ("update/alpine.svg?prerelease=1", "update: 3.21.0_rc1 available"),
        ("update/alpine:3.20.svg?prerelease=1", "update: 3.21.0_rc1 available"),
        ("update/alpine:nope.svg?prerelease=1", "nope: not found"),
        ("size/alpine:3.20.svg?prerelease=1", "size: 1.0 KiB"),
        ("update/example/unread.svg?prerelease=1", "update: pending"),
    ],
)
def test_pre_releases_count_if_the_query_says_so(tmp_path: Path, address: str, text: str) -> None:
    with FakeRegistry() as fake:
        for number, tag in enumerate(("3.20", "3.21.0_rc1"), 1):
            fake.push("library/alpine", tag, image(layers=[1024] * number))
        fake.push("library/alpine", "latest", image(layers=[1024]))
        bench = Bench(tmp_path, "alpine example/unread", fake)
        bench.refresh("alpine")

        assert said_without_a_file(bench, address) == text


@pytest.mark.parametrize(("platform", "seconds"), [("linux/amd64", 300), ("linux/arm64", 60)])
def test_a_badge_of_a_platform_that_is_not_there_is_kept_one_minute(
    tmp_path: Path, platform: str, seconds: int
) -> None:
    with FakeRegistry() as fake:
        fake.push("library/alpine", "3.20", image(layers=[1024]))
        bench = Bench(tmp_path, "alpine", fake)
        bench.refresh()

        answer = bench.client.get(f"/badges/size/alpine.svg?platform={platform}")

        assert f"max-age={seconds}, " in answer.headers["Cache-Control"]


def test_the_endpoint_of_a_badge_counts_pre_releases_too(tmp_path: Path) -> None:
    with FakeRegistry() as fake:
        for number, tag in enumerate(("1.0.0", "1.1.0-rc1"), 1):
            fake.push("library/alpine", tag, image(layers=[number]))
        bench = Bench(tmp_path, "alpine", fake)
        bench.refresh()

        answer = bench.client.get("/badges/update/alpine.json?prerelease=1")

        assert answer.get_json()["message"] == "1.1.0-rc1 available"
        assert "max-age=300" in answer.headers["Cache-Control"]


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("image/alpine.svg?platform=linux/amd64", "1.0 KiB: 1 layer"),
        ("image/alpine.svg?platform=linux/arm64", "2.0 KiB: 2 layers"),
        ("image/alpine.svg?platform=arm64", "2.0 KiB: 2 layers"),
        ("image/alpine.svg?platform=linux/arm64/v8", "2.0 KiB: 2 layers"),
        ("image/alpine.svg?platform=linux/amd64/v3", "linux/amd64/v3: not found"),
        ("image/alpine.svg?platform=/", "/: not found"),
        ("image/alpine:3.20.svg?platform=Linux/ARM64", "2.0 KiB: 2 layers"),
        ("size/alpine.svg?platform=linux/arm", "size: 3.0 KiB"),
        ("size/alpine.svg?platform=linux/arm/v7", "size: 3.0 KiB"),
        ("size/alpine.svg?platform=linux/arm/v6", "linux/arm/v6: not found"),
        ("platforms/alpine.svg?platform=linux/arm/v7", "platforms: linux/arm/v7"),
        ("user/alpine.svg?platform=linux/arm64", "user: app"),
        ("user/alpine.svg?platform=linux/amd64", "user: root"),
        ("license/alpine.svg?platform=linux/arm64", "license: MIT"),
        ("license/alpine.svg?platform=linux/amd64", "license: not given"),
        ("created/alpine.svg?platform=linux/arm64", "created: 2026-11-21"),
        ("version/alpine.svg?platform=linux/arm64", "version: 3.20"),
        ("size/alpine.svg?platform=linux/s390x&label=x", "x: not found"),
        (f"size/alpine.svg?platform={'x' * 100}", f"{'x' * 59}…: not found"),
        ("size/alpine.svg?platform=", "size: 1.0 KiB"),
        ("size/alpine:nope.svg?platform=linux/arm64", "nope: not found"),
        ("size/example/unread.svg?platform=linux/arm64", "size: pending"),
    ],
)
def test_a_badge_shows_the_platform_that_the_query_names(tmp_path: Path, address: str, text: str) -> None:
    arm = {"User": "app", "Labels": {"org.opencontainers.image.licenses": "MIT"}}
    with FakeRegistry() as fake:
        platforms = [
            image(layers=[1024]),
            image(layers=[1024] * 2, architecture="arm64", config={"config": arm}, created="2026-11-21T00:00:00Z"),
            image(layers=[1024] * 3, architecture="arm", variant="v7"),
        ]
        fake.push("library/alpine", "3.20", index(*platforms))
        bench = Bench(tmp_path, "alpine example/unread", fake)
        bench.refresh("alpine")

        assert said_without_a_file(bench, address) == text


def test_a_badge_of_an_image_with_one_platform_has_its_labels(tmp_path: Path) -> None:
    with FakeRegistry() as fake:
        fake.push("library/alpine", "3.20", image(labels={"org.opencontainers.image.licenses": "MIT"}))
        bench = Bench(tmp_path, "alpine", fake)
        bench.refresh()

        answer = bench.client.get("/badges/license/alpine.svg?platform=linux/amd64")

        assert badge_text(answer.data) == "license: MIT"


def test_a_badge_that_is_not_found_has_a_style_too(client: FlaskClient) -> None:
    answer = client.get("/badges/image/example/unknown.svg?style=for-the-badge")

    assert badge_text(answer.data) == "image: not found"
    assert ET.fromstring(answer.data).get("height") == "28"


def test_a_badge_for_an_unknown_tag_makes_the_tag_wanted(tmp_path: Path) -> None:
    with FakeRegistry() as fake:
        for tag in ("1.0", "2.0", "latest"):
            fake.push("library/alpine", tag, image())
        bench = Bench(tmp_path, "alpine", fake, max_tags=2)
        bench.refresh()
        badge = "/badges/version/alpine:1.0.svg"
        assert badge_text(bench.client.get(badge).data) == "1.0: not found"

        bench.refresh("alpine")

        assert badge_text(bench.client.get(badge).data) == "version: 1.0"


def test_a_badge_asks_for_an_unknown_tag_once_an_hour(tmp_path: Path) -> None:
    with FakeRegistry() as fake:
        fake.push("library/alpine", "latest", image())
        bench = Bench(tmp_path, "alpine", fake)
        bench.refresh()
        bench.client.get("/badges/version/alpine:1.0.svg")
        assert bench.requested == ["library/alpine"]
        bench.refresh("alpine")

        bench.client.get("/badges/version/alpine:1.0.svg")

        assert bench.requested == []


def test_an_unknown_type_of_badge_is_refused(client: FlaskClient) -> None:
    assert client.get("/badges/wrong/alpine.svg").status_code == 400


@pytest.mark.parametrize("path", ["/badges/image/alpine.svg", "/v1/images/alpine", "/images/alpine", "/"])
def test_a_public_file_may_be_kept_five_minutes_and_is_revalidated(client: FlaskClient, path: str) -> None:
    answer = client.get(path)

    assert "max-age=300, s-maxage=300" in answer.headers["Cache-Control"]
    assert client.get(path, headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304


@pytest.mark.parametrize("path", ["/badges/image/example/unknown.svg", "/badges/image/example/unread.svg"])
def test_what_may_soon_be_there_is_kept_one_minute(client: FlaskClient, path: str) -> None:
    assert "max-age=60" in client.get(path).headers["Cache-Control"]


@pytest.mark.parametrize(
    "path", ["alpine", "alpine/", "alpine.json", "library/alpine", "library/alpine.json", "library/alpine/"]
)
def test_the_metadata_has_many_addresses(client: FlaskClient, path: str) -> None:
    answer = client.get(f"/v1/images/{path}", follow_redirects=True)

    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.get_json()["ImageName"] == "alpine"


@pytest.mark.parametrize("path", ["/", "/images/alpine", "/images/example/unknown", "/badges/image/alpine.svg"])
def test_nothing_that_is_shown_may_run_a_script_of_others(client: FlaskClient, path: str) -> None:
    policy = client.get(path).headers["Content-Security-Policy"]

    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


def test_the_metadata_at_a_tag_shows_its_version_on_top(client: FlaskClient) -> None:
    assert client.get("/v1/images/alpine:3.20").get_json()["LayerCount"] == 1
    assert client.get("/v1/images/alpine").get_json()["LayerCount"] == 2


def test_a_version_has_its_layers(client: FlaskClient) -> None:
    sha = client.get("/v1/images/alpine").get_json()["LatestSHA"]

    layers = client.get(f"/v1/images/alpine/version/{sha}").get_json()["Layers"]

    assert [layer["Command"] for layer in layers] == ["RUN step 0", "RUN step 1"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("example/unknown", 404),
        ("alpine:nope", 404),
        ("UPPER/case", 404),
        ("example/unread", 202),
        (f"alpine/version/{'0' * 64}", 404),
        ("alpine/version/../../x", 404),
        ("alpine/version/%00", 404),
        ("alpine/version/.new-x", 404),
    ],
)
def test_what_is_not_there_is_said_in_json(client: FlaskClient, path: str, status: int) -> None:
    answer = client.get(f"/v1/images/{path}")

    assert (answer.status_code, answer.mimetype) == (status, "application/json")
    assert "Versions" not in answer.get_json()


@pytest.mark.parametrize(
    ("path", "status"),
    [("alpine", 200), ("alpine/", 200), ("alpine:3.20", 200), ("example/unread", 202), ("<blink>", 404)],
)
def test_a_page_is_html_whatever_is_asked(client: FlaskClient, path: str, status: int) -> None:
    answer = client.get(f"/images/{path}")

    assert (answer.status_code, answer.mimetype) == (status, "text/html")
    assert "<blink>" not in answer.text


@pytest.mark.parametrize(
    "path",
    ["/../app.py", "/%2e%2e/app.py", "/.new-x", "/v1/../../data/microbadger.db", "/assets/", "/v1", "/\0", "/a\nb"],
)
def test_only_public_files_are_served(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (b"", None),
        (b"{}", "application/json"),
        (b"{", "application/json"),
        (b"\xff" * 10_000, "multipart/form-data"),
        (b"a=b", "application/x-www-form-urlencoded"),
        (b"[" * 100_000, "application/json"),
        (b"x" * 5_000_000, "text/plain"),
    ],
)
def test_a_webhook_takes_any_body(bench: Bench, data: bytes, content_type: str | None) -> None:
    answer = bench.client.post(bench.webhook("alpine"), data=data, content_type=content_type)

    assert (answer.status_code, answer.text) == (200, "OK")


def test_a_webhook_answers_under_the_bare_name_too(bench: Bench) -> None:
    assert bench.client.post(bench.webhook("alpine").replace("library/", "")).text == "OK"


@pytest.mark.parametrize("image", [(), ("alpine",)])
def test_a_webhook_may_end_in_a_slash(bench: Bench, image: tuple[str, ...]) -> None:
    assert bench.client.post(f"{bench.webhook(*image)}/").text == "OK"


@pytest.mark.parametrize("token", ["wrong", "mañana", "", "%00", "a" * 10_000])
def test_a_webhook_with_a_bad_token_is_refused(client: FlaskClient, token: str) -> None:
    answer = client.post(f"/images/library/alpine/{token or '%20'}")

    assert (answer.status_code, answer.text) == (403, "Bad token")


@pytest.mark.parametrize("name", ["example/unknown", "UPPER/case", "..", "localhost:5000/x"])
def test_a_webhook_for_an_unknown_image_is_answered_so(client: FlaskClient, name: str) -> None:
    answer = client.post(f"/images/{name}/token")

    assert (answer.status_code, answer.text) == (404, "Image not found")


def test_a_refused_webhook_requests_nothing(fake: FakeRegistry, tmp_path: Path) -> None:
    bench = Bench(tmp_path, "alpine", fake)

    bench.client.post("/images/library/alpine/wrong", data=b"x" * 1000)
    bench.client.post("/images/example/unknown/wrong", data=b"x" * 1000)
    bench.client.post("/hooks/wrong", data=b"x" * 1000)

    assert bench.requested == []


@pytest.mark.parametrize("wait", ["soon", "-1", "1e3", "٣", ""])
def test_a_wait_that_is_not_a_number_is_refused(bench: Bench, wait: str) -> None:
    assert bench.client.post(f"{bench.webhook('alpine')}?wait={wait}").status_code == 400


def test_a_wait_that_is_over_says_that_the_push_was_accepted(bench: Bench) -> None:
    answer = bench.client.post(f"{bench.webhook('alpine')}?wait=0.05")

    assert (answer.status_code, answer.get_json()["Result"]) == (202, "accepted")


def test_the_hook_for_all_images_accepts_what_docker_hub_sends(bench: Bench) -> None:
    client, hook = bench.client, bench.webhook()
    payload = {"push_data": {"tag": "latest"}, "repository": {"repo_name": "library/alpine"}}

    assert client.post(hook, json=payload).text == "OK"
    assert client.post(hook, data=b"anything").text == "OK"
    assert client.post("/hooks/wrong", json=payload).status_code == 403


@pytest.mark.parametrize(
    ("name", "made_with", "status"),
    [
        ("X-Hub-Signature-256", "sha256", 200),
        ("X-Hub-Signature-256", "sha1", 403),
        ("X-Nexus-Webhook-Signature", "sha1", 200),
        ("X-JFrog-Event-Auth", "sha256", 200),
    ],
)
def test_a_signature_must_be_right_where_there_is_one(
    bench: Bench, name: str, made_with: str, status: int
) -> None:
    client, path, body = bench.client, bench.webhook(), b'{"zen": "Keep it logically awesome."}'
    signature = hmac.digest(path.rpartition("/")[2].encode(), body, made_with).hex()
    signature = f"sha256={signature}" if name == "X-Hub-Signature-256" else signature

    assert client.post(path, data=body, headers={name: signature}).status_code == status
    assert client.post(path, data=body + b" ", headers={name: signature}).status_code == 403


def test_event_grid_gets_its_code_back(bench: Bench) -> None:
    event = {
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "data": {"validationCode": "512d38b6-c7b8-40c8-89fe-f46f9e9622b6"},
    }

    answer = bench.client.post(bench.webhook(), json=[event])

    assert answer.get_json() == {"validationResponse": "512d38b6-c7b8-40c8-89fe-f46f9e9622b6"}


def test_a_registry_under_another_name_refreshes_the_image_that_is_meant(fake: FakeRegistry, tmp_path: Path) -> None:
    bench = Bench(tmp_path, "registry.example.org/team/web", fake)
    target = {"repository": "team/web", "tag": "1.0", "mediaType": "application/vnd.oci.image.manifest.v1+json"}
    event = {"action": "push", "target": target, "request": {"host": "registry:5000"}}

    bench.client.post(bench.webhook(), json={"events": [event]})

    assert bench.requested == ["registry.example.org/team/web"]


def test_it_is_well(client: FlaskClient) -> None:
    assert client.get("/healthcheck.txt").text == "HEALTH OK"


def test_it_counts_images_by_their_state(client: FlaskClient) -> None:
    health = client.get("/healthz").get_json()
    assert (health["Images"], health["Pending"], health["Failing"]) == (2, 1, 0)


def test_a_registry_that_hangs_is_a_problem(bench: Bench) -> None:
    bench.freshness.upkeep.note_hanging({"slow.test": 45.2})

    problems = bench.client.get("/healthz").get_json()["Problems"]
    assert problems == ["slow.test hangs: a check has waited for it for 45 seconds"]


def test_a_registry_that_wants_a_pause_is_a_problem_until_it_is_over(tmp_path: Path) -> None:
    with FakeRegistry() as fake:
        fake.push("team/web", "latest", image())
        bench, other = (Bench(tmp_path, f"{fake.host}/team/web") for _ in range(2))
        fake.always("/tags/", lambda _: Response(status=429, headers={"Retry-After": "600"}))
        assert bench.command("refresh").exit_code == 1
        (problem,) = other.client.get("/healthz").get_json()["Problems"]
    sentence, _, until = problem.rpartition(" ")
    assert sentence == f"{fake.host} asked for fewer requests and is paused until"
    assert 0 < (datetime.fromisoformat(until) - datetime.now(UTC)).total_seconds() <= 600


def test_prometheus_can_read_how_things_stand(bench: Bench) -> None:
    bench.client.post(bench.webhook("alpine"))

    answer = bench.client.get("/metrics")

    assert answer.mimetype == "text/plain"
    lines = answer.text.splitlines()
    assert 'microbadger_images{state="images"} 2' in lines
    assert any(line.startswith('microbadger_webhooks_total{outcome="empty",sender="unknown"} ') for line in lines)


def test_the_guide_names_every_metric(client: FlaskClient) -> None:
    families = text_string_to_metric_families(client.get("/metrics").text)

    named = set(re.findall(r"`(microbadger_[a-z_]+)`", GUIDE["monitoring"].text))
    assert {family.name + "_total" * (family.type == "counter") for family in families} == named


def test_the_catalogue_lists_every_image(client: FlaskClient) -> None:
    images = client.get("/v1/images.json").get_json()["Images"]

    assert [(image["ImageName"], image.get("LatestVersion")) for image in images] == [
        ("alpine", "latest"),
        ("example/unread", None),
    ]
    assert client.get("/v1/images").get_json() == client.get("/v1/images.json").get_json()


def test_once_there_is_an_admin_token_webhooks_are_not_published(fake: FakeRegistry, tmp_path: Path) -> None:
    bench = Bench(tmp_path, "alpine", fake, admin_token="an administrator's")
    bench.refresh()

    document = bench.client.get("/v1/images/alpine").data

    assert "WebhookURL" not in json.loads(document)
    assert bench.webhook("alpine").startswith("/images/alpine/")


@pytest.mark.parametrize("damage", [b"", b"ma\xf1ana", b"[" * 100_000, b"{}", b"[]"])
def test_a_damaged_badge_document_breaks_no_picture(fake: FakeRegistry, tmp_path: Path, damage: bytes) -> None:
    bench = Bench(tmp_path, "alpine", fake)
    bench.refresh()
    (bench.public / "badges/layers/library/alpine.json").write_bytes(damage)

    answer = bench.client.get("/badges/layers/library/alpine.svg?style=plastic")

    assert answer.status_code == 200
    assert badge_text(answer.data)


@pytest.mark.parametrize("damage", [b"", b"ma\xf1ana", b"[" * 100_000, b"{}", b"[]"])
def test_a_damaged_list_of_all_images_breaks_no_search_and_is_written_anew(
    fake: FakeRegistry, tmp_path: Path, damage: bytes
) -> None:
    bench = Bench(tmp_path, "alpine", fake)
    bench.refresh()
    before = bench.files()
    (bench.public / "v1/images.json").write_bytes(damage)

    assert bench.client.get("/v1/images/search/alpine").status_code == 200
    bench.refresh()

    assert bench.files() == before
