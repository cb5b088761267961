import time
from datetime import UTC, datetime, timedelta

import jwt
import pytest

from accounts import actions
from accounts.errors import SessionEnded, SigningKeyTooNew
from accounts.models import SigningKey
from accounts.origin import Origin
from accounts.principals import Principal
from accounts.sessions.services import sessions
from accounts.sign_in import services as sign_in
from accounts.tokens import signing_keys
from accounts.tokens.access_tokens import authenticate_bearer, renew_principal
from accounts.tokens.services import signing_keys as tokens
from kernel.clock import database_now
from kernel.errors import Denied, Unauthenticated
from kernel.freshness.epoch import read_epoch
from kernel.trust.row_mac import IntegrityFailed
from tests.clocks import travel
from tests.log_entries import log_rows
from tests.personas import PASSWORD, ApiClient

SYSTEM = Principal.system("test", "command")
ORIGIN = Origin(client_ip="", user_agent="", request_id="")


@pytest.fixture
def published_long_ago(db):
    upcoming = SigningKey.objects.get(state="next")
    upcoming.created_at -= timedelta(minutes=11)
    upcoming.save_with_mac()
    return upcoming


def jwks():
    response = ApiClient().get("/.well-known/jwks.json")
    assert response.status == 200
    return response


def kids():
    return [key["kid"] for key in jwks().json["keys"]]


def kid_of(token):
    return jwt.get_unverified_header(token)["kid"]


def new_token():
    return sign_in.sign_in(username="dora", password=PASSWORD, origin=ORIGIN).access_token


def test_the_jwks_holds_the_active_and_the_next_key_and_no_private_member(db):
    keys = jwks().json["keys"]
    assert [key["kid"] for key in keys] == [
        SigningKey.objects.get(state=state).kid for state in ("active", "next")
    ]
    for key in keys:
        assert set(key) == {"kty", "n", "e", "kid", "use", "alg", "key_ops"}
        assert (key["kty"], key["alg"], key["use"]) == ("RSA", "RS256", "sig")
        assert jwt.PyJWK(key).key.key_size == 3072


def test_the_jwks_may_be_kept_for_five_minutes(db):
    assert jwks().headers["Cache-Control"] == "public, max-age=300"


def test_a_stranger_verifies_a_token_with_the_jwks_alone(developer, settings):
    key = next(key for key in jwks().json["keys"] if key["kid"] == kid_of(developer.api.token))
    claims = jwt.decode(
        developer.api.token,
        jwt.PyJWK(key).key,
        algorithms=["RS256"],
        audience="ciphercanary",
        issuer=settings.CC_PUBLIC_URL,
    )
    assert claims["sub"] == str(developer.user.id)


def test_a_rotation_keeps_every_token_and_signs_with_the_published_key(developer, published_long_ago):
    old, before, epoch = kid_of(developer.api.token), kids(), read_epoch()
    tokens.rotate_signing_key(principal=SYSTEM)
    assert read_epoch() == epoch + 1
    assert developer.api.get("/auth/me").status == 200
    token = new_token()
    assert kid_of(token) == published_long_ago.kid
    assert kid_of(token) in before
    assert ApiClient(token).get("/auth/me").status == 200
    assert set(before) < set(kids())
    assert old in kids()
    entry = log_rows().get(action=actions.SIGNING_KEY_ROTATED)
    assert entry.object_id == published_long_ago.kid


@pytest.mark.parametrize("role", ["operator", "developer", "auditor"])
def test_roles_without_users_manage_do_not_rotate_the_signing_key(request, db, role):
    with pytest.raises(Denied):
        tokens.rotate_signing_key(principal=request.getfixturevalue(role).principal)


def test_a_key_that_was_only_just_published_does_not_sign_yet(db):
    upcoming = SigningKey.objects.get(state="next")
    upcoming.created_at = database_now() - timedelta(minutes=9)
    upcoming.save_with_mac()
    rows = set(SigningKey.objects.values_list("kid", "state"))
    with pytest.raises(SigningKeyTooNew):
        tokens.rotate_signing_key(principal=SYSTEM)
    assert set(SigningKey.objects.values_list("kid", "state")) == rows


