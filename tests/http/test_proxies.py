"""Requests through the operator's proxy, which hosts need none, and what a proxy is never asked for."""

import subprocess
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from microbadger.http.addresses import Address, is_possible, is_public
from microbadger.http.certificates import parse_ca_bundle
from microbadger.http.client import Answer, Client, Limits, Network
from microbadger.http.errors import ConnectionFailed, ForbiddenAddress
from microbadger.http.origin import Origin, Url
from microbadger.http.proxies import is_exempt, parse_proxy, proxy_secrets
from tests.fakes.proxy import HttpProxy
from tests.fakes.registry import RawServer, answering
from tests.fakes.tls import Certificate, make_certificate

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nma\xc3\xb1ana"
LIMITS = Limits(5, 5, 5)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"), "registry.test", "127.0.0.1")


@pytest.fixture
def plain() -> Iterator[RawServer]:
    with RawServer(answering(OK)) as server:
        yield server


@pytest.fixture
def encrypted(certificate: Certificate) -> Iterator[RawServer]:
    with RawServer(certificate.wrapped(answering(OK))) as server:
        yield server


def never_resolve(host: str, port: int) -> list[str]:
    assert host == "127.0.0.1", f"{host} is for the proxy to find"
    return [host]


def get(
    url: str,
    allows: Callable[[Address], bool] = is_public,
    *,
    ca_bundle: str = "",
    no: str = "",
    **proxies: str,
) -> Answer:
    network = Network("tests", {**proxies, "no": no}, ca_bundle, never_resolve)
    with closing(Client(network, allows, limits=LIMITS)) as client:
        return client.send("GET", Url.of(url), {}, max_bytes=100)


def test_plain_requests_go_through_the_proxy(plain: RawServer) -> None:
    with HttpProxy({"xn--maana-pta.test": plain.port}) as proxy:
        assert get("http://mañana.test/a?b", http=proxy.url).status == 200
    assert proxy.asked == ["GET http://xn--maana-pta.test/a?b"]


def test_encrypted_requests_go_through_a_tunnel_of_the_proxy(encrypted: RawServer, certificate: Certificate) -> None:
    with HttpProxy({"registry.test:443": encrypted.port}) as proxy:
        answer = get("https://registry.test/a", https=proxy.url, ca_bundle=str(certificate.file))
    assert answer.body == "mañana".encode()
    assert proxy.asked == ["CONNECT registry.test:443"]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_proxy_itself_can_be_encrypted(
    encrypted: RawServer, plain: RawServer, certificate: Certificate, scheme: str
) -> None:
    routes = {"registry.test:443": encrypted.port, "registry.test": plain.port}
    with HttpProxy(routes, wrap=certificate.wrapped) as proxy:
        url = f"https://{proxy.host}"
        assert get(f"{scheme}://registry.test/", ca_bundle=str(certificate.file), all=url).status == 200


@pytest.mark.parametrize(
    ("url", "proxies", "is_used"),
    [
        ("http://a.test/", ["http"], True),
        ("http://a.test/", ["https"], False),
        ("http://a.test/", ["all"], True),
        ("https://a.test/", ["https"], True),
        ("https://a.test/", ["http"], False),
        ("https://a.test/", ["all"], True),
        ("https://a.test/", ["http", "all"], True),
    ],
)
def test_each_kind_of_url_has_its_proxy(url: str, proxies: list[str], is_used: bool) -> None:
    network = Network("tests", {kind: f"http://{kind}.test" for kind in proxies})
    assert (network.proxy_for(Url.of(url)) is not None) is is_used


@pytest.mark.parametrize("login", ["user:p%40ss%3A", "user:", "us%3Aer:p%C3%A4ss"])
def test_it_logs_in_to_the_proxy(plain: RawServer, login: str) -> None:
    meant = login.replace("%40", "@").replace("%3A", ":").replace("%C3%A4", "ä")
    header = f"Basic {b64encode(meant.encode()).decode()}"
    with HttpProxy({"a.test": plain.port}, login=header) as proxy:
        assert get("http://a.test/", http=proxy.url.replace("//", f"//{login}@")).status == 200
        assert get("http://a.test/", http=proxy.url).status == 407


@pytest.mark.parametrize("url", ["http://a.test/", "https://a.test/"])
def test_a_proxy_that_cannot_be_used_is_named_as_the_reason(url: str) -> None:
    with pytest.raises(ConnectionFailed, match=r"^the proxy refuses or does not answer$"):
        get(url, all="http://user:secret@127.0.0.1:1")


def test_a_tunnel_that_is_refused_is_named_as_the_reason() -> None:
    with HttpProxy({}) as proxy, pytest.raises(ConnectionFailed, match=r"^the proxy refuses or does not answer$"):
        get("https://a.test/", all=proxy.url)


