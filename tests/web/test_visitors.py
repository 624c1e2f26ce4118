"""Who asks for an image: the network of a client, whichever proxies are on its way, and whether it is a crawler."""

import logging
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.http.addresses import parse_peers
from microbadger.web.visitors import client_network
from tests.web.bench import Bench

# the connection's address, X-Forwarded-For, MICROBADGER_TRUSTED_PROXIES, the network of the client
WAYS = [
    ("203.0.113.9", "", "", "203.0.113.0/24"),
    ("2001:db8:0:1ff::9", "", "", "2001:db8:0:100::/56"),
    ("::ffff:203.0.113.9", "", "", "203.0.113.0/24"),
    ("203.0.113.9", "198.51.100.7", "", "203.0.113.0/24"),
    ("203.0.113.9", "198.51.100.7", "127.0.0.1", "203.0.113.0/24"),
    ("127.0.0.1", "198.51.100.7", "", "127.0.0.0/24"),
    ("127.0.0.1", "198.51.100.7", "127.0.0.1", "198.51.100.0/24"),
    ("::ffff:127.0.0.1", "198.51.100.7", "127.0.0.1", "198.51.100.0/24"),
    ("127.0.0.1", "192.0.2.1, 198.51.100.7", "127.0.0.1", "198.51.100.0/24"),
    ("127.0.0.1", "192.0.2.1, 198.51.100.7, 10.1.2.3", "127.0.0.1 10.0.0.0/8", "198.51.100.0/24"),
    ("127.0.0.1", "198.51.100.7:4711", "127.0.0.1", "198.51.100.0/24"),
    ("127.0.0.1", "[2001:db8::7]:4711", "127.0.0.1", "2001:db8::/56"),
    ("::1", " 2001:db8::7 ", "::1", "2001:db8::/56"),
    ("127.0.0.1", "198.51.100.7, unknown", "127.0.0.1", ""),
    ("127.0.0.1", "198.51.100.7, unix", "127.0.0.1 unix", ""),
    ("127.0.0.1", "198.51.100.7,", "127.0.0.1", ""),
    ("127.0.0.1", "", "127.0.0.1", ""),
    ("", "198.51.100.7", "", ""),
    ("", "198.51.100.7", "127.0.0.1", ""),
    ("", "198.51.100.7", "unix", "198.51.100.0/24"),
    ("", "192.0.2.1, 198.51.100.7, 10.1.2.3", "unix,10.0.0.0/8", "198.51.100.0/24"),
]
CRAWLERS = [
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; Googlebot/2.1; +http://www.google.com/bot.html) "
    "Chrome/139.0.0.0 Safari/537.36",
    "Mozilla/5.0 (compatible; Google-InspectionTool/1.0;)",
    "APIs-Google",
    "Mediapartners-Google",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "DuckDuckBot/1.1; (+http://duckduckgo.com/duckduckbot.html)",
    "Mozilla/5.0 (compatible; YandexBot/3.0)",
    "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
    "Mozilla/5.0 (compatible; Yahoo! Slurp; http://help.yahoo.com/help/us/ysearch/slurp)",
    "Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 (KHTML, like Gecko) Safari/605.1.15 (Applebot/0.1)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko); compatible; ChatGPT-User/1.0",
    "CCBot/2.0 (https://commoncrawl.org/faq/)",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
    "Mozilla/5.0 (compatible; archive.org_bot +http://archive.org/details/archive.org_bot)",
    "ia_archiver",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "meta-externalagent/1.1 (+https://developers.facebook.com/docs/sharing/webmasters/crawler)",
    "Twitterbot/1.0",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
    "TelegramBot (like TwitterBot)",
    "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
    "WhatsApp/2.23.20.0",
    "Mastodon/4.3.0 (http.rb/5.2.0; +https://social.example/)",
    "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5",
    "Mozilla/5.0 (compatible; Embedly/0.2; +http://support.embed.ly/)",
]
READERS = [
    "",
    "curl/8.10.1",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.5 Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) GSA/370.0 Mobile",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
    "Mozilla/5.0 (Linux; Android 9; CUBOT X19) AppleWebKit/537.36 Chrome/130.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 13; Pixel 7 Build/TQ3A; wv) AppleWebKit/537.36 Chrome/142.0 Mobile Safari/537.36",
    "Lynx/2.9.2 libwww-FM/2.14 SSL-MM/1.4.1 OpenSSL/3.0.0",
    "w3m/0.5.3+git20230121",
]

addresses = st.ip_addresses().map(str)