def test_a_retired_key_is_wiped_and_disowned_once_its_last_token_has_expired(developer, published_long_ago):
    old = kid_of(developer.api.token)
    tokens.rotate_signing_key(principal=SYSTEM)
    retired = SigningKey.objects.get(kid=old)
    assert bytes(retired.wrapped) == b""
    life = retired.trusted_until - datetime.now(UTC)
    assert timedelta(minutes=30) < life <= timedelta(minutes=30, seconds=10)
    retired.trusted_until = datetime.now(UTC) - timedelta(seconds=1)
    retired.save_with_mac()
    signing_keys.forget()
    assert old not in kids()
    assert developer.api.get("/auth/me").status == 401


def test_a_kept_key_set_disowns_a_retired_key_in_time(developer, published_long_ago):
    tokens.rotate_signing_key(principal=SYSTEM)
    assert authenticate_bearer(developer.api.token, ORIGIN)
    key = signing_keys.key_set().verification_keys[kid_of(developer.api.token)]
    assert not key.is_trusted(key.trusted_until)
    with travel(key.trusted_until + timedelta(seconds=1)), pytest.raises(Unauthenticated):
        authenticate_bearer(developer.api.token, ORIGIN)


def test_an_emergency_waits_for_nothing_and_ends_the_tokens_of_the_old_key(developer):
    tokens.rotate_signing_key(principal=SYSTEM, is_emergency=True)
    assert kid_of(developer.api.token) not in kids()
    with pytest.raises(SessionEnded):
        renew_principal(developer.principal)
    response = developer.api.get("/auth/me")
    assert (response.status, response.code) == (401, "authentication_failed")
    pair = sessions.refresh(refresh_token=developer.refresh_token, origin=ORIGIN)
    assert ApiClient(pair.access_token).get("/auth/me").status == 200


def test_a_start_makes_the_keys_that_are_missing_and_no_more(db):
    SigningKey.objects.all().delete()
    signing_keys.forget()
    assert ApiClient().get("/.well-known/jwks.json").code == "integrity_failed"
    tokens.bootstrap_signing_keys()
    assert len(kids()) == 2
    rows = set(SigningKey.objects.values_list("kid", "state"))
    assert {state for _, state in rows} == {"active", "next"}
    tokens.bootstrap_signing_keys()
    assert set(SigningKey.objects.values_list("kid", "state")) == rows


@pytest.mark.parametrize(
    "change",
    [{"public_key": b"0"}, {"state": "retired"}, {"created_at": datetime(2020, 1, 1, tzinfo=UTC)}],
)
def test_a_signing_key_altered_by_hand_is_not_believed(developer, change):
    SigningKey.objects.filter(state="active").update(**change)
    signing_keys.forget()
    with pytest.raises(IntegrityFailed):
        authenticate_bearer(developer.api.token, ORIGIN)
    response = developer.api.get("/auth/me")
    assert (response.status, response.code) == (503, "integrity_failed")


def test_a_signing_key_put_in_by_hand_is_not_believed(developer):
    row = SigningKey.objects.get(state="next")
    SigningKey.objects.create(
        kid="feedfacefeedface",
        state="retired",
        public_key=row.public_key,
        wrapped=b"",
        created_at=row.created_at,
        row_seq=row.row_seq,
        row_mac=row.row_mac,
    )
    signing_keys.forget()
    with pytest.raises(IntegrityFailed):
        authenticate_bearer(developer.api.token, ORIGIN)


def test_verification_does_not_load_keys_again(developer):
    authenticate_bearer(developer.api.token, ORIGIN)
    before = signing_keys._load.cache_info().misses
    for _ in range(20):
        authenticate_bearer(developer.api.token, ORIGIN)
    assert signing_keys._load.cache_info().misses == before


def test_the_keys_are_loaded_again_after_a_minute(developer, monkeypatch):
    later = time.monotonic() + 60
    before = signing_keys.key_set()
    assert signing_keys.key_set() is before
    monkeypatch.setattr(signing_keys.time, "monotonic", lambda: later)
    assert signing_keys.key_set() is not before
