"""The fields of a log target that are refused."""

import pytest

from audit.forwarding.values import set_fields
from audit.models import LogTarget
from kernel.errors import Invalid


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "x" * 65),
        ("url", ""),
        ("url", "http://siem.example.org/"),
        ("url", "ftp://siem.example.org/"),
        ("url", "https://127.0.0.1/"),
        ("url", "relp://10.0.0.1:2514"),
        ("url", "relp://siem.example.org"),
        ("url", "tcp://siem.example.org:514/path"),
        ("url", "file:///etc/passwd"),
        ("url", "file://{folder}/sub/log"),
        ("url", "file://{folder}/../log"),
        ("url", "file://{folder}/.log"),
        ("url", "file://{folder}/a b"),
        ("url", "file://{folder}/"),
        ("style", "syslog"),
        ("format", "xml"),
        ("actions", [""]),
        ("actions", ["x" * 65]),
        ("actions", [f"a{number}" for number in range(21)]),
        ("outcomes", ["maybe"]),
        ("ca", "no certificate"),
        ("ca", "x" * 32_769),
        ("ca", "-----BEGIN CERTIFICATE-----\nü"),
        ("credential", "a\r\nX: 1"),
        ("credential", "x" * 2_001),
        ("credential", "tls: no certificate"),
    ],
)
def test_an_invalid_field_is_named(field, value, settings, tmp_path):
    settings.CC_LOG_TARGET_FOLDER = str(tmp_path)
    given = value.format(folder=tmp_path) if field == "url" else value
    url = "tls://siem.example.org" if value == "tls: no certificate" else "https://siem.example.org/"
    with pytest.raises(Invalid) as caught:
        set_fields(LogTarget(), {"name": "siem", "url": url, field: given})
    assert set(caught.value.fields) == {field}


def test_the_longest_values_are_accepted():
    target = LogTarget()
    set_fields(target, {"name": "x" * 64, "url": "tls://siem.example.org", "actions": ["x" * 64] * 2})
    assert (target.scheme, target.actions) == ("tls", ["x" * 64])
