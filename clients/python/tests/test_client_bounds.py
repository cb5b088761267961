"""Bounds of what a client keeps in memory, reads and sends."""

import argparse
from dataclasses import replace

import pytest

from ciphercanary_client.command_line import _seconds, messages
from ciphercanary_client.data_key_cache import DataKeyCache, DataKeyLimits, OpenKey
from ciphercanary_client.default_modes import DefaultModes
from ciphercanary_client.errors import DecryptionFailed, error_of
from ciphercanary_client.models import Key
from ciphercanary_client.transfers import _headers

KEY = Key("i", "orders", "aes-256", "encryption", "active", ("aes-256-gcm",), (), 1, {})


def test_the_modes_of_1000_keys_are_kept_for_five_minutes():
    now = 0.0
    modes = DefaultModes(clock=lambda: now)
    for number in range(1000):
        modes.put(f"name:{number}", "encryption", KEY)
    assert modes.get("name:0", "encryption") == "aes-256-gcm"
    modes.put("name:1000", "encryption", replace(KEY, modes=("aes-256-gcm-siv",)))
    assert [modes.get(f"name:{number}", "encryption") for number in (0, 1)] == [None, "aes-256-gcm"]
    now = 299.9
    assert modes.get("name:1000", "encryption") == "aes-256-gcm-siv"
    now = 300.0
    assert modes.get("name:1000", "encryption") is None


def test_a_data_key_of_the_usual_limits_encrypts_a_bounded_number_of_messages_and_bytes():
    key = OpenKey(bytes(32), b"header")
    cache = DataKeyCache(DataKeyLimits(), clock=lambda: 0.0)
    cache.replace(key, size=1)
    for _ in range(99_999):
        assert cache.take(0)
    assert cache.take(0) is None
    cache.replace(key, size=1)
    assert cache.take(2**36 - 1)
    assert cache.take(1) is None


def test_the_data_keys_of_1000_decrypted_messages_are_kept():
    cache = DataKeyCache(DataKeyLimits(), clock=lambda: 0.0)
    for number in range(1001):
        cache.put(str(number).encode(), bytes(32))
    assert [cache.get(header) for header in (b"0", b"1")] == [None, bytes(32)]


def test_a_text_of_the_server_is_cut_after_500_characters():
    headers = {"content-type": "application/problem+json"}
    error = error_of(400, headers, b'{"code": "c", "detail": "%s"}' % (b"x" * 501))
    assert error.detail == "x" * 500


def test_the_aad_of_a_file_has_4096_bytes_at_most():
    assert _headers(bytes(4096))["X-AAD"]
    with pytest.raises(ValueError, match="4096"):
        _headers(bytes(4097))


def test_a_command_reads_a_message_of_one_mebibyte_at_most(tmp_path):
    source = tmp_path / "message"
    source.write_bytes(bytes(1024 * 1024))
    assert len(messages._message(source)) == 1024 * 1024
    source.write_bytes(bytes(1024 * 1024 + 1))
    with pytest.raises(ValueError, match="1 MiB"):
        messages._message(source)


def test_a_command_reads_a_ciphertext_of_two_mebibytes_at_most(tmp_path):
    source = tmp_path / "ciphertext"
    source.write_bytes(b"x" * 2 * 1024 * 1024)
    assert messages._text(source)
    source.write_bytes(b"x" * (2 * 1024 * 1024 + 1))
    with pytest.raises(DecryptionFailed):
        messages._text(source)


@pytest.mark.parametrize("text", ["0", "86401", "nan", "inf", "-1"])
def test_a_wait_of_a_command_is_a_day_at_most(text):
    assert _seconds("86400") == 86400
    with pytest.raises(argparse.ArgumentTypeError):
        _seconds(text)
