"""Bounds of what callers and providers send, and of what the caches of tokens keep."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.test import Client
from rest_framework_simplejwt.exceptions import TokenBackendError

from accounts import passwords
from accounts.errors import ProviderUnavailable, TokenRequestRefused
from accounts.models import BrowserSession, ServiceAccount, TokenFamily
from accounts.origin import Origin
from accounts.principals import Principal
from accounts.roles import ROLES
from accounts.service_accounts.oauth import api as api_oauth
from accounts.service_accounts.services import accounts
from accounts.service_accounts.services import tokens as service_tokens
from accounts.sessions.services import sessions
from accounts.sign_in.forms import SignInForm
from accounts.sign_in.oidc import id_token, json_requests, provider
from accounts.sign_in.oidc import services as oidc_services
from accounts.sign_in.oidc.claims import read_identity
from accounts.sign_in.oidc.configuration import OidcSettings
from accounts.sign_in.oidc.id_token import Expected
from accounts.tokens import token_format, verified_tokens
from kernel.errors import Invalid, RecentAuthRequired
from tests.accounts.oidc_issuer import running_issuer
from tests.factories import TokenFactory
from tests.personas import PASSWORD

NOW = datetime.now(UTC)


def test_a_token_has_4096_characters_at_most():
    assert token_format._split("a.b." + "c" * 4092)
    with pytest.raises(TokenBackendError):
        token_format._split("a.b." + "c" * 4093)


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


@pytest.mark.parametrize(("scope", "most"), [("decrypt", timedelta(366)), ("vault.manage", timedelta(1))])
def test_a_service_token_lives_366_days_and_a_migration_token_24_hours_at_most(scope, most):
    def expiry(expires_at):
        wanted = service_tokens.TokenRequest(name="any", scopes=[scope], expires_at=expires_at)
        return service_tokens._expiry(wanted, NOW)

    assert expiry(NOW + most) == NOW + most
    for wrong in (NOW, NOW + most + timedelta(microseconds=1)):
        with pytest.raises(Invalid):
            expiry(wrong)


@pytest.fixture(scope="module")
def issuer():
    with running_issuer() as issuer:
        yield issuer


def test_a_response_of_the_provider_has_256_kibibytes_at_most(issuer):
    url, size = f"{issuer.url}/userinfo", 256 * 1024
    issuer.responses["/userinfo"] = (200, b"{}".ljust(size))
    assert json_requests.fetch(url) == (200, {})
    issuer.responses["/userinfo"] = (200, b"{}".ljust(size + 1))
    with pytest.raises(ProviderUnavailable, match="response_too_large"):
        json_requests.fetch(url)


def test_two_requests_to_the_provider_are_under_way_at_most(issuer, monkeypatch):
    monkeypatch.setattr(json_requests, "CONNECT_SECONDS", 0.01)
    issuer.responses["/userinfo"] = (200, {})
    slots = json_requests._requests.current
    with slots:
        assert json_requests.fetch(f"{issuer.url}/userinfo") == (200, {})
        with slots, pytest.raises(ProviderUnavailable, match="too many requests"):
            json_requests.fetch(f"{issuer.url}/userinfo")


@pytest.mark.parametrize(("age", "reads"), [(3590, 0), (3601, 1)])
def test_the_documents_of_the_provider_are_read_again_after_an_hour(issuer, settings, age, reads):
    settings.CC_OIDC = OidcSettings(issuer=issuer.url, client_id="c", client_secret="s")
    issuer.reset()
    issuer.responses["/keys"] = (200, {"keys": [{"kid": "1"}]})
    cached = provider._Provider()
    cached._metadata = provider._Fetched(cached.metadata, time.monotonic() - age)
    cached._keys = provider._Fetched([{"kid": "1"}], time.monotonic() - age)
    issuer.requests.clear()
    assert cached.keys("1")
    assert [path for path, *_ in issuer.requests] == ["/.well-known/openid-configuration", "/keys"][
        : 2 * reads
    ]


@pytest.mark.parametrize(("age", "reads"), [(50, 0), (61, 1)])
def test_an_unknown_key_is_searched_at_the_provider_once_a_minute(issuer, settings, age, reads):
    settings.CC_OIDC = OidcSettings(issuer=issuer.url, client_id="c", client_secret="s")
    issuer.reset()
    issuer.responses["/keys"] = (200, {"keys": [{"kid": "1"}]})
    cached = provider._Provider()
    cached._keys = provider._Fetched([{"kid": "old"}], time.monotonic() - age)
    assert len(cached.keys("1")) == reads


@pytest.mark.parametrize(("bits", "fault"), [(2047, "key size"), (2048, "")])
def test_a_token_is_verified_with_rsa_keys_of_2048_bits_at_least(bits, fault):
    public = rsa.RSAPublicNumbers(65_537, 2 ** (bits - 1) + 1).public_key()
    keys = [jwt.get_algorithm_by_name("RS256").to_jwk(public, as_dict=True)]
    if fault:
        with pytest.raises(id_token._Mismatch, match=fault):
            id_token._choose_key(keys, "RS256")
    else:
        assert id_token._choose_key(keys, "RS256").key_size == bits


def test_the_clock_of_the_provider_may_be_30_seconds_late():
    expected = Expected(issuer="i", client_id="c", nonce="n", access_token="a", authenticated_since=1000)
    claims = {"sub": "s", "aud": "c", "nonce": "n"}
    id_token._compare({**claims, "auth_time": 970}, "RS256", expected)
    with pytest.raises(id_token._Mismatch, match="time of authentication"):
        id_token._compare({**claims, "auth_time": 969}, "RS256", expected)


def test_claims_of_the_provider_are_cut_to_their_columns():
    claims = {"iss": "i", "sub": "s", "preferred_username": "u" * 65, "amr": ["m" * 60] * 2}
    person = read_identity(claims, "role", [])
    assert (person.username, person.methods) == ("u" * 64, f"{'m' * 60} {'m' * 39}")
    assert {len(name) for name in oidc_services._free_names("u" * 64)} == {64}


def test_the_rotated_secret_of_an_account_stays_valid_for_a_week_at_most():
    tick = timedelta(microseconds=1)
    for valid in (timedelta(0), timedelta(days=7)):
        accounts.require_overlap(valid)
    for wrong in (-tick, timedelta(days=7) + tick):
        with pytest.raises(Invalid):
            accounts.require_overlap(wrong)


def test_the_description_of_an_account_has_1000_characters_at_most():
    accounts._set_fields(Principal.system("test", "api"), ServiceAccount(), {"description": "x" * 1000})
    with pytest.raises(Invalid):
        accounts._set_fields(Principal.system("test", "api"), ServiceAccount(), {"description": "x" * 1001})


def test_the_name_of_a_service_token_has_64_characters_at_most(admin):
    assert TokenFactory(principal=admin.principal, name="x" * 64)
    with pytest.raises(Invalid):
        TokenFactory(principal=admin.principal, name="x" * 65)


def test_the_user_agent_of_a_session_is_cut_to_200_characters(developer):
    origin = Origin(client_ip="192.0.2.1", user_agent="x" * 201, request_id="")
    pair = sessions.open_session(developer.user, "pwd", origin)
    assert TokenFamily.objects.filter(user_agent="x" * 200).update(user_agent="") == 1
    sessions.refresh(refresh_token=pair.refresh_token, origin=origin)
    assert TokenFamily.objects.filter(user_agent="x" * 200).count() == 1
    browser = Client(headers={"User-Agent": "x" * 201})
    browser.post("/login/", {"username": "dora", "password": PASSWORD})
    assert BrowserSession.objects.get().user_agent == "x" * 200


def test_a_sign_in_is_recent_for_ten_minutes():
    person = replace(Principal.system("test", "api"), rights=ROLES["admin"], auth_time=NOW)
    person.require_recent_sign_in(NOW + timedelta(minutes=10))
    with pytest.raises(RecentAuthRequired):
        person.require_recent_sign_in(NOW + timedelta(minutes=10, microseconds=1))


@pytest.mark.parametrize("field", [passwords.password_field("a", "b"), SignInForm.base_fields["username"]])
def test_a_field_of_the_sign_in_has_1024_characters_at_most(field):
    assert field.clean("x" * 1024)
    with pytest.raises(ValidationError):
        field.clean("x" * 1025)


@pytest.mark.parametrize(
    ("password", "length"),
    [
        ("x" * 33, 32),
        ("({[<1!|4@" + "x" * 24, 27),  # 48 substitutions, and 48 * 27² is 34,992
        ("({[<1!|4@69+7" + "x" * 18, 12),
    ],
)
def test_a_bounded_beginning_of_a_password_is_read(password, length):
    assert passwords._beginning(password) == password[:length]
