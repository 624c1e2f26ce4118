"""Addresses that stand in old READMEs lead to where the same thing is now, and no address leads anywhere else."""

import http.client
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from app import create_app
from microbadger.settings import Settings
from microbadger.web.redirects import single_slashes, tidied
from tests.running_service import RunningService

BADGES = "/badges"


def make_app(folder: Path, base_url: str = "http://localhost:8000") -> Flask:
    settings = Settings(
        images="example/web", data_dir=folder / "data", public_dir=folder / "public", hub_url="", base_url=base_url
    )
    return create_app(settings)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    return make_app(tmp_path_factory.mktemp("app"))


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The service under gunicorn, since other servers mend addresses before anybody sees them."""
    with RunningService(tmp_path_factory.mktemp("service")) as service:
        yield urlsplit(service.url).netloc


def asked(host: str, target: str, method: str = "GET") -> tuple[int, str | None]:
    """Return the status and the Location of the answer to a request for just this target, which no client mends."""
    connection = http.client.HTTPConnection(host, timeout=10)
    try:
        connection.putrequest(method, target, skip_accept_encoding=True)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.headers["Location"]
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/images/ma%C3%B1ana//web", "/images/ma%C3%B1ana/web"),
        ("/images/example//web", "/images/example/web"),
        ("/images//example/web/", "/images/example/web/"),
        ("//images/example/web", "/images/example/web"),
        ("/v1//images?page=1", "/v1/images?page=1"),
        ("///images///example///web", "/images/example/web"),
        ("/badges/version//example/web:1.0.svg", "/badges/version/example/web:1.0.svg"),
        ("/badges//size/example/web.svg?label=%C3%A9+a&v=/", "/badges/size/example/web.svg?label=%C3%A9+a&v=/"),
        ("/v1//images/example/web", "/v1/images/example/web"),
        ("/images//%5Cevil.example", "/images/%5Cevil.example"),
        ("/images//evil.example", "/images/evil.example"),
        ("/images/Example/Web", "/images/example/web"),
        ("/images/Example/Web:V1/", "/images/example/web:V1"),
        ("/badges/size/example/WEB:V1.svg?style=flat", "/badges/size/example/web:V1.svg?style=flat"),
        ("/badges/size/example/web.svg/?style=flat", "/badges/size/example/web.svg?style=flat"),
        ("/badges/size/GHCR.io/Example/web.json", "/badges/size/ghcr.io/example/web.json"),
        ("/badges/size/example/web", f"{BADGES}/size/example/web.svg"),
        ("/badges/size/example/my_tool-3.8:V1", f"{BADGES}/size/example/my_tool-3.8:V1.svg"),
        ("/badges/size/example/web.png?style=flat", f"{BADGES}/size/example/web.svg?style=flat"),
        ("/badges/size/_/alpine.svg", f"{BADGES}/size/library/alpine.svg"),
        ("/images/_/alpine:3.20", "/images/library/alpine:3.20"),
        ("/image/example/web/", "/images/example/web"),
        ("/registry/docker/images/example/web:1.0", "/images/example/web:1.0"),
        ("/labels", "/"),
        ("/about/", "/"),
        ("/imagelayers/?images=example/web:1.0", "/images/example/web:1.0"),
        ("/docker/v/example/web/?label=%C3%A9+a%22", f"{BADGES}/version/example/web.svg?label=%C3%A9+a%22"),
        ("/microbadger/image-size/example/web", f"{BADGES}/size/example/web.svg"),
        ("/microbadger/image-size/example/web.svg", f"{BADGES}/size/example/web.svg"),
        ("/microbadger/image-size/example/web/1.2", f"{BADGES}/size/example/web:1.2.svg"),
        ("/microbadger/image-size/example/web/1.2.svg", f"{BADGES}/size/example/web:1.2.svg"),
        ("/microbadger/layers/example/web.json", f"{BADGES}/layers/example/web.json"),
        ("/microbadger/layers/_/alpine", f"{BADGES}/layers/library/alpine.svg"),
        ("/microbadger/layers/_/alpine/3.20.svg", f"{BADGES}/layers/library/alpine:3.20.svg"),
        ("/microbadger/layers/library/alpine", f"{BADGES}/layers/library/alpine.svg"),
        ("/microbadger/layers/alpine", f"{BADGES}/layers/library/alpine.svg"),
        ("/microbadger/layers/Example/Web/V1.svg", f"{BADGES}/layers/example/web:V1.svg"),
        ("/microbadger/layers/example%2Fweb", f"{BADGES}/layers/example/web.svg"),
        ("/microbadger/layers/example%2Fweb%2Flatest", f"{BADGES}/layers/example/web:latest.svg"),
        ("/microbadger/layers/example/my_tool-3.8/", f"{BADGES}/layers/example/my_tool-3.8.svg"),
        ("/microbadger/layers/example/web?style=flat-square", f"{BADGES}/layers/example/web.svg?style=flat-square"),
    ],
)
def test_an_old_address_leads_to_the_new_one(host: str, target: str, location: str) -> None:
    assert asked(host, target) == (301, location)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_who_follows_an_old_address_finds_a_badge(app: Flask, method: str) -> None:
    answer = app.test_client().open("/microbadger/layers/example/web/1.0", method=method, follow_redirects=True)

    assert (answer.status_code, answer.mimetype) == (200, "image/svg+xml")


@pytest.mark.parametrize(
    "target",
    [
        "//ma%C3%B1ana.example",
        "//evil.example",
        "//evil.example/",
        "//evil.example//",
        "///evil.example//images/x",
        "//evil.example/images//x",
        "/\\evil.example",
        "/%5Cevil.example",
        "/%2Fevil.example",
        "/%2F%2Fevil.example",
        "/%5C%5Cevil.example//images/x",
        "//images/../evil.example",
        "//images/../../etc/passwd",
        "/images/..//..//evil.example",
        "/images/.//evil.example",
        "/microbadger",
        "/microbadger/layers",
        "/microbadger/layers/",
        "/microbadger/layers/..",
        "/microbadger/layers/../../evil.example",
        "/microbadger/layers/%5C%5Cevil.example",
        "/microbadger/layers/%5C%5Cevil.example/x",
        "/microbadger/layers/ma%C3%B1ana/web",
        "/microbadger/layers/example/web%0D%0ASet-Cookie:x",
        "/microbadger/layers/example/web%0A",
        "/microbadger/layers/example/web:1.0/1.0",
        "/microbadger/layers/example/web/-x",
        "/microbadger/layers/a/b/c/d",
        "/microbadger/stars/example/web",
        "/docker",
        "/docker/automated/example/web",
        "/docker/size/example",
        "/docker/size/ma%C3%B1ana/web",
        "/docker/size/a/b/c/d/e/f",
        "/docker/size/%5C%5Cevil.example/web",
        "/image/../images/example/web",
        "/image/%2F%2Fevil.example",
        "/imagelayers/?images=//evil.example",
        "/imagelayers/?images=https://evil.example",
        "/ghcr-badge/size",
        "/ghcr-badge/example/web/develop_tag",
        "/registry/docker/images/..",
        "/badges/size/MA%C3%91ANA.json/x",
    ],
)
def test_a_hostile_address_leads_nowhere(host: str, target: str) -> None:
    assert asked(host, target) == (404, None)


@given(st.text("/\\.:@?#%\t\r\nae_é\u202e") | st.text())
def test_no_address_leads_to_another_host(app: Flask, text: str) -> None:
    for start in ("", "/", "//images/", "/microbadger/layers/", "/image/", "/docker/v/"):
        path = f"{start}{text}"
        path_info = path.encode("utf-8", "replace").decode("latin-1")
        answer = app.test_client().get(environ_overrides={"PATH_INFO": path_info})

        location = answer.headers.get("Location", "/").replace("\\", "/")
        assert urlsplit(urljoin("http://service.test/", location)).netloc == "service.test"


@given(st.text())
def test_a_path_without_slashes_too_many_has_none(text: str) -> None:
    merged = single_slashes(text)

    assert merged is None or "//" not in merged


@given(st.sampled_from(["/badges/size/", "/images/"]), st.text("AbC/:._-") | st.text())
def test_a_tidied_path_differs_in_nothing_else_and_stays_as_it_is(start: str, text: str) -> None:
    found = tidied(f"{start}{text}.svg/")

    same = re.sub("/{2,}", "/", f"{start}{text}.svg").lower().replace(f"{start}_/", f"{start}library/")
    assert found is None or (found.lower() == same and tidied(found) is None)


def test_a_webhook_is_not_redirected_for_its_body_would_be_lost(host: str) -> None:
    assert asked(host, "//images/example/web/token", "POST") == (404, None)


def test_a_redirect_stays_below_the_path_of_the_service(tmp_path: Path) -> None:
    client = make_app(tmp_path, "https://example.org/badger").test_client()

    assert client.get("/images/example//web").headers["Location"] == "/badger/images/example/web"


@pytest.mark.parametrize("target", ["/images/example//web", "/microbadger/layers/example/web"])
def test_a_redirect_may_be_kept(app: Flask, target: str) -> None:
    assert "max-age=300" in app.test_client().get(target).headers["Cache-Control"]


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("POST", "/images//ma%C3%B1ana/token"),
        ("POST", "/images/example//web/token"),
        ("POST", "/hooks//token"),
        ("DELETE", "/v1/images//example/web"),
        ("GET", "///healthz"),
    ],
)
def test_nothing_leads_to_the_host_that_a_request_names(host: str, method: str, target: str) -> None:
    assert asked(host, target, method)[1] is None
