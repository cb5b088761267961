"""Bounds of what callers and providers send, and of what the caches of tokens keep."""

from datetime import UTC, datetime

import jwt
import pytest
from rest_framework_simplejwt.exceptions import TokenBackendError

from accounts import tokens, verified_tokens
from accounts.oidc import id_token
from accounts.oidc.id_token import Expected, Mismatch
from accounts.principals import Principal

NOW = datetime.now(UTC)


def test_a_token_has_4096_characters_at_most():
    assert tokens._split("a.b." + "c" * 4092)
    with pytest.raises(TokenBackendError):
        tokens._split("a.b." + "c" * 4093)


def test_an_id_token_is_not_parsed_above_64_kibibytes():
    with pytest.raises(Mismatch, match="size"):
        id_token._verify("x" * (64 * 1024 + 1), None, None)
    with pytest.raises(jwt.DecodeError):
        id_token._verify("x" * 64 * 1024, None, None)


@pytest.mark.parametrize("subject", ["", "x" * 256, "a\0b", 7])
def test_a_subject_is_a_text_of_1_to_255_characters(subject):
    expected = Expected(issuer="i", client_id="c", nonce="n", access_token="a", authenticated_since=None)
    id_token._compare({"sub": "x" * 255, "aud": "c", "nonce": "n"}, "RS256", expected)
    with pytest.raises(Mismatch, match="subject"):
        id_token._compare({"sub": subject, "aud": "c", "nonce": "n"}, "RS256", expected)


def test_a_token_is_known_from_a_hundred_places_at_most():
    verified_tokens.remember("token", Principal.system("test", "api"))
    try:
        places = verified_tokens._tokens.current.verified[verified_tokens._digest("token")].places
        for number in range(101):
            assert verified_tokens.find_caller("token", f"192.0.2.{number}", "agent", NOW)
            assert len(places) == (number + 1 if number < 100 else 1)
    finally:
        verified_tokens.forget("token")
