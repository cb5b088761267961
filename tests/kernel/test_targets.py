"""The URLs and the addresses that a webhook may have."""

import ipaddress

import pytest

from kernel.errors import Invalid
from kernel.http.pinned import may_connect
from kernel.http.targets import Target

PUBLIC = ["192.0.43.8", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
PRIVATE = [
    "0.0.0.0",  # noqa: S104 - no address to bind to
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::a00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:808:808::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_allowed(address):
    assert may_connect(ipaddress.ip_address(address), ())


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_public_is_not_allowed(address):
    assert not may_connect(ipaddress.ip_address(address), ())


def test_an_allowed_network_includes_the_embedded_form_of_its_addresses():
    allowed = ["10.0.0.0/8", "fd00::/8"]
    for address in ("10.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "fd00::1"):
        assert may_connect(ipaddress.ip_address(address), allowed)
    assert not may_connect(ipaddress.ip_address("192.168.0.1"), allowed)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://hooks.example.org", Target("hooks.example.org", 443, "/")),
        ("https://HOOKS.example.org:8443/a?b=c", Target("hooks.example.org", 8443, "/a?b=c")),
        ("https://192.0.43.8/", Target("192.0.43.8", 443, "/")),
        ("https://[2606:4700::1111]:444/", Target("2606:4700::1111", 444, "/")),
        ("https://xn--bcher-kva.example/", Target("xn--bcher-kva.example", 443, "/")),
        ("https://intranet/", Target("intranet", 443, "/")),
        ("https://intranet/" + "x" * 483, Target("intranet", 443, "/" + "x" * 483)),
    ],
)
def test_a_url_has_a_host_a_port_and_a_path(url, target):
    assert Target.parse(url) == target


@pytest.mark.parametrize(
    "url",
    [
        "https://intranet/" + "x" * 484,
        "",
        "hooks.example.org",
        "http://hooks.example.org/",
        "ftp://hooks.example.org/",
        "https://",
        "https:///path",
        "https://user@hooks.example.org/",
        "https://user:password@hooks.example.org/",
        "https://hooks.example.org\\@127.0.0.1/",
        "https://hooks.example.org/#fragment",
        "https://hooks.example.org/a b",
        "https://hooks.example.org/\r\nX-Header: 1",
        "https://b\u00fccher.example/",
        "https://hooks.example.org:0/",
        "https://hooks.example.org:65536/",
        "https://hooks.example.org:https/",
        "https://2130706433/",
        "https://017700000001/",
        "https://0x7f000001/",
        "https://0x7f.1/",
        "https://127.1/",
        "https://127.0.0.1.0x1/",
        "https://[::1/",
        "https://%31%32%37.0.0.1/",
        "https://example.org" + "/a" * 250,
    ],
)
def test_another_url_is_refused(url):
    with pytest.raises(Invalid) as caught:
        Target.parse(url)
    assert set(caught.value.fields) == {"url"}


def test_a_port_is_named_if_it_is_missing_or_zero():
    for url, text in (
        ("relp://localhost", "Add a port."),
        ("relp://localhost:0", "Use a port from 1 to 65535."),
    ):
        with pytest.raises(Invalid) as caught:
            Target.parse(url, {"relp": None})
        assert caught.value.fields["url"] == [text]


def test_the_origin_has_no_path():
    assert Target.parse("https://hooks.example.org/T0KEN?a=b").origin == "https://hooks.example.org"
    assert Target.parse("https://[::1]:8443/T0KEN").origin == "https://[::1]:8443"
