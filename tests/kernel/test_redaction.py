"""Secrets stay out of logged text in every encoding, also next to a path, and paths stay readable."""

import base64
import random
import time

import pytest

from kernel.observability.redaction import REDACTED, redact

SPELLINGS = {
    "base64": lambda octets: base64.b64encode(octets).decode(),
    "base64url": lambda octets: base64.urlsafe_b64encode(octets).decode().rstrip("="),
    "hex": bytes.hex,
    "upper-case hex": lambda octets: octets.hex().upper(),
    "hex in groups": lambda octets: octets.hex("-", 4),
}
PLACES = [
    "{}",
    "key={}",
    "/var/lib/ciphercanary/{}",
    "/var/lib/ciphercanary/{}/db.sqlite3",
    "backups/2026/{}",
    "https://keys.example.org/setup/{}/",
    "{}/keys/kept",
    "a/{}",
    "/api/v1/keys/4bf92f35-77b3-4da6-a3ce-929d0e0e4736/{}",
    "{}{}",
]
SECRETS = [
    "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
    "ccr_" + "Zk3pQ9" * 7,
    "cct_abc",
    "cc1.abcdef",
    "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA",
    "Bearer abc",
    "bearer abc",
    "Basic YTpi",
    "password=hunter2",
    "PASSWORD: hunter2",
    "'password': 'hunter2'",
    '"new_password": "hunter2"',
    "refresh_token=abc",
    "client_secret=abc",
    "totp=123456",
    "otp_code: 123456",
    "-----BEGIN PRIVATE KEY-----\nMC4C\nAQAw\n-----END PRIVATE KEY-----",
    "-----BEGIN RSA PRIVATE KEY-----\nMC4C\nAQAw",
]
READABLE = [
    "GET /api/v1/keys 200",
    "key rotated, version 2",
    "Invalid HTTP_HOST header: 'a'",
    "/srv/backups/2026-11/ciphercanary-nightly/export-of-the-audit-log.zip is missing",
    "cannot read /var/lib/ciphercanary/production/kek-5c1d7af0.key.old",
    "GET /api/v1/keys/4bf92f35-77b3-4da6-a3ce-929d0e0e4736/versions/2/rotate 200",
    "exports/4bf92f35-77b3-4da6-a3ce-929d0e0e4736/audit-log-20261130T082652Z",
    "/opt/ciphercanary/lib/python3.13/site-packages/django/core/management/base.py:416",
    "/var/lib/kubelet/pods/4bf92f35-77b3-4da6-a3ce-929d0e0e4736/volumes/pvc-929d0e0e4736",
    "/tmp/pytest-of-root/pytest-12/test_what_looks_like_key_bytes_is_redacted0",  # noqa: S108 - only text
    "/home/Ada/Documents/CipherCanary/Backups/README/theNewestBackup",
    "audit/management/commands/accept_older_database",
    "kernel.observability.standard_error.report_from_signal_handler_of_server",
    "moduleNames_and_function_names_of_forty_characters",
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_key_bytes_are_redacted_wherever_they_are(place, spelling):
    chance = random.Random(f"{place} {spelling}")  # noqa: S311 - a repeatable test
    for size in (32, 33, 48, 64, 256) * 40:
        secret = SPELLINGS[spelling](chance.randbytes(size))
        written = redact(place.format(secret, secret))
        assert REDACTED in written
        # The first parts between slashes may look like names.
        assert secret[:20] not in written
        assert secret[-20:] not in written


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("before", ["", "/srv/backups/2026-11/ciphercanary-nightly/export-of-the-log/", "a/"])
def test_a_credential_is_redacted_also_at_the_end_of_a_path(secret, before):
    written = redact(f"{before}{secret}")
    assert REDACTED in written
    for piece in ("abc", "hunter2", "eyJ", "c2ln", "MC4C", "AQAw", "YTpi", "123456", "aGFzaA", "Zk3p"):
        assert piece not in written


def test_a_credential_after_a_redacted_name_is_redacted():
    assert redact(f"{'x1Y' * 20}_password=hunter2 next") == f"{REDACTED} next"


def test_padding_inside_a_secret_does_not_divide_it():
    """OTpt0A= resembles the name of a one-time code with its value."""
    secret = "T6PrlWdr+G9UusH8qHsVkaOW+04rIWZNGcpE3OTpt0A="
    assert redact(f"{secret}/keys/x") == REDACTED


@pytest.mark.parametrize("text", READABLE)
def test_paths_and_other_harmless_text_stay_readable(text):
    assert redact(text) == text


def test_the_beginning_of_a_path_with_a_secret_stays_readable():
    secret = "3q2+7wAAAABhYWFhYmJiYmNjY2NkZGRkZWVlZWZmZmY="
    assert redact(f"/var/lib/ciphercanary/files/{secret}") == f"/var/lib/ciphercanary/{REDACTED}"


@pytest.mark.parametrize("text", ["ab-" * 20_000 + "Zz9Z!", "ab/" * 20_000 + "Zz9Z", "-" * 60_000 + "A0a"])
def test_long_text_takes_linear_time(text):
    assert len(redact(text)) < 100


def test_a_long_row_of_suspicious_words_takes_linear_time():
    began = time.perf_counter()
    redact("otp_" * 10_000)
    assert time.perf_counter() - began < 1  # several seconds without a bound on the length of a word
