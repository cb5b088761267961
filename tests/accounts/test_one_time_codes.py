from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import uuid4

import pytest

from accounts.second_factors.one_time_codes import (
    clean_code,
    is_totp_code,
    matching_step,
    new_recovery_codes,
    new_seed,
    otpauth_uri,
    recovery_code_hash,
    seed_text,
)
from kernel.crypto.material import KeyMaterial

# RFC 6238 appendix B, SHA-1: seconds since the epoch, and the last six of the eight digits listed there.
SEED = KeyMaterial(b"12345678901234567890")
VECTORS = [
    (59, "287082"),
    (1111111109, "081804"),
    (1111111111, "050471"),
    (1234567890, "005924"),
    (2000000000, "279037"),
    (20000000000, "353130"),
]


def at(seconds):
    return datetime.fromtimestamp(seconds, UTC)


@pytest.mark.parametrize(("seconds", "code"), VECTORS)
def test_the_vectors_of_rfc_6238_match_their_step(seconds, code):
    assert matching_step(SEED, code, at(seconds)) == seconds // 30


@pytest.mark.parametrize(("seconds", "code"), VECTORS[1:])
def test_a_code_is_good_in_its_step_and_the_next_and_in_no_other(seconds, code):
    start = seconds - seconds % 30
    assert matching_step(SEED, code, at(start - 0.001)) is None
    assert matching_step(SEED, code, at(start)) == seconds // 30
    assert matching_step(SEED, code, at(start + 59.999)) == seconds // 30
    assert matching_step(SEED, code, at(start + 60)) is None


def test_another_seed_has_another_code():
    assert matching_step(KeyMaterial(b"12345678901234567891"), "287082", at(59)) is None


@pytest.mark.parametrize("typed", ["287082", "287 082", " 287-082\n", "2 8 7 0 8 2"])
def test_separators_in_a_code_do_not_matter(typed):
    assert is_totp_code(clean_code(typed))
    assert matching_step(SEED, clean_code(typed), at(59)) == 1


@pytest.mark.parametrize("typed", ["28708", "2870821", "28708a", "٢٨٧٠٨٢", "²87082", "", "287082\x00"])
def test_only_six_ascii_digits_are_a_totp_code(typed):
    assert not is_totp_code(clean_code(typed))


def test_a_seed_is_160_random_bits_in_base32():
    seed = new_seed()
    assert len(seed.expose()) == 20
    assert len(seed_text(seed)) == 32
    assert seed_text(seed) != seed_text(new_seed())


def test_the_uri_shows_what_an_authenticator_app_must_know():
    uri = urlsplit(otpauth_uri(SEED, "ada+x@example.org"))
    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert unquote(uri.path) == "/CipherCanary:ada+x@example.org"
    assert parse_qs(uri.query) == {
        "secret": ["GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"],
        "issuer": ["CipherCanary"],
        "algorithm": ["SHA1"],
        "digits": ["6"],
        "period": ["30"],
    }


def test_ten_recovery_codes_have_eighty_random_bits_each_and_are_read_without_mistakes():
    codes = new_recovery_codes() + new_recovery_codes()
    assert len(set(codes)) == 20
    for code in codes:
        groups = code.split("-")
        assert [len(group) for group in groups] == [4, 4, 4, 4]
        assert set("".join(groups)) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
        assert not is_totp_code(clean_code(code))


def test_a_recovery_code_has_one_hash_however_it_is_typed_and_another_on_another_device():
    device, other = uuid4(), uuid4()
    assert recovery_code_hash(device, "abcd efgh 2345 wxyz") == recovery_code_hash(
        device, "ABCD-EFGH-2345-WXYZ"
    )
    assert recovery_code_hash(device, "ABCD-EFGH-2345-WXYZ") != recovery_code_hash(
        other, "ABCD-EFGH-2345-WXYZ"
    )


def test_a_microsecond_before_the_step_ends_it_still_is_the_step():
    moment = at(60) - timedelta(microseconds=1)
    assert matching_step(SEED, "287082", moment) == 1