@pytest.mark.parametrize(("peer", "forwarded", "proxies", "network"), WAYS)
def test_a_client_belongs_to_a_network(peer: str, forwarded: str, proxies: str, network: str) -> None:
    assert client_network(peer, forwarded, parse_peers(proxies)) == network


@given(st.text() | addresses, st.text(), st.lists(st.ip_addresses().map(ip_network), max_size=3))
def test_whatever_a_client_sends_is_of_a_network_or_of_none(peer: str, forwarded: str, proxies: list[object]) -> None:
    network = client_network(peer, forwarded, parse_peers(" ".join(map(str, proxies))))

    assert network == "" or ip_network(network).prefixlen in (24, 56)


@given(st.text(st.characters(exclude_characters="\n")), addresses)
def test_no_client_can_forge_what_a_named_proxy_adds(forged: str, client: str) -> None:
    proxies = parse_peers("192.0.2.1/32")
    direct = client_network("192.0.2.1", client, proxies)

    assert client == "192.0.2.1" or client_network("192.0.2.1", f"{forged},{client}", proxies) == direct


@given(st.text(), st.ip_addresses(network="203.0.113.0/24").map(str))
def test_nobody_who_is_not_a_named_proxy_is_believed(forwarded: str, peer: str) -> None:
    assert client_network(peer, forwarded, parse_peers("127.0.0.1 unix")) == "203.0.113.0/24"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("open"), "", open_registries=("docker.io",), open_per_hour=10_000)


def is_tracked(bench: Bench, name: str) -> bool:
    return name in bench.command("images").output


@pytest.mark.parametrize("user_agent", CRAWLERS)
def test_the_page_that_a_crawler_reads_tracks_nothing(bench: Bench, user_agent: str) -> None:
    name = f"crawled/image{CRAWLERS.index(user_agent)}"

    answer = bench.client.get(f"/images/{name}", headers={"User-Agent": user_agent})

    assert (answer.status_code, answer.headers["Cache-Control"]) == (404, "no-store")
    assert not is_tracked(bench, name)


@pytest.mark.parametrize("user_agent", READERS)
def test_the_page_that_a_reader_opens_tracks_the_image(bench: Bench, user_agent: str) -> None:
    name = f"opened/image{READERS.index(user_agent)}"

    answer = bench.client.get(f"/images/{name}", headers={"User-Agent": user_agent})

    assert answer.status_code == 202
    assert is_tracked(bench, name)


@pytest.mark.parametrize("path", ["/badges/size/{}.svg", "/badges/size/{}.json", "/v1/images/{}"])
def test_a_badge_and_a_document_track_the_image_whoever_asks(bench: Bench, path: str) -> None:
    name = f"shown/image{len(path)}"

    bench.client.get(path.format(name), headers={"User-Agent": CRAWLERS[0]})

    assert is_tracked(bench, name)


@pytest.mark.parametrize(
    ("peer", "proxies", "warnings"),
    [
        ("10.1.2.3", "", 1),
        ("127.0.0.1", "10.0.0.0/8", 1),
        ("", "127.0.0.1", 1),
        ("10.1.2.3", "10.0.0.0/8", 0),
        ("", "unix", 0),
        ("1.1.1.1", "", 0),
    ],
)
def test_a_proxy_that_nobody_named_is_warned_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, peer: str, proxies: str, warnings: int
) -> None:
    bench = Bench(tmp_path, "", open_registries=("docker.io",), trusted_proxies=parse_peers(proxies))
    with caplog.at_level(logging.WARNING, "microbadger.web.visitors"):
        for number in range(3):
            bench.client.get(
                f"/badges/size/example/web{number}.svg",
                headers={"X-Forwarded-For": "203.0.113.9"},
                environ_base={"REMOTE_ADDR": peer},
            )

    messages = [record.getMessage() for record in caplog.records]
    assert [("MICROBADGER_TRUSTED_PROXIES" in message) for message in messages] == [True] * warnings


def test_a_closed_instance_does_not_warn_of_proxies(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Bench(tmp_path, "").client.get("/badges/size/example/web.svg", headers={"X-Forwarded-For": "203.0.113.9"})

    assert "X-Forwarded-For" not in caplog.text


def test_clients_behind_a_named_proxy_have_an_allowance_each(tmp_path: Path) -> None:
    bench = Bench(
        tmp_path, "", open_registries=("docker.io",), open_per_hour=3, trusted_proxies=parse_peers("127.0.0.1")
    )

    said = [
        bench.client.get(f"/v1/images/example/web{place}", headers={"X-Forwarded-For": client}).status_code
        for place, client in enumerate(("203.0.113.9", "203.0.113.10", "198.51.100.7"))
    ]

    assert said == [202, 429, 202]
