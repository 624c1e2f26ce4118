"""Where messages may go: far for the operator, outside for everybody else, and never to where clouds keep secrets."""

from ipaddress import ip_address

import pytest

from microbadger.notifications.receivers import InvalidReceiver, Scope

PUBLIC, DESK, ANYWHERE = Scope.PUBLIC, Scope.THIS_COMPUTER_TOO, Scope.ANYWHERE

NOT_URLS = [
    "mañana",
    "",
    "nonsense",
    "https://",
    "https:///x",
    "https://[",
    "https://[::1",
    "https://x:y/",
    "https://hooks.test:99999/",
    "https://user:password@hooks.test/",
    "https://user@hooks.test/",
    "ftp://hooks.test/",
    "file:///etc/passwd",
    "gopher://hooks.test/",
    "javascript:alert(1)",
    "//hooks.test/",
    " https://hooks.test/",
    "https://hooks.test/a b",
    "https://hooks.test/\n",
    "https://hooks.test/\x00",
    "https://hooks.test/" + "a" * 2048,
    "https://" + "a" * 70 + ".test/",
    "https://.test/",
]
INSIDE = [
    "http://hooks.test/",
    "http://127.0.0.1:8080/",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0/",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://10.0.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://metadata.google.internal/",
    "https://metadata/",
    "https://localhost/",
    "https://localhost./",
    "https://a.localhost/",
    "https://printer.local/",
    "https://hooks.test:22/",
]


@pytest.mark.parametrize(
    "url", ["https://mañana.example/x", "https://hooks.slack.com/services/T0/B0/x", "https://x.test:8443"]
)
@pytest.mark.parametrize("scope", Scope)
def test_everybody_may_name_a_public_url(scope: Scope, url: str) -> None:
    scope.check(url)


@pytest.mark.parametrize("url", NOT_URLS)
@pytest.mark.parametrize("scope", Scope)
def test_nobody_may_name_an_invalid_url(scope: Scope, url: str) -> None:
    with pytest.raises(InvalidReceiver):
        scope.check(url)


@pytest.mark.parametrize("url", INSIDE)
def test_only_the_operator_may_name_what_is_inside(url: str) -> None:
    ANYWHERE.check(url)
    with pytest.raises(InvalidReceiver):
        PUBLIC.check(url)


@pytest.mark.parametrize("url", ["http://localhost:9000/mañana", "http://127.0.0.1:9000/", "https://[::1]:80/"])
def test_a_service_on_a_desk_may_notify_that_desk(url: str) -> None:
    DESK.check(url)


@pytest.mark.parametrize("url", ["http://10.0.0.1/", "https://169.254.169.254/", "http://hooks.test/"])
def test_a_service_on_a_desk_may_notify_no_other(url: str) -> None:
    with pytest.raises(InvalidReceiver):
        DESK.check(url)


@pytest.mark.parametrize(
    ("address", "scopes"),
    [
        ("8.8.8.8", {PUBLIC, DESK, ANYWHERE}),
        ("2606:4700::1111", {PUBLIC, DESK, ANYWHERE}),
        ("127.0.0.1", {DESK, ANYWHERE}),
        ("::1", {DESK, ANYWHERE}),
        ("10.0.0.1", {ANYWHERE}),
        ("fd00::1", {ANYWHERE}),
        ("::ffff:10.0.0.1", {ANYWHERE}),
        ("169.254.169.254", set()),
        ("fe80::1", set()),
        ("fd00:ec2::254", set()),
        ("100.100.100.200", set()),
        ("0.0.0.0", set()),
        ("224.0.0.1", set()),
    ],
)
def test_addresses_are_allowed_by_scope(address: str, scopes: set[Scope]) -> None:
    assert {scope for scope in Scope if scope.allows(ip_address(address))} == scopes


@pytest.mark.parametrize(
    ("base_url", "scope"),
    [
        ("https://badges.example", PUBLIC),
        ("http://10.0.0.1:8000", PUBLIC),
        ("http://localhost:8000", DESK),
        ("http://127.0.0.1:8000/badges", DESK),
        ("http://[::1]:8000", DESK),
    ],
)
def test_the_scope_depends_on_where_the_service_stands(base_url: str, scope: Scope) -> None:
    assert Scope.of(is_by_operator=False, base_url=base_url) is scope
    assert Scope.of(is_by_operator=True, base_url=base_url) is ANYWHERE