def test_without_the_certificate_of_the_server_a_tunnel_is_of_no_use(encrypted: RawServer) -> None:
    routes = {"registry.test:443": encrypted.port}
    with HttpProxy(routes) as proxy, pytest.raises(ConnectionFailed, match="its certificate is not valid"):
        get("https://registry.test/", https=proxy.url)


# What a proxy is never asked for

FORBIDDEN = [
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0X7F.1", "0177.0.0.1", "017700000001", "localhost", "LOCALHOST.",
    "x.localhost", "10.0.0.1", "012.0.0.1", "0xa000001", "192.168.0.1", "172.16.0.1", "100.64.0.1", "169.254.169.254",
    "2852039166", "0xA9FEA9FE", "0251.0376.0251.0376", "169.254.43518", "[::1]", "[fe80::1]", "[fd00::1]", "[fec0::1]",
    "[3fff::1]", "[::ffff:127.0.0.1]", "[::ffff:a9fe:a9fe]", "[64:ff9b::a9fe:a9fe]", "[2002:7f00:1::1]", "192.0.0.1",
    "0.0.0.0", "0", "metadata.google.internal", "metadata",
]  # fmt: skip
METADATA = ["169.254.169.254", "2852039166", "[fd00:ec2::254]", "100.100.100.200", "metadata.google.internal", "0"]


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", FORBIDDEN)
def test_a_proxy_is_not_asked_for_an_address_inside(host: str, scheme: str) -> None:
    with HttpProxy({}) as proxy, pytest.raises(ForbiddenAddress):
        get(f"{scheme}://{host}/", all=proxy.url)
    assert proxy.connections == 0


@pytest.mark.parametrize("host", METADATA)
def test_a_proxy_is_not_asked_for_cloud_metadata_though_the_operator_names_it(host: str) -> None:
    with HttpProxy({}) as proxy, pytest.raises(ForbiddenAddress):
        get(f"http://{host}/", is_possible, all=proxy.url)
    assert proxy.connections == 0


@pytest.mark.parametrize("host", ["8.8.8.8", "[2606:4700::1111]", "a.test", "1.test"])
def test_a_proxy_is_asked_for_names_and_public_addresses(plain: RawServer, host: str) -> None:
    with HttpProxy({host: plain.port}) as proxy:
        assert get(f"http://{host}/", all=proxy.url).status == 200


@pytest.mark.parametrize("host", ["10.0.0.1", "127.0.0.1", "localhost", "[fd00::1]"])
def test_a_proxy_is_asked_for_private_addresses_that_the_operator_names(plain: RawServer, host: str) -> None:
    with HttpProxy({host: plain.port}) as proxy:
        assert get(f"http://{host}/", is_possible, all=proxy.url).status == 200


# Hosts without a proxy


def test_hosts_in_no_proxy_are_reached_directly(plain: RawServer) -> None:
    with HttpProxy({}) as proxy:
        assert get(f"http://127.0.0.1:{plain.port}/", is_possible, all=proxy.url, no="127.0.0.1").status == 200
    assert proxy.connections == 0


def test_hosts_in_no_proxy_are_still_checked() -> None:
    with pytest.raises(ForbiddenAddress):
        get("http://127.0.0.1/", all="http://127.0.0.1:1", no="*")


@pytest.mark.parametrize(
    ("host", "port", "no_proxy", "exempt"),
    [
        ("a.test", 443, "", False),
        ("a.test", 443, "*", True),
        ("a.test", 443, "b.test, *", True),
        ("a.test", 443, "a.test", True),
        ("a.test", 443, "A.TEST", True),
        ("a.test", 443, "b.test a.test", True),
        ("a.test", 443, "b.test,a.test,", True),
        ("a.test", 443, "a.test.", True),
        ("a.test.", 443, "a.test", True),
        ("sub.a.test", 443, "a.test", True),
        ("sub.a.test", 443, ".a.test", True),
        ("sub.a.test", 443, "*.a.test", True),
        ("a.test", 443, ".a.test", True),
        ("xa.test", 443, "a.test", False),
        ("a.test.evil", 443, "a.test", False),
        ("a.test", 443, "sub.a.test", False),
        ("a.test", 443, "a.test:443", True),
        ("a.test", 5000, "a.test:443", False),
        ("a.test", 5000, "a.test:5000", True),
        ("a.test", 443, "a.test:", True),
        ("10.0.0.1", 443, "10.0.0.1", True),
        ("10.0.0.1", 443, "10.0.0.1:443", True),
        ("10.0.0.1", 443, "10.0.0.1:5000", False),
        ("10.0.0.1", 443, "10.0.0.2", False),
        ("10.0.0.1", 443, "10.0.0.0/8", True),
        ("10.0.0.1", 443, "10.0.0.7/8", True),
        ("11.0.0.1", 443, "10.0.0.0/8", False),
        ("110.0.0.1", 443, "10.0.0.1", False),
        ("a.test", 443, "0.0.0.0/0", False),
        ("::1", 443, "::1", True),
        ("::1", 443, "[::1]", True),
        ("::1", 443, "[::1]:443", True),
        ("::1", 443, "[::1]:5000", False),
        ("::1", 443, "0:0::1", True),
        ("fd00::1", 443, "fd00::/8", True),
        ("fd00::1", 443, "10.0.0.0/8", False),
        ("10.0.0.1", 443, "10.0.0.0/99", False),
        ("a.test", 443, ".", False),
        ("a.test", 443, "http://a.test", False),
        ("localhost", 5000, "", False),
        ("127.0.0.1", 5000, "", False),
        ("localhost", 5000, "localhost,127.0.0.0/8,::1", True),
    ],
)
def test_no_proxy_names_hosts(host: str, port: int, no_proxy: str, exempt: bool) -> None:
    assert is_exempt(Origin("https", host, port), no_proxy) is exempt


