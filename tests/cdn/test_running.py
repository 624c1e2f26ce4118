"""Purging by the service as it runs under gunicorn, and from the command line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.cdn.bench import Cdn
from tests.fakes.receiver import Answer, dead_url
from tests.fakes.registry import FakeRegistry, image
from tests.running_service import START_SECONDS, RunningService


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as fake:
        fake.push("team/web", "1.0", image())
        yield fake


def service_of(folder: Path, fake: FakeRegistry, url: str) -> RunningService:
    return RunningService(folder, [f"{fake.host}/team/web"], "--workers", "1", cdn_purge=url)


def purging(service: RunningService) -> dict[str, Any]:
    document: dict[str, Any] = service.get("/healthz").json()["Purge"]
    return document


def post_webhook(service: RunningService, name: str) -> None:
    url = service.command("webhook", name).stdout.strip()
    assert requests.post(f"{url}?wait=50", timeout=START_SECONDS).ok


def settled(service: RunningService, cdn: Cdn) -> set[str]:
    """Return what was purged once it was an image and the lists over all images, and nothing waits."""
    wanted = {"PURGE /v1/images.json", f"PURGE /v1/images/{service.environment['MICROBADGER_IMAGES']}.json"}
    service.wait(lambda: wanted <= set(cdn.asked) and not purging(service)["Waiting"], "the purge")
    return set(cdn.asked)


def test_exactly_what_a_push_changed_is_purged(tmp_path: Path, fake: FakeRegistry) -> None:
    name = f"{fake.host}/team/web"
    with Cdn(Answer(200)) as cdn, service_of(tmp_path, fake, cdn.base_url) as service:
        service.wait_for_image(name)
        first = settled(service, cdn)
        assert {f"PURGE /badges/size/{name}.svg", f"PURGE /images/{name}/", f"PURGE /v1/images/{name}"} <= first

        cdn.received.clear()
        fake.push("team/web", "2.0", image(layers=[1, 2]))
        post_webhook(service, name)
        second = settled(service, cdn)
        assert {f"PURGE /badges/size/{name}.svg", f"PURGE /badges/size/{name}:2.0.svg", "PURGE /"} <= second
        assert f"PURGE /badges/size/{name}:1.0.svg" not in second
        assert purging(service) == {"Waiting": 0, "Error": None, "NextTry": None}


@pytest.mark.parametrize("names", [[], ["team/web"]])
def test_nothing_is_purged_when_nothing_changed(tmp_path: Path, fake: FakeRegistry, names: list[str]) -> None:
    with Cdn(Answer(200)) as cdn:
        service = service_of(tmp_path, fake, cdn.base_url)
        service.command("refresh")
        assert cdn.received
        cdn.received.clear()
        assert service.command("refresh", *(f"{fake.host}/{name}" for name in names)).returncode == 0

        assert cdn.asked == []


def test_a_cdn_that_fails_is_visible_and_keeps_nothing_from_being_published(tmp_path: Path, fake: FakeRegistry) -> None:
    name = f"{fake.host}/team/web"
    with service_of(tmp_path, fake, dead_url()) as service:
        service.wait_for_image(name)
        service.wait(lambda: bool(purging(service)["Error"]), "a failure in /healthz")

        stands = purging(service)
        assert stands["Error"] == "the CDN could not be reached: it refuses connections"
        assert stands["Waiting"] > 0
        assert stands["NextTry"]
        assert 'event=purge_failed error="the CDN could not be reached' in service.log.read_text()
        assert service.badge(f"layers/{name}") == "layers: 1"


def test_a_refresh_on_the_command_line_purges_before_it_ends(tmp_path: Path, fake: FakeRegistry) -> None:
    name = f"{fake.host}/team/web"
    with Cdn(Answer(200)) as cdn:
        ended = service_of(tmp_path, fake, cdn.base_url).command("refresh")

        assert (ended.returncode, ended.stderr) == (0, "")
        assert {f"PURGE /badges/size/{name}.svg", "PURGE /", "PURGE /v1/images.json"} <= set(cdn.asked)


def test_a_refresh_on_the_command_line_says_that_the_cdn_fails(tmp_path: Path, fake: FakeRegistry) -> None:
    with Cdn(Answer(500)) as cdn:
        ended = service_of(tmp_path, fake, cdn.base_url).command("refresh")

        assert ended.returncode == 0
        assert "the CDN answered with status 500" in ended.stderr


def test_a_token_is_not_repeated_by_a_setting_that_is_invalid(tmp_path: Path, fake: FakeRegistry) -> None:
    ended = service_of(tmp_path, fake, "cloudflare:geheim").command("images")

    assert ended.returncode
    assert "Invalid MICROBADGER_CDN_PURGE: " in ended.stderr
    assert "geheim" not in ended.stderr + ended.stdout
