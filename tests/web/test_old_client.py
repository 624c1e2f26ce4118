"""A program that was written for the old service reads ours: the names, their order, and what may be missing."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from microbadger.badges.text import BADGE_TYPES
from tests.fakes.docker_hub import FakeHub
from tests.fakes.registry import FakeImage, FakeRegistry, image
from tests.web.bench import BASE_URL, Bench
from tests.web.old_client import (
    IMAGE_FIELDS,
    LAYER_FIELDS,
    VERSION_FIELDS,
    OldClient,
    OldImage,
    OldLayer,
    OldList,
    read_image,
    read_list,
    read_version,
)
from tests.web.world import running

COMMIT = "1a2b3c4d5e6f78901a2b3c4d5e6f78901a2b3c4d"
LABELS = {
    "org.label-schema.license": "Apache-2.0",
    "org.label-schema.vcs-ref": COMMIT,
    "org.label-schema.vcs-url": "https://github.com/example/web",
}


@dataclass(frozen=True)
class Service:
    """A running service, and the bench it runs on."""

    url: str
    bench: Bench

    @property
    def client(self) -> OldClient:
        return OldClient(self.url, self.ask)

    def ask(self, method: str, address: str) -> tuple[int, str]:
        prepared = requests.Request(method, address.replace(BASE_URL, self.url)).prepare()
        prepared.method = method  # which requests writes in upper case
        with requests.Session() as session:
            answer = session.send(prepared, timeout=10)
        return answer.status_code, answer.text

    def document(self, path: str) -> dict[str, Any]:
        document: dict[str, Any] = requests.get(f"{self.url}/v1/images/{path}", timeout=10).json()
        return document


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """With an image of which everything is known, its base, and one of which nothing is."""
    folder = tmp_path_factory.mktemp("service")
    with FakeRegistry() as fake, FakeHub() as hub:
        base = image(layers=[1000], config={"rootfs": {"type": "layers", "diff_ids": ["sha256:" + "0" * 64]}})
        steps = ['/bin/sh -c #(nop)  CMD ["größe"]', "/bin/sh -c make <all> && make install"]
        diff_ids = [f"sha256:{letter * 64}" for letter in "01"]
        rootfs = {"rootfs": {"type": "layers", "diff_ids": diff_ids}, "author": "Añañ"}
        built, rebuilt = "2018-12-14T08:47:51.363852Z", "2018-12-15T08:47:51Z"
        old = image(labels=LABELS, layers=[1000, 24], commands=steps, created=built, config=rootfs)
        new = image(labels=LABELS, layers=[1000, 40], commands=steps, created=rebuilt, config=rootfs)
        for name, tag, pushed in (
            ("library/alpine", "3.20", base),
            ("example/web", "1.0", old),
            ("example/web", "1.1", new),
            ("example/web", "latest", new),
        ):
            fake.push(name, tag, pushed)
            hub.push(name, tag, pushed)
        details = {"description": "Serves <pages>", "last_updated": "2018-12-16T01:02:03.4Z"}
        hub.describe("example/web", pull_count=1234, star_count=5, **details)
        fake.push("team/chart", "latest", helm_chart())
        images = f"alpine example/web {fake.host}/team/chart"
        bench = Bench(folder, images, fake, hub_url=hub.url)
        for name in images.split():  # the base first
            bench.refresh(name)
        bench = Bench(folder, f"{images} example/unread", fake, hub_url=hub.url)
        with running(bench.app) as url:
            yield Service(url, bench)


def helm_chart() -> FakeImage:
    chart = image(created=None, layers=())
    return FakeImage(chart.raw.replace(b"vnd.oci.image.config.v1", b"vnd.cncf.helm.config.v1"), chart.media_type)


@pytest.fixture
def web(service: Service) -> OldImage:
    found = service.client.image("example/web")
    assert found
    return found


def chart_name(service: Service) -> str:
    names = service.client.images("labelschema").images
    return next(name for name in names if name.endswith("team/chart"))


def test_it_reads_an_image(web: OldImage) -> None:
    assert (web.name, web.url, web.author) == ("example/web", "https://hub.docker.com/r/example/web/", "Añañ")
    assert (web.description, web.pull_count, web.star_count) == ("Serves <pages>", 1234, 5)
    assert (web.layer_count, web.download_size, web.latest_version, web.labels) == (2, 1040, "1.1", LABELS)
    assert web.last_updated == datetime(2018, 12, 16, 1, 2, 3, 400_000, UTC)
    assert web.id == web.latest_sha == web.versions[0].sha


def test_it_reads_the_versions(web: OldImage) -> None:
    new, old = web.versions

    assert (new.tags, old.tags) == (["1.1", "latest"], ["1.0"])
    assert (old.layer_count, old.download_size, old.author) == (2, 1024, "Añañ")
    assert old.created == datetime(2018, 12, 14, 8, 47, 51, 363_852, UTC)
    assert (old.license, old.license_url) == ("Apache-2.0", "https://spdx.org/licenses/Apache-2.0.html")
    assert (old.source, old.commit) == (f"https://github.com/example/web/commit/{COMMIT}", COMMIT)
    assert old.layers == new.layers == []


def test_it_reads_the_layers_and_relatives_of_a_version(service: Service, web: OldImage) -> None:
    version = service.client.version("example/web", web.versions[1].sha)

    assert [(layer.command, layer.download_size) for layer in version.layers] == [
        ('CMD ["größe"]', 1000),
        ("RUN make <all> && make install", 24),
    ]
    assert all(isinstance(layer, OldLayer) and layer.blob_sum.startswith("sha256:") for layer in version.layers)
    assert (version.parents, version.identical) == (["alpine"], ["example/web"])


def test_it_reads_an_image_at_a_tag(service: Service, web: OldImage) -> None:
    at_tag = service.client.image("example/web:1.0")

    assert at_tag
    assert (at_tag.id, at_tag.download_size, at_tag.latest_version) == (web.versions[1].sha, 1024, "1.0")
    assert at_tag.latest_sha == web.latest_sha


@pytest.mark.parametrize("name", ["alpine", "library/alpine"])
def test_it_reads_an_official_image_under_both_names(service: Service, name: str) -> None:
    found = service.client.image(name)

    assert found
    assert (found.name, found.url) == ("alpine", "https://hub.docker.com/r/library/alpine/")


@pytest.mark.parametrize("name", ["mañana", "example/unread", "example/unknown", "example/web:nope"])
def test_it_understands_that_there_is_nothing(service: Service, name: str) -> None:
    assert service.client.image(name) is None


@pytest.mark.parametrize(
    ("term", "names"),
    [("größe", []), ("web", ["example/web"]), ("ALP", ["library/alpine"]), ("pages", ["example/web"])],
)
def test_it_searches(service: Service, term: str, names: list[str]) -> None:
    assert service.client.search(term) == names


def test_it_reads_the_list(service: Service) -> None:
    names = [chart_name(service), "library/alpine", "example/web"]

    assert service.client.images("labelschema") == OldList(1, 1, 3, names)
    assert service.client.images("labelschema", 2) == OldList(2, 1, 3, [])


@pytest.mark.parametrize(("query", "first"), [("recent", 0), ("featured", 2), ("labelschema", 0), ("other", 0)])
def test_it_reads_every_list_as_names(service: Service, query: str, first: int) -> None:
    names = [chart_name(service), "library/alpine", "example/web"]

    listed = service.client.images(query)

    assert listed.images[0] == names[first]
    assert sorted(listed.images) == sorted(names)


@pytest.mark.parametrize("page", ["0", "-1", "x", "", "99999999999999999999"])
def test_a_page_that_is_none_is_the_first(service: Service, page: str) -> None:
    assert service.client.images("labelschema", page) == service.client.images("labelschema")


def test_it_reads_how_many_badges_there_are_on_docker_hub(service: Service) -> None:
    assert service.client.badge_counts() == (2 * len(BADGE_TYPES), 2)


@pytest.mark.parametrize("path", ["images/example/unknown", "images/example/web/version/0", "me", "favourites/", "x"])
def test_it_survives_the_answer_that_there_is_nothing(service: Service, path: str) -> None:
    status, text = service.ask("GET", f"{service.url}/v1/{path}")
    document = json.loads(text)

    assert status == 404
    assert (read_image(document).versions, read_version(document).layers, read_list(document).images) == ([], [], [])


@pytest.mark.parametrize("method", ["post", "Post", "POST"])
def test_it_posts_the_webhook_in_any_case(service: Service, web: OldImage, method: str) -> None:
    assert service.ask(method, web.webhook_url) == (200, "OK")


SENT = {
    "curl -X POST": (None, None),
    "curl -d ''": ("application/x-www-form-urlencoded", b""),
    "curl --data '{}'": ("application/x-www-form-urlencoded", b"{}"),
    "wget --post-data": ("application/x-www-form-urlencoded", b"build=true"),
    "a form with a payload": ("application/x-www-form-urlencoded", b"payload=%7B%22tag%22%3A%20%221.0%22%7D"),
    "a step of GitHub Actions": ("application/json", b'{"image": "example/web", "sha": "1a2b3c4"}'),
    "a JSON null": ("application/json", b"null"),
    "a JSON list": ("application/json; charset=utf-8", b"[1, 2]"),
    "no JSON": ("application/json", b"{"),
    "an unknown character set": ("application/json; charset=nonsense", b"{}"),
    "a text": ("text/plain", b"refresh"),
    "an empty type": ("", b"x"),
    "bytes": ("application/octet-stream", bytes(range(256))),
    "Docker Hub": (
        "application/json",
        b'{"push_data": {"tag": "1.0", "pusher": "a", "pushed_at": 1}, "callback_url": "https://registry.hub.docker.com/u/"'
        b', "repository": {"repo_name": "example/web", "status": "Active", "is_private": false}}',
    ),
    "Quay": (
        "application/json",
        b'{"name": "web", "repository": "example/web", "namespace": "example", "docker_url": "quay.io/example/web"'
        b', "homepage": "https://quay.io/repository/example/web", "updated_tags": ["1.0"]}',
    ),
}


@pytest.mark.parametrize("sender", SENT)
@pytest.mark.parametrize("slash", ["", "/"])
def test_whatever_it_posts_to_the_webhook_is_accepted(
    service: Service, web: OldImage, sender: str, slash: str
) -> None:
    content_type, body = SENT[sender]
    headers = {} if content_type is None else {"Content-Type": content_type}
    address = web.webhook_url.replace(BASE_URL, service.url)

    answer = requests.post(f"{address}{slash}", body, headers=headers, timeout=10, allow_redirects=False)

    assert (answer.status_code, answer.text) == (200, "OK")


def test_a_body_in_chunks_is_accepted(service: Service, web: OldImage) -> None:
    address = web.webhook_url.replace(BASE_URL, service.url)

    assert requests.post(address, iter([b"{", b"}"]), timeout=10).text == "OK"


def test_a_script_of_another_site_that_says_who_it_is_may_read(service: Service) -> None:
    asked = {
        "Origin": "https://app.test",
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "x-requested-with",
    }
    address = f"{service.url}/v1/images/example/web"

    preflight = requests.options(address, headers=asked, timeout=10)
    answer = requests.get(address, headers={"X-Requested-With": "XMLHttpRequest", **asked}, timeout=10)

    assert preflight.ok
    assert "x-requested-with" in preflight.headers["Access-Control-Allow-Headers"].lower()
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, "*")


def shields_value(document: dict[str, Any], field: str, tag: str | None) -> int | None:
    """Return what shields.io drew of an image, or of a tag of it."""
    versions = document["Versions"]
    named = [version for version in versions if any(each["tag"] == tag for each in version["Tags"])]
    found: int | None = (document if tag is None else named[0] if named else {}).get(field)
    return found


@pytest.mark.parametrize(
    ("field", "tag", "value"),
    [
        ("DownloadSize", None, 1040),
        ("DownloadSize", "1.0", 1024),
        ("DownloadSize", "nope", None),
        ("LayerCount", None, 2),
        ("LayerCount", "1.0", 2),
    ],
)
def test_a_badge_service_finds_size_and_layers(
    service: Service, field: str, tag: str | None, value: int | None
) -> None:
    assert shields_value(service.document("example/web"), field, tag) == value


@pytest.mark.parametrize("path", ["example/web/", "example/web.json", "example/web?refresh=abc", "example//web"])
def test_other_spellings_of_an_address_are_answered_alike(service: Service, path: str) -> None:
    assert service.document(path) == service.document("example/web")


def test_a_pipeline_of_a_script_finds_what_it_looks_for(service: Service) -> None:
    document = service.document("example/web")

    assert [tag["tag"] for version in document["Versions"] for tag in version["Tags"]] == ["1.1", "latest", "1.0"]
    assert [layer["Command"] for layer in service.document(f"example/web/version/{document['Id']}")["Layers"]]
    assert document["Labels"]["org.label-schema.vcs-ref"] == COMMIT
    assert document["LatestVersion"] == "1.1"


def test_it_posts_the_webhook(service: Service, web: OldImage) -> None:
    assert service.client.refresh(web)
    assert not service.client.refresh(replace(web, webhook_url=f"{web.webhook_url}x"))
    assert service.bench.requested == ["example/web"]


def test_fields_come_in_the_old_order_and_before_new_ones(service: Service, web: OldImage) -> None:
    whole = service.document("example/web")
    version = service.document(f"example/web/version/{web.versions[0].sha}")

    assert known(whole, IMAGE_FIELDS) == IMAGE_FIELDS
    assert known(version, VERSION_FIELDS) == tuple(name for name in VERSION_FIELDS if name != "MicrobadgerURL")
    assert known(version["Layers"][0], LAYER_FIELDS) == LAYER_FIELDS
    assert tuple(whole)[: len(IMAGE_FIELDS)] == IMAGE_FIELDS


def known(document: dict[str, Any], fields: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in document if name in fields)


NEVER, IF_KNOWN, ALWAYS = (False, False), (True, False), (True, True)


@pytest.mark.parametrize(
    ("field", "presence"),
    [
        ("LatestSHA", ALWAYS),
        ("WebhookURL", ALWAYS),
        ("UpdatedAt", ALWAYS),
        ("Description", IF_KNOWN),
        ("LastUpdated", IF_KNOWN),
        ("PullCount", IF_KNOWN),
        ("StarCount", IF_KNOWN),
        ("Versions", ALWAYS),
        ("Id", ALWAYS),
        ("ImageName", ALWAYS),
        ("ImageURL", IF_KNOWN),
        ("Author", IF_KNOWN),
        ("LayerCount", IF_KNOWN),
        ("DownloadSize", IF_KNOWN),
        ("Labels", IF_KNOWN),
        ("LatestVersion", ALWAYS),
    ],
)
def test_a_field_of_an_image_is_left_out_where_nothing_is_known(
    service: Service, field: str, presence: tuple[bool, bool]
) -> None:
    documents = service.document("example/web"), service.document(chart_name(service))

    assert tuple(field in document for document in documents) == presence


@pytest.mark.parametrize(
    ("field", "presence", "nothing"),
    [
        ("SHA", ALWAYS, None),
        ("Tags", ALWAYS, None),
        ("ImageName", ALWAYS, None),
        ("Author", ALWAYS, ""),
        ("Labels", IF_KNOWN, None),
        ("LayerCount", ALWAYS, 0),
        ("DownloadSize", ALWAYS, 0),
        ("Created", IF_KNOWN, None),
        ("Layers", NEVER, None),
        ("Parents", IF_KNOWN, None),
        ("Identical", IF_KNOWN, None),
        ("MicrobadgerURL", NEVER, None),
        ("License", IF_KNOWN, None),
        ("VersionControl", IF_KNOWN, None),
    ],
)
def test_a_field_of_a_version_in_an_image_is_zero_or_left_out_where_nothing_is_known(
    service: Service, field: str, presence: tuple[bool, bool], nothing: object
) -> None:
    whole, bare = (service.document(name)["Versions"][0] for name in ("example/web", chart_name(service)))

    assert (field in whole, field in bare) == presence
    assert nothing is None or bare[field] == nothing
    assert [tag["tag"] for tag in bare["Tags"]] == ["latest"]
