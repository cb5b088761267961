import base64
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime, timedelta

import jwt
import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from accounts.errors import SessionEnded, TokenExpired
from accounts.models import TokenFamily, User
from accounts.origin import Origin
from accounts.principals import Principal
from accounts.sessions.services import sessions
from accounts.tokens import signing_keys, verified_tokens
from accounts.tokens.access_tokens import (
    authenticate_bearer,
    authenticate_known_bearer,
    issue_access_token,
    renew_principal,
)
from accounts.users.services import editing
from kernel.errors import Unauthenticated
from kernel.freshness.epoch import read_epoch
from kernel.observability.metrics import token_refusals_total
from kernel.trust.row_mac import IntegrityFailed
from tests.clocks import travel
from tests.log_entries import log_rows

ORIGIN = Origin(client_ip="192.0.2.7", user_agent="tests", request_id="r1")
OURSELVES = Principal.system("test", "command")


@pytest.fixture
def token(developer):
    return developer.api.token


def parts(token):
    return token.split(".")


def decoded(part):
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def encoded(value):
    octets = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def signed(token, *, claims=None, header=None, without=()):
    """Re-sign the token with our own active key, with changed claims or header members."""
    kid = signing_keys.key_set().active_kid
    payload = {k: v for k, v in (decoded(parts(token)[1]) | (claims or {})).items() if k not in without}
    return jwt.encode(
        payload,
        signing_keys.signer(kid),
        algorithm="RS256",
        headers={"kid": kid, "typ": "at+jwt"} | (header or {}),
    )


def refused(token):
    with pytest.raises(Unauthenticated) as refusal:
        authenticate_bearer(token, ORIGIN)
    return refusal.value


def test_an_access_token_is_an_at_jwt_with_the_promised_claims(developer, token):
    header, claims = decoded(parts(token)[0]), decoded(parts(token)[1])
    assert header == {"alg": "RS256", "typ": "at+jwt", "kid": signing_keys.key_set().active_kid}
    assert claims["sub"] == str(developer.user.id)
    assert claims["sid"] == str(developer.principal.family_id)
    assert claims["subject_version"] == 1
    assert claims["nbf"] == claims["iat"]
    opened = TokenFamily.objects.get(pk=claims["sid"])
    assert claims["auth_time"] == int(opened.auth_time.timestamp()) <= claims["iat"]
    assert claims["exp"] - claims["iat"] == 1800
    assert {"iss", "aud", "jti"} <= set(claims)


def test_the_principal_is_the_user_as_stored_in_the_database(developer, token):
    principal = authenticate_bearer(token, ORIGIN)
    assert (principal.user_id, principal.role, principal.actor.actor_name) == (
        developer.user.id,
        "developer",
        "dora",
    )
    assert principal.has_permission("crypto.encrypt")
    assert not principal.has_permission("keys.revoke")
    assert principal.scope("keys.read") == "own"
    assert principal.not_after == datetime.fromtimestamp(decoded(parts(token)[1])["exp"], UTC)
    assert principal.stamp.as_of == read_epoch()
    assert set(principal.stamp.epochs) == {f"user:{principal.user_id}", "signing-keys", "roles"}
    assert principal.actor.token_id == decoded(parts(token)[1])["jti"]
    assert (principal.actor.client_ip, principal.actor.auth_method) == ("192.0.2.7", "password")


def test_a_control_token_signed_anew_passes(token):
    assert authenticate_bearer(signed(token), ORIGIN).actor.actor_name == "dora"


@pytest.mark.parametrize("alg", ["none", "None", "NONE"])
def test_an_unsigned_token_is_refused(token, alg):
    header = decoded(parts(token)[0]) | {"alg": alg}
    for signature in ("", parts(token)[2]):
        assert refused(f"{encoded(header)}.{parts(token)[1]}.{signature}").code == "authentication_failed"


def test_the_public_key_does_not_serve_as_an_hmac_secret(token):
    keys = signing_keys.key_set()
    public = keys.verification_keys[keys.active_kid].public_key
    for form in (
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    ):
        header = decoded(parts(token)[0]) | {"alg": "HS256"}
        body = f"{encoded(header)}.{parts(token)[1]}"
        tag = hmac.new(form, body.encode(), hashlib.sha256).digest()
        refused(f"{body}.{encoded(tag)}")