# What is a proxy


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://proxy.test:3128", "http://proxy.test:3128"),
        ("http://proxy.test:3128/", "http://proxy.test:3128"),
        ("https://proxy.test", "https://proxy.test"),
        ("HTTP://proxy.test", "http://proxy.test"),
        ("proxy:3128", "http://proxy:3128"),
        ("socks.test:3128", "http://socks.test:3128"),
        ("10.0.0.1:3128", "http://10.0.0.1:3128"),
        ("http://[fd00::1]:3128", "http://[fd00::1]:3128"),
        ("http://user:p%40ss@proxy.test:3128", "http://user:p%40ss@proxy.test:3128"),
        ("user:p@ss@proxy.test", "http://user:p@ss@proxy.test"),
    ],
)
def test_a_proxy_is_a_url(text: str, url: str) -> None:
    assert parse_proxy(text) == url


@pytest.mark.parametrize(
    "text",
    [
        "http://", "://proxy.test", "ftp://proxy.test", "http://proxy.test:port", "http://proxy.test:0", "http://[::1",
        "http://proxy.test:99999", "http://proxy.test/path", "http://proxy.test?a=b", "http://proxy.test#a", "a b", "?",
        "http://mañana.test", "http://user:pass@", "http://a\tb.test", "file:///etc/passwd", "quic://proxy.test",
    ],
)  # fmt: skip
def test_what_is_not_a_proxy_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must be a URL such as http://proxy\.example\.org:3128$"):
        parse_proxy(text)


@pytest.mark.parametrize("scheme", ["socks", "socks4", "socks4a", "socks5", "SOCKS5H"])
def test_a_socks_proxy_is_refused_by_its_kind(scheme: str) -> None:
    with pytest.raises(ValueError, match=r"^SOCKS proxies are not supported; must be"):
        parse_proxy(f"{scheme}://user:hunter2@proxy.test:1080")


def test_the_secret_of_a_proxy_is_known_as_it_is_written_and_as_it_is_meant() -> None:
    assert proxy_secrets("http://user:p%40ss@proxy.test") == ["p%40ss", "p@ss"]
    assert proxy_secrets("http://user@proxy.test") == proxy_secrets("http://proxy.test") == []


# Certificates


def test_a_file_of_certificates_is_accepted(certificate: Certificate) -> None:
    assert parse_ca_bundle(str(certificate.file)) == str(certificate.file)


def test_folders_of_certificates_are_accepted_and_used(
    tmp_path: Path, encrypted: RawServer, certificate: Certificate
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    hashed = tmp_path / f"{_hash_of(certificate.file)}.0"
    hashed.write_bytes(certificate.file.read_bytes())
    folders = f"{other}:{tmp_path}"
    assert parse_ca_bundle(folders) == folders
    for ca_bundle in (folders, str(tmp_path)):
        with HttpProxy({"registry.test:443": encrypted.port}) as proxy:
            assert get("https://registry.test/", https=proxy.url, ca_bundle=ca_bundle).status == 200


def _hash_of(file: Path) -> str:
    command = ["openssl", "x509", "-noout", "-subject_hash", "-in", str(file)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "contains no certificate"),
        (b"not a certificate", "contains no certificate"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "contains no certificate"),
        (b"\x30\x82\x01\x00", "contains no certificate"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_a_file_without_a_certificate_is_refused(tmp_path: Path, content: bytes | None, reason: str) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ValueError, match=reason):
        parse_ca_bundle(str(file))


def test_a_private_key_is_not_a_certificate(certificate: Certificate) -> None:
    with pytest.raises(ValueError, match="contains no certificate"):
        parse_ca_bundle(str(certificate.key))


@pytest.mark.parametrize("name", [None, "ca.pem"])
def test_a_folder_without_hashed_certificates_is_refused(
    tmp_path: Path, certificate: Certificate, name: str | None
) -> None:
    if name:
        (tmp_path / name).write_bytes(certificate.file.read_bytes())
    with pytest.raises(ValueError, match="openssl rehash"):
        parse_ca_bundle(str(tmp_path))
