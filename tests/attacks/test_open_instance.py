"""Attack: readers of an open instance ask in ways that should have no image tracked, or only one."""

from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from microbadger.store.tables import TRACKED_IMAGES
from tests.fakes.registry import FakeRegistry, image
from tests.web.bench import Bench

PROXY = "127.0.0.1"
PER_HOUR = 30  # and ten of them from one network
CRAWLER = "Mozilla/5.0 (compatible; ExampleBot/2.1; +http://example.com/bot.html)"
WAYS = ("/badges/size/{}.svg", "/badges/size/{}.json", "/v1/images/{}", "/v1/images/{}/-/status.json", "/images/{}")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with FakeRegistry() as fake:
        fake.push("team/new", "latest", image())
        yield Bench(
            tmp_path,
            "example/mine",
            fake,
            open_registries=("docker.io",),
            open_per_hour=PER_HOUR,
            trusted_proxies=(ip_network(PROXY),),
        )


def tracked(bench: Bench) -> list[str]:
    return sorted(each.repository.familiar for each in bench.freshness.tracked if each.is_on_request)


def view(bench: Bench, number: int, forwarded: str = "", peer: str = PROXY) -> TestResponse:
    """Ask for another image by way of a peer."""
    path = f"/v1/images/team/new{number}"
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    return bench.client.get(path, headers=headers, environ_base={"REMOTE_ADDR": peer})


def count_tracked(bench: Bench, views: Iterator[TestResponse]) -> int:
    return sum(answer.status_code == 202 for answer in views)


@pytest.mark.parametrize("way", WAYS)
def test_a_get_has_an_image_tracked(bench: Bench, way: str) -> None:
    bench.client.get(way.format("team/new"))
    assert tracked(bench) == ["team/new"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_no_other_method_does(bench: Bench, way: str, method: str) -> None:
    bench.client.open(way.format("team/new"), method=method)
    assert tracked(bench) == []


@pytest.mark.parametrize(
    "path",
    [
        "/images/team/new/a-token-that-is-none",
        "/images/team/new/-/feed.xml",
        "/v1/images/search/team/new",
        "/v1/images/team/new@sha256:" + "0" * 64,
        "/v1/images/team/new/-/webhook",
        "/badges/nothing/team/new.svg",
        "/badges/size/team/new.png",
        "/badges/size/ghcr.io/team/new.svg",
        "/badges/size/localhost:5000/team/new.svg",
        "/badges/size/169.254.169.254/team/new.svg",
        "/badges/size/team/new/latest/more.svg",
        "/badges/size/team/../../new.svg",
        "/badges/size/%2e%2e/new.svg",
        "/badges/size/team/new%00.svg",
        "/badges/size/team/" + "n" * 300 + ".svg",
        "/badges/size/.svg",
    ],
)
def test_what_names_no_image_of_an_open_registry_has_none_tracked(bench: Bench, path: str) -> None:
    bench.client.get(path)
    assert tracked(bench) == []


@pytest.mark.parametrize(
    "path",
    [
        "/badges/size/team/new:1.0.svg",
        "/badges/size/team/new:latest.svg?style=plastic",
        "/badges/size/docker.io/team/new.svg",
        "/badges/size/index.docker.io/team/new.svg",
        "/badges/size/Team/New.svg",
        "/v1/images/team/new.json",
        "/v1/images/team/new/",
        "/v1/images/team/new:v2",
        "/images/team/new/",
        "/images/team/new:3",
    ],
)
def test_all_spellings_of_a_name_and_all_its_tags_are_one_image(bench: Bench, path: str) -> None:
    for asked in (path, "/badges/size/team/new.svg"):
        bench.client.get(asked, follow_redirects=True)
    assert tracked(bench) == ["team/new"]


@pytest.mark.parametrize(
    "path", ["/microbadger/image-size/team/new.svg", "/image/team/new", "/badges/size/Team/New.svg"]
)
def test_an_address_that_leads_on_has_nothing_tracked_until_it_is_followed(bench: Bench, path: str) -> None:
    status, before = bench.client.get(path).status_code, tracked(bench)
    bench.client.get(path, follow_redirects=True)
    assert (status // 100, before, tracked(bench)) == (3, [], ["team/new"])


def test_a_crawler_has_no_image_tracked_by_a_page(bench: Bench) -> None:
    bench.client.get("/images/team/new", headers={"User-Agent": CRAWLER})
    assert tracked(bench) == []


def test_one_network_has_its_share_whatever_it_claims_to_be(bench: Bench) -> None:
    views = (view(bench, n, f"10.0.{n}.1, 203.0.113.{n}, 192.0.2.77") for n in range(PER_HOUR))
    assert count_tracked(bench, views) == PER_HOUR // 3


def test_nor_does_the_word_of_a_stranger_count(bench: Bench) -> None:
    views = (view(bench, n, f"203.0.{n}.1", peer="192.0.2.9") for n in range(PER_HOUR))
    assert count_tracked(bench, views) == PER_HOUR // 3


@pytest.mark.parametrize("forwarded", ["", "garbage", "203.0.113.7:4711, garbage", "," * 5000, "127.0.0.1"])
def test_those_of_whom_no_address_is_known_share_one(bench: Bench, forwarded: str) -> None:
    views = (view(bench, n, forwarded) for n in range(PER_HOUR))
    assert count_tracked(bench, views) == PER_HOUR // 3


def test_addresses_of_one_ipv6_network_share_one(bench: Bench) -> None:
    views = (view(bench, n, f"2001:db8:1:{n:x}:{n:x}::1") for n in range(PER_HOUR))
    assert count_tracked(bench, views) == PER_HOUR // 3


def test_many_networks_add_no_more_than_all_may(bench: Bench) -> None:
    views = (view(bench, n, f"2001:db8:{n:x}::1") for n in range(2 * PER_HOUR))
    assert count_tracked(bench, views) == PER_HOUR


def test_those_who_ask_too_much_are_told_when_to_ask_again(bench: Bench) -> None:
    answers = [view(bench, n, f"2001:db8:{n:x}::1") for n in range(PER_HOUR + 1)]
    assert answers[-1].status_code == 429
    assert 3500 < int(answers[-1].headers["Retry-After"]) <= 3600


def test_they_still_see_what_is_tracked(bench: Bench) -> None:
    bench.client.get("/v1/images/team/new")
    bench.refresh("team/new")
    for number in range(2 * PER_HOUR):
        view(bench, number)
    assert bench.client.get("/v1/images/team/new").status_code == 200


@pytest.mark.parametrize(
    ("path", "agent", "is_kept"),
    [
        ("/images/team/new", CRAWLER, False),
        ("/images/team/new", "Mozilla/5.0", True),
        ("/badges/size/team/new.svg", CRAWLER, True),
        ("/v1/images/team/new", CRAWLER, True),
    ],
)
def test_a_crawler_that_reads_pages_keeps_no_image(bench: Bench, path: str, agent: str, is_kept: bool) -> None:
    bench.client.get("/v1/images/team/new")
    bench.refresh("team/new")
    before = requested_at(bench)
    bench.client.get(path, headers={"User-Agent": agent})
    bench.freshness.admissions.write_notes()
    assert (requested_at(bench) > before) is is_kept


def requested_at(bench: Bench) -> float:
    with bench.tools.database.read() as connection:
        at: float = connection.execute(select(TRACKED_IMAGES.c.requested_at)).scalar_one()
        return at