@pytest.mark.parametrize("alg", ["RS384", "RS512", "PS256"])
def test_other_algorithms_of_our_own_key_are_refused(token, alg):
    kid = signing_keys.key_set().active_kid
    payload = decoded(parts(token)[1])
    headers = {"kid": kid, "typ": "at+jwt"}
    refused(jwt.encode(payload, signing_keys.signer(kid), algorithm=alg, headers=headers))


def test_a_key_that_is_not_ours_is_refused_under_any_kid(token):
    stranger = generate_private_key(65537, 2048)
    payload = decoded(parts(token)[1])
    for kid in (signing_keys.key_set().active_kid, "0123456789abcdef", "../../etc/passwd", ""):
        refused(jwt.encode(payload, stranger, algorithm="RS256", headers={"kid": kid, "typ": "at+jwt"}))


@pytest.mark.parametrize(
    "header",
    [
        {"jku": "https://attacker.example/jwks.json"},
        {"x5u": "https://attacker.example/cert.pem"},
        {"jwk": {"kty": "RSA", "n": "AQAB", "e": "AQAB"}},
        {"crit": ["exp"], "exp": 1},
        {"b64": False, "crit": ["b64"]},
        {"zip": "DEF"},
        {"cty": "JWT"},
        {"typ": "JWT"},
        {"typ": "refresh"},
        {"kid": 7},
        {"kid": None},
        {"kid": ["a"]},
    ],
)
def test_header_members_beyond_our_three_are_refused(token, header):
    header = decoded(parts(token)[0]) | header
    kid = signing_keys.key_set().active_kid
    body = f"{encoded(header)}.{parts(token)[1]}"
    signature = signing_keys.signer(kid).sign(body.encode(), PKCS1v15(), SHA256())
    refused(f"{body}.{encoded(signature)}")


def test_every_altered_character_is_refused(token):
    # Every fifth character, plus the last of each part: a lenient decoder would ignore its unused bits.
    positions = {*range(0, len(token), 5), *(len(".".join(parts(token)[:n])) - 1 for n in (1, 2, 3))}
    for at in positions:
        altered = "B" if token[at] == "A" else "A"
        refused(token[:at] + altered + token[at + 1 :])


def test_each_token_has_one_spelling(token):
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    signature = parts(token)[2]
    wide = token + "=="
    neighbour = token[:-1] + alphabet[alphabet.index(signature[-1]) ^ 1]
    for spelling in (wide, token + "=", token + " ", " " + token, token + "\n", neighbour, token + "."):
        refused(spelling)


def test_a_token_above_four_kibibytes_is_refused_unread(token):
    assert authenticate_bearer(signed(token, claims={"pad": "x" * 1000}), ORIGIN)
    refused(signed(token, claims={"pad": "x" * 4000}))


@pytest.mark.parametrize(
    "text", ["", ".", "..", "a.b.c", "a.b", "…", "[" * 3000 + ".e30.e30", "W10.e30.AA", "bnVsbA.e30.AA"]
)
def test_a_malformed_token_is_refused(db, text):
    refused(text)
    refused(f"{encoded(b'[' * 2000)}.e30.AA")


def test_a_header_that_is_no_object_is_refused(token):
    refused(f"{encoded(['alg', 'kid', 'typ'])}.{parts(token)[1]}.AA")


def test_a_token_ends_with_its_exp(developer, token):
    exp = datetime.fromtimestamp(decoded(parts(token)[1])["exp"], UTC)
    with travel(exp - timedelta(seconds=30)):
        assert authenticate_bearer(token, ORIGIN)
    with travel(exp):
        assert isinstance(refused(token), TokenExpired)
        response = developer.api.get("/auth/me")
    assert (response.status, response.code) == (401, "token_expired")
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]


@pytest.mark.postgresql
@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(hours=-1)])
def test_a_wrong_clock_of_the_node_neither_ends_nor_delays_a_token(developer, token, ahead):
    with time_machine.travel(datetime.now(UTC) + ahead):
        assert authenticate_bearer(token, ORIGIN)
        new = issue_access_token(
            TokenFamily.objects.get(pk=developer.principal.family_id), signing_keys.key_set()
        )
        verified_tokens.remember(token, developer.principal)
        assert authenticate_known_bearer(token, ORIGIN).user_id == developer.user.id
    assert authenticate_bearer(new[0], ORIGIN)


def test_a_token_from_the_future_is_refused(token):
    soon = int(time.time()) + 15
    refused(signed(token, claims={"nbf": soon}))
    refused(signed(token, claims={"iat": soon, "exp": soon + 60}))


