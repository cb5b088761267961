"""Bounds of what callers and providers send, and of what the caches of tokens keep."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import jwt
import pytest
from django.http import QueryDict
from rest_framework_simplejwt.exceptions import TokenBackendError

from accounts.errors import ProviderUnavailable, TokenRequestRefused
from accounts.principals import Principal
from accounts.service_accounts.oauth import api as api_oauth
from accounts.service_accounts.services import tokens as service_tokens
from accounts.sign_in.oidc import id_token, json_requests
from accounts.sign_in.oidc.id_token import Expected
from accounts.tokens import access_tokens, verified_tokens
from kernel.errors import Invalid
from tests.accounts.oidc_issuer import running_issuer

NOW = datetime.now(UTC)


def test_a_token_has_4096_characters_at_most():
    assert access_tokens._split("a.b." + "c" * 4092)
    with pytest.raises(TokenBackendError):
        access_tokens._split("a.b." + "c" * 4093)


def test_an_id_token_is_not_parsed_above_64_kibibytes():
    with pytest.raises(id_token._Mismatch, match="size"):
        id_token._verify("x" * (64 * 1024 + 1), None, None)
    with pytest.raises(jwt.DecodeError):
        id_token._verify("x" * 64 * 1024, None, None)


@pytest.mark.parametrize("subject", ["", "x" * 256, "a\0b", 7])
def test_a_subject_is_a_text_of_1_to_255_characters(subject):
    expected = Expected(issuer="i", client_id="c", nonce="n", access_token="a", authenticated_since=None)
    for valid in ("x", "x" * 255):
        id_token._compare({"sub": valid, "aud": "c", "nonce": "n"}, "RS256", expected)
    with pytest.raises(id_token._Mismatch, match="subject"):
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


def test_a_parameter_of_a_token_request_is_sent_once_and_has_2000_characters_at_most():
    assert api_oauth._single_values(QueryDict("scope=" + "x" * 2000)) == {"scope": "x" * 2000}
    for form in ("scope=" + "x" * 2001, "scope=a&scope=a"):
        with pytest.raises(TokenRequestRefused):
            api_oauth._single_values(QueryDict(form))


def test_a_service_token_is_for_1_to_100_keys():
    for count in (1, 100):
        assert len(service_tokens._key_ids([uuid4() for _ in range(count)])) == count
    for count in (0, 101):
        with pytest.raises(Invalid):
            service_tokens._key_ids([uuid4() for _ in range(count)])


def test_a_service_token_lives_366_days_at_most():
    last = NOW + timedelta(days=366)
    assert service_tokens._expiry(last, NOW) == last
    for wrong in (NOW, last + timedelta(microseconds=1)):
        with pytest.raises(Invalid):
            service_tokens._expiry(wrong, NOW)


@pytest.fixture(scope="module")
def issuer():
    with running_issuer() as issuer:
        yield issuer


def test_an_answer_of_the_provider_has_256_kibibytes_at_most(issuer):
    url, size = f"{issuer.url}/userinfo", 256 * 1024
    issuer.answers["/userinfo"] = (200, b"{}".ljust(size))
    assert json_requests.fetch(url) == (200, {})
    issuer.answers["/userinfo"] = (200, b"{}".ljust(size + 1))
    with pytest.raises(ProviderUnavailable, match="response_too_large"):
        json_requests.fetch(url)
