"""Which addresses are public, and how they can be spelled."""

from ipaddress import ip_address

import pytest

from microbadger.http.addresses import is_possible, is_public, literal_address

METADATA = [
    "169.254.169.254",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "fd00:ec2::254",
    "fe80::1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "0.0.0.0",
    "::",
    "224.0.0.1",
    "ff02::1",
]
INSIDE = [
    "127.0.0.1",
    "127.255.255.254",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "198.18.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::1",
    "fd00::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::7f00:1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::7f00:1",
    "2002:7f00:1::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    # The registries of special addresses, row by row.
    "0.1.2.3",
    "100.127.255.255",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.8",
    "192.0.0.9",
    "192.0.0.170",
    "192.0.0.255",
    "192.0.2.1",
    "192.88.99.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "::2",
    "::8.8.8.8",
    "::ffff:0:8.8.8.8",
    "64:ff9b:1::808:808",
    "100::1",
    "100:0:0:1::1",
    "400::1",
    "1fff:ffff::1",
    "2001::1",
    "2001:1::1",
    "2001:2::1",
    "2001:3::1",
    "2001:4:112::1",
    "2001:10::1",
    "2001:20::1",
    "2001:30::1",
    "2001:1ff:ffff::1",
    "2001:db8::1",
    "3fff::1",
    "3fff:fff:ffff::1",
    "4000::1",
    "5f00::1",
    "f000::1",
    "fc00::1",
    "fec0::1",
    "feff:ffff::1",
    # IPv6 addresses that carry a private IPv4 address.
    "::ffff:192.0.0.1",
    "::ffff:100.64.0.1",
    "64:ff9b::c0a8:1",
    "64:ff9b::c000:1",
    "2002:c0a8:1::1",
    "2002:c000:1::1",
    "2606:4700::5efe:10.0.0.1",
    "2606:4700::200:5efe:127.0.0.1",
]
OUTSIDE = [
    "8.8.8.8",
    "1.1.1.1",
    "9.255.255.255",
    "11.0.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "126.255.255.255",
    "172.15.255.255",
    "172.32.0.1",
    "192.0.1.1",
    "192.88.98.1",
    "192.88.100.1",
    "192.167.255.255",
    "192.169.0.1",
    "198.17.255.255",
    "198.20.0.1",
    "223.255.255.255",
    "2000::1",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2001:db7:ffff::1",
    "2001:db9::1",
    "2003::1",
    "2606:4700::1111",
    "2a00:1450:4001:81b::200e",
    "3ffe:ffff::1",
    "3fff:1000::1",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::1",
    "2606:4700::5efe:8.8.8.8",
]
LITERALS = [
    ("127.0.0.1", "127.0.0.1"),
    ("127.0.0.1.", "127.0.0.1"),
    ("127.1", "127.0.0.1"),
    ("2130706433", "127.0.0.1"),
    ("0x7f000001", "127.0.0.1"),
    ("0X7F.0.0.1", "127.0.0.1"),
    ("0177.0.0.1", "127.0.0.1"),
    ("017700000001", "127.0.0.1"),
    ("0", "0.0.0.0"),
    ("169.16689662", "169.254.169.254"),
    ("0xa9fea9fe", "169.254.169.254"),
    ("::1", "::1"),
    ("fe80::1%eth0", "fe80::1"),
    ("::ffff:10.0.0.1", "::ffff:10.0.0.1"),
    ("localhost", "127.0.0.1"),
    ("LOCALHOST.", "127.0.0.1"),
    ("registry.localhost", "127.0.0.1"),
    ("metadata.google.internal", "169.254.169.254"),
    ("metadata", "169.254.169.254"),
    ("mañana.test", None),
    ("1.test", None),
    ("localhost.test", None),
    ("1.2.3.4.5", None),
    ("4294967296", None),
    ("", None),
]


@pytest.mark.parametrize("address", METADATA)
def test_no_server_is_where_metadata_services_are(address: str) -> None:
    assert not is_possible(ip_address(address))
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", INSIDE)
def test_what_is_inside_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "fd00::1", "::1", "100.64.0.1"])
def test_a_server_that_the_operator_names_can_be_inside(address: str) -> None:
    assert is_possible(ip_address(address))


@pytest.mark.parametrize("address", OUTSIDE)
def test_what_everybody_can_reach_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(("host", "address"), LITERALS)
def test_a_host_can_be_an_address_in_every_spelling_that_resolvers_read(host: str, address: str | None) -> None:
    assert literal_address(host) == (ip_address(address) if address else None)
