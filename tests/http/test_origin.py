"""Where a URL leads, which hosts are public, and how long a server asks to wait."""

from email.utils import formatdate

import pytest

from microbadger.http.origin import Origin, Url, is_public_host, retry_after_seconds

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://MAÑANA.test/x", ("https", "mañana.test", 443)),
        ("http://localhost:5000", ("http", "localhost", 5000)),
        ("https://[2001:db8::1]:8443/", ("https", "2001:db8::1", 8443)),
    ],
)
def test_a_url_leads_to_an_origin(url: str, origin: tuple[str, str, int]) -> None:
    assert Origin.of(url) == origin


@pytest.mark.parametrize("url", ["mañana", "", "ftp://a.test", "//a.test", "https://", "https://a:b@c.test", "http://a:x"])
def test_what_is_not_a_plain_url_has_no_origin(url: str) -> None:
    with pytest.raises(ValueError, match=r"URL|Port"):
        Origin.of(url)


@pytest.mark.parametrize(
    ("text", "sent", "target"),
    [
        ("https://MAÑANA.test/ñ", "https://xn--maana-pta.test/%C3%B1", "/%C3%B1"),
        ("http://a.test", "http://a.test/", "/"),
        ("http://a.test?b=c d", "http://a.test/?b=c%20d", "/?b=c%20d"),
        ("http://a.test/b#c", "http://a.test/b#c", "/b"),
        ("http://a.test//b/../c", "http://a.test//c", "//c"),
    ],
)
def test_a_url_is_prepared_once(text: str, sent: str, target: str) -> None:
    url = Url.of(text)
    assert (url.text, url.target) == (sent, target)


@pytest.mark.parametrize("text", ["https://" + "a" * 70 + ".test/", "https://a.test/" + "a" * 8200, "https://[/", "ñ"])
def test_what_cannot_be_sent_is_not_a_url(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the words are those of several libraries
        Url.of(text)


def test_a_url_does_not_show_what_signs_it() -> None:
    assert "secret" not in repr(Url.of("https://a.test/?signature=secret"))


@pytest.mark.parametrize("host", ["mañana.test", "a", "8.8.8.8", "2606:4700::1111", "1.test"])
def test_a_name_or_a_public_address_can_be_public(host: str) -> None:
    assert is_public_host(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "a.1", "::1", "10.0.0.1."])
def test_a_number_that_leads_inside_is_not_public(host: str) -> None:
    assert not is_public_host(host)


@pytest.mark.parametrize(("port", "is_usual"), [(443, True), (8443, True), (1024, True), (80, False), (25, False)])
def test_a_stranger_listens_on_usual_ports_only(port: int, is_usual: bool) -> None:
    assert Origin("https", "a.test", port).has_usual_port is is_usual


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "mañana"}, None),
        ({}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "9" * 5000}, None),
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": formatdate(NOW + 9, usegmt=True)}, 9),
        ({"Retry-After": formatdate(NOW - 9, usegmt=True)}, 0),
        ({"X-Retry-After": str(int(NOW + 11))}, 11),
        ({"Retry-After": "99999999"}, 6 * 3600),
    ],
)
def test_a_server_can_ask_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_seconds(headers, NOW) == seconds