@pytest.mark.parametrize(
    "claim", ["iss", "aud", "sub", "jti", "iat", "nbf", "exp", "auth_time", "sid", "subject_version"]
)
def test_each_claim_is_required(token, claim):
    refused(signed(token, without={claim}))


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://attacker.example"},
        {"aud": "another-service"},
        {"aud": ["ciphercanary", "another-service"]},
        {"token_type": "refresh"},
        {"subject_version": "1"},
        {"subject_version": True},
        {"sid": 5},
        {"sub": None},
        {"sub": 5},
        {"sub": ["a"]},
        {"sub": {"a": 1}},
        {"auth_time": 1.5},
    ],
)
def test_claims_of_another_issuer_audience_or_type_are_refused(token, claims):
    refused(signed(token, claims=claims))


def test_a_token_of_one_user_does_not_open_the_session_of_another(developer, stranger, token):
    refused(signed(token, claims={"sub": str(stranger.user.id)}))


def test_an_access_token_never_outlives_its_family(developer):
    family = TokenFamily.objects.get(pk=developer.principal.family_id)
    family.expires_at = family.auth_time + timedelta(minutes=3)
    family.save_with_mac()
    pair = sessions.refresh(refresh_token=developer.refresh_token, origin=ORIGIN)
    claims = decoded(parts(pair.access_token)[1])
    assert claims["exp"] == int(family.expires_at.timestamp())
    assert pair.expires_in == claims["exp"] - claims["iat"] <= 180


@pytest.mark.parametrize(
    "change",
    [
        lambda user: editing.disable_user(principal=OURSELVES, user_id=user.id),
        lambda user: editing.set_role(principal=OURSELVES, user_id=user.id, role="operator"),
        lambda user: editing.sign_out_everywhere(principal=OURSELVES, user_id=user.id),
        lambda user: editing.set_password(
            principal=OURSELVES, user_id=user.id, password="another long one for Dora"
        ),
    ],
    ids=["disable", "role", "sign-out", "password"],
)
def test_every_end_of_sessions_takes_effect_at_once_and_raises_the_epoch(developer, change):
    assert developer.api.get("/auth/me").status == 200
    epoch = read_epoch()
    change(developer.user)
    assert read_epoch() > epoch
    response = developer.api.get("/auth/me")
    assert (response.status, response.code) == (401, "authentication_failed")
    response = developer.api.post("/auth/refresh", {"refresh_token": developer.refresh_token})
    assert response.status == 401
    refused = log_rows().filter(code="authentication_failed").values_list("action", "user_id")
    assert set(refused) == {
        ("accounts.session.read", developer.user.id),
        ("accounts.session.refreshed", developer.user.id),
    }
    with pytest.raises(SessionEnded):
        renew_principal(developer.principal)


def test_a_principal_is_renewed_as_of_the_present_epoch(developer, stranger):
    editing.sign_out_everywhere(principal=OURSELVES, user_id=stranger.user.id)
    renewed = renew_principal(developer.principal)
    assert renewed.stamp.as_of == read_epoch() > developer.principal.stamp.as_of
    assert renewed.stamp.epochs == developer.principal.stamp.epochs
    assert renewed.user_id == developer.user.id
    assert renew_principal(OURSELVES) is OURSELVES


@pytest.mark.parametrize(
    ("model", "change"),
    [
        (User, {"role": "admin"}),
        (User, {"subject_version": 2}),
        (User, {"password": "argon2$other"}),
        (TokenFamily, {"auth_methods": "password+totp"}),
        (TokenFamily, {"expires_at": datetime(2099, 1, 1, tzinfo=UTC)}),
    ],
)
def test_a_row_altered_by_hand_refuses_with_503(developer, model, change):
    model.objects.update(**change)
    response = developer.api.get("/auth/me")
    assert (response.status, response.code) == (503, "integrity_failed")
    with pytest.raises(IntegrityFailed):
        authenticate_bearer(developer.api.token, ORIGIN)


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Bearer a b", "bearer x", "Token x", "Basic eDp5"])
def test_a_malformed_authorization_header_is_401(developer, header):
    response = developer.api.get("/auth/me", Authorization=header)
    assert (response.status, response.code) == (401, "authentication_failed")


def test_the_scheme_is_written_in_any_case(developer):
    assert developer.api.get("/auth/me", Authorization=f"bEaReR {developer.api.token}").status == 200


def test_refusals_are_counted_by_reason(developer):
    counter = token_refusals_total.labels(reason="authentication_failed")
    before = counter._value.get()
    developer.api.get("/auth/me", Authorization="Bearer nonsense")
    assert counter._value.get() == before + 1
