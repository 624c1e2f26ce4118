"""An old address in which only the host was changed leads to the same thing here."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient

from tests.fakes.docker_hub import FakeHub
from tests.fakes.registry import FakeRegistry, image, index
from tests.old_addresses import FORMS, Form
from tests.running_service import badge_text
from tests.web.bench import Bench

LABELS = {
    "org.label-schema.license": "MIT",
    "org.label-schema.vcs-ref": "1a2b3c4d5e6f78901a2b3c4d5e6f78901a2b3c4d",
    "org.label-schema.vcs-url": "https://github.com/example/web",
}
# Where the paths of hosts stand that say nothing of the service that they are of.
BELOW = {
    "badge.imagelayers.io": "/imagelayers",
    "badge-imagelayers.iron.io": "/imagelayers",
    "imagelayers.io": "/imagelayers",
    "imagelayers.iron.io": "/imagelayers",
    **dict.fromkeys(("ghcr-badge.egpl.dev", "ghcr-badge.herokuapp.com"), "/ghcr-badge"),
}
HERE = [form for form in FORMS if not urlsplit(form.old).fragment and form.new not in ("", "/", "/v1")]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    with FakeRegistry() as fake, FakeHub() as hub:
        arm64 = image(labels=LABELS, layers=[8192], architecture="arm64")
        arm = image(labels=LABELS, layers=[1000, 24, 24], architecture="arm", variant="v7")
        new = index(image(labels=LABELS, layers=[2048]), arm64, arm)
        for name, tag, pushed in (
            ("example/web", "1.0", image(layers=[1000, 24])),
            ("example/web", "1.2", new),
            ("example/web", "latest", new),
            ("example/web", "2.0", image(layers=[4096])),
            ("example/my_tool-3.8", "V1", image()),
            ("library/alpine", "3.20", image(layers=[500])),
            ("library/alpine", "latest", image(layers=[500])),
        ):
            fake.push(name, tag, pushed)
            hub.push(name, tag, pushed)
        hub.describe("example/web", pull_count=1234, star_count=5)
        hub.describe("library/alpine", pull_count=0, star_count=0)
        with FakeRegistry() as ghcr:
            ghcr.push("example/web", "1.1", image(layers=[3072]))
            names = ["example/web", "example/my_tool-3.8", "alpine", "ghcr.io/example/web"]
            mirrors = {"docker.io": fake.url, "ghcr.io": ghcr.url}
            folder = tmp_path_factory.mktemp("service")
            bench = Bench(folder, " ".join(names), mirrors=mirrors, hub_url=hub.url)
            bench.refresh(*names)
            yield bench.client


def target(form: Form) -> str:
    """Return what is asked of this service in the place of the old one."""
    old = urlsplit(form.old)
    return f"{BELOW.get(old.hostname or '', '')}{old.path}{'?' if old.query else ''}{old.query}"


@pytest.mark.parametrize("form", [form for form in FORMS if form.says], ids=lambda form: form.old)
def test_an_old_badge_says_what_it_said(client: FlaskClient, form: Form) -> None:
    answer = client.get(target(form), follow_redirects=True)

    assert (answer.status_code, answer.mimetype) == (200, "image/svg+xml")
    assert badge_text(answer.data) == form.says


@pytest.mark.parametrize("form", [form for form in FORMS if form.says], ids=lambda form: form.old)
def test_a_badge_says_the_same_at_its_new_address(client: FlaskClient, form: Form) -> None:
    answer = client.get(form.new)

    assert (answer.status_code, badge_text(answer.data)) == (200, form.says)


@pytest.mark.parametrize("form", HERE, ids=lambda form: form.old)
def test_an_old_address_is_answered_or_leads_to_the_new_one(client: FlaskClient, form: Form) -> None:
    answer = client.get(target(form), follow_redirects=True)

    new = urlsplit(form.new)
    assert answer.status_code == 200
    assert answer.request.path.rstrip("/") in (new.path, urlsplit(target(form)).path.rstrip("/"))


@pytest.mark.parametrize(
    "path",
    [
        "/docker/automated/example/web.svg",
        "/docker/build/example/web",
        "/docker/cloud/build/example/web.svg",
        "/docker/metadata/version/example/web",
        "/ghcr-badge/example/web/tags?n=3",
        "/microbadger/stars/example/web",
    ],
)
def test_an_old_address_without_counterpart_is_answered_with_a_sentence(client: FlaskClient, path: str) -> None:
    answer = client.get(path)

    assert answer.status_code == 404
    assert answer.text == "This address belongs to another service and has no counterpart here."


@pytest.mark.parametrize("path", ["/labels", "/about"])
def test_what_is_told_elsewhere_leads_to_the_home_page(client: FlaskClient, path: str) -> None:
    assert client.get(path).headers["Location"] == "/"


@pytest.mark.parametrize(
    ("old", "new"),
    [("colorA=red", "labelColor=red"), ("colorB=red", "color=red"), ("colorA=blue&labelColor=red", "labelColor=red")],
)
def test_the_older_names_of_colours_mean_the_same(client: FlaskClient, old: str, new: str) -> None:
    path = "/badges/version/example/web.svg"

    assert client.get(f"{path}?{old}").data == client.get(f"{path}?{new}").data != client.get(path).data


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("version/example/web.svg?sort=semver", "version: 2.0"),
        ("size/example/web.svg?sort=semver&style=plastic", "size: 4.0 KiB"),
        ("version/example/web:1.0.svg?sort=semver", "version: 1.0"),
        ("version/example/web.svg?sort=date", "version: 1.2"),
        ("version/example/my_tool-3.8.svg?sort=semver", "version: V1"),
        ("version/example/unknown.svg?sort=semver", "image: not found"),
        ("version/ma%C3%B1ana.svg?sort=semver", "image: not found"),
    ],
)
def test_a_badge_is_of_the_highest_release_if_that_is_asked_for(client: FlaskClient, path: str, says: str) -> None:
    assert badge_text(client.get(f"/badges/{path}").data) == says
