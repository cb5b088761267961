import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, transaction

from accounts import actions
from accounts.errors import SessionEnded
from accounts.models import RefreshToken, TokenFamily, User
from accounts.origin import Origin
from accounts.sessions.services import sessions
from accounts.sessions.services.sessions import RETRY_WINDOW, _hash
from accounts.sign_in import services as sign_in
from kernel.errors import Unauthenticated
from kernel.freshness.epoch import read_epoch
from kernel.trust.row_mac import IntegrityFailed
from tests.log_entries import log_rows
from tests.personas import PASSWORD, ApiClient, make_persona

pytestmark = pytest.mark.sqlite

ORIGIN = Origin(client_ip="192.0.2.7", user_agent="tests", request_id="r1")


@pytest.fixture
def api():
    return ApiClient()


def refresh(api, token):
    return api.post("/auth/refresh", {"refresh_token": token})


def use_was_long_ago(seconds=11):
    for token in RefreshToken.objects.exclude(used_at=None):
        with transaction.atomic():
            token.used_at -= timedelta(seconds=seconds)
            token.save_with_mac()


def family_of(persona):
    return TokenFamily.objects.get(pk=persona.principal.family_id)


@pytest.mark.parametrize("opening", [sessions.open_session, sessions.open_browser_session])
@pytest.mark.parametrize(
    "change", [{"is_active": False}, {"subject_version": 2}, {"requires_second_factor": True}]
)
def test_no_session_opens_for_a_user_who_changed_after_the_check_of_the_password(developer, opening, change):
    seen = User.objects.get(pk=developer.user.pk)
    for name, value in change.items():
        setattr(developer.user, name, value)
    developer.user.save_with_mac()
    with pytest.raises(SessionEnded):
        opening(seen, "password", ORIGIN)
    assert TokenFamily.objects.get() == family_of(developer)


def test_a_refresh_returns_a_new_pair_that_works(api, developer):
    response = refresh(api, developer.refresh_token)
    assert response.status == 200
    assert set(response.json) == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert response.json["refresh_token"] != developer.refresh_token
    assert ApiClient(response.json["access_token"]).get("/auth/me").json["username"] == "dora"
    assert refresh(api, response.json["refresh_token"]).status == 200
    assert log_rows().filter(action=actions.SESSION_REFRESHED, user_id=developer.user.id).count() == 2


def test_a_session_has_the_address_and_device_that_its_entries_do_not_keep(api, developer, settings):
    settings.CC_AUDIT_ADDRESSES = settings.CC_AUDIT_USER_AGENTS = "none"
    sent = {"username": "dora", "password": PASSWORD}
    response = api.post("/auth/login", sent, User_Agent="curl/8.5")
    entry = log_rows().latest("id")
    assert (entry.action, entry.client_ip, entry.user_agent) == (actions.SESSION_OPENED, "", "")
    listed = ApiClient(response.json["access_token"]).get("/auth/sessions").json["results"]
    assert (listed[0]["client_ip"], listed[0]["user_agent"]) == ("127.0.0.1", "curl/8.5")


def test_refreshing_prolongs_nothing(api, developer):
    before = family_of(developer)
    refresh(api, developer.refresh_token)
    after = family_of(developer)
    assert (after.expires_at, after.auth_time) == (before.expires_at, before.auth_time)
    assert after.expires_at - after.auth_time == timedelta(days=7)


def test_the_database_holds_the_hash_of_a_refresh_token_only(developer):
    assert RefreshToken.objects.filter(family=developer.principal.family_id).exists()
    assert developer.refresh_token not in "".join(map(str, RefreshToken.objects.values_list()))


def test_a_second_use_at_once_is_refused_and_nothing_else_happens(api, developer):
    successor = refresh(api, developer.refresh_token).json["refresh_token"]
    response = refresh(api, developer.refresh_token)
    assert (response.status, response.code) == (401, "authentication_failed")
    assert family_of(developer).revoked_at is None
    assert refresh(api, successor).status == 200


def test_a_second_use_later_ends_the_whole_family(api, developer):
    pair = refresh(api, developer.refresh_token).json
    use_was_long_ago()
    epoch = read_epoch()
    assert refresh(api, developer.refresh_token).status == 401
    assert read_epoch() == epoch + 1
    assert refresh(api, pair["refresh_token"]).status == 401
    assert ApiClient(pair["access_token"]).get("/auth/me").status == 401
    assert developer.api.get("/auth/me").status == 401
    entry = log_rows().get(action=actions.FAMILY_REVOKED)
    assert entry.object_id == str(developer.principal.family_id)
    assert "refresh_token_reused" in entry.meta
    assert refresh(api, developer.refresh_token).status == 401
    assert log_rows().filter(action=actions.FAMILY_REVOKED).count() == 1


def test_the_window_of_a_retry_is_ten_seconds(api, developer, monkeypatch):
    assert timedelta(seconds=10) == RETRY_WINDOW
    monkeypatch.setattr("accounts.sessions.services.sessions.RETRY_WINDOW", timedelta(hours=1))
    refresh(api, developer.refresh_token)
    use_was_long_ago(seconds=3000)
    assert refresh(api, developer.refresh_token).status == 401
    assert family_of(developer).revoked_at is None


def test_other_sessions_of_the_user_survive_a_theft(api, developer):
    other = sign_in.sign_in(username="dora", password=PASSWORD, origin=ORIGIN)
    refresh(api, developer.refresh_token)
    use_was_long_ago()
    refresh(api, developer.refresh_token)
    assert ApiClient(other.access_token).get("/auth/me").status == 200


def test_a_family_ends_after_seven_days_however_often_it_was_refreshed(api, developer):
    family = family_of(developer)
    family.expires_at = family.auth_time - timedelta(seconds=1)
    family.save_with_mac()
    assert refresh(api, developer.refresh_token).status == 401


def test_ended_families_go_with_the_next_sign_in(developer):
    family = family_of(developer)
    family.expires_at = family.auth_time - timedelta(seconds=1)
    family.save_with_mac()
    sign_in.sign_in(username="dora", password=PASSWORD, origin=ORIGIN)
    assert TokenFamily.objects.count() == RefreshToken.objects.count() == 1


@pytest.mark.parametrize("token", ["", "ccr_", "ccr_unknown", "cct_other", "\u00e9"])
def test_an_unknown_refresh_token_is_refused(api, db, token):
    assert refresh(api, token).status in {400, 401}
    with pytest.raises(Unauthenticated):
        sessions.refresh(refresh_token=token, origin=ORIGIN)


def test_a_refresh_token_put_into_the_database_by_hand_does_not_serve(developer):
    with pytest.raises(IntegrityFailed):
        forge_refresh_token(developer, "ccr_of-my-own-choosing")


def forge_refresh_token(persona, text):
    row = RefreshToken.objects.get(family=persona.principal.family_id)
    RefreshToken.objects.filter(pk=row.pk).update(token_hash=_hash(text))
    sessions.refresh(refresh_token=text, origin=ORIGIN)


def test_sign_out_ends_the_session_and_its_access_tokens(api, developer):
    epoch = read_epoch()
    response = api.post("/auth/logout", {"refresh_token": developer.refresh_token})
    assert (response.status, response.json) == (204, None)
    assert read_epoch() == epoch + 1
    assert developer.api.get("/auth/me").status == 401
    assert refresh(api, developer.refresh_token).status == 401
    assert log_rows().filter(action=actions.SESSION_CLOSED, user_id=developer.user.id).count() == 1


def test_sign_out_twice_is_no_error_and_one_event(api, developer):
    for _ in range(2):
        assert api.post("/auth/logout", {"refresh_token": developer.refresh_token}).status == 204
    assert log_rows().filter(action=actions.SESSION_CLOSED, outcome="ok").count() == 1


def test_sign_out_leaves_other_sessions_alone_unless_asked(api, developer):
    other = sign_in.sign_in(username="dora", password=PASSWORD, origin=ORIGIN)
    third = sign_in.sign_in(username="dora", password=PASSWORD, origin=ORIGIN)
    api.post("/auth/logout", {"refresh_token": developer.refresh_token})
    assert ApiClient(other.access_token).get("/auth/me").status == 200
    assert api.post("/auth/logout", {"refresh_token": other.refresh_token, "everywhere": True}).status == 204
    assert ApiClient(third.access_token).get("/auth/me").status == 401
    assert refresh(api, third.refresh_token).status == 401
    assert log_rows().filter(action=actions.USER_SIGNED_OUT, user_id=developer.user.id).count() == 1


def test_a_used_token_signs_no_one_out_everywhere(api, developer):
    pair = refresh(api, developer.refresh_token).json
    response = api.post("/auth/logout", {"refresh_token": developer.refresh_token, "everywhere": True})
    assert response.status == 401
    assert ApiClient(pair["access_token"]).get("/auth/me").status == 200


def test_sign_out_with_an_unknown_token_is_401(api, db):
    assert api.post("/auth/logout", {"refresh_token": "ccr_unknown"}).status == 401


@pytest.mark.django_db(transaction=True)
def test_one_of_32_parallel_uses_succeeds(monkeypatch):
    # Some of the parallel uses may come late.
    monkeypatch.setattr("accounts.sessions.services.sessions.RETRY_WINDOW", timedelta(hours=1))
    persona = make_persona("dora", "developer")
    for _ in range(3):
        responses = in_parallel(32, lambda token=persona.refresh_token: attempt_refresh(token))
        winners = [response for response in responses if response is not None]
        assert len(winners) == 1
        assert RefreshToken.objects.filter(used_at=None).count() == 1
        assert TokenFamily.objects.get().revoked_at is None
        persona = winners[0]


def attempt_refresh(token):
    try:
        return sessions.refresh(refresh_token=token, origin=ORIGIN)
    except Unauthenticated:
        return None


@pytest.mark.django_db(transaction=True)
def test_eight_parallel_sign_ins_of_one_account_all_succeed():
    make_persona("dora", "developer")
    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(closing_connection, sign_in_once) for _ in range(8)]
    assert all(future.result().access_token for future in futures)


def sign_in_once():
    return sign_in.sign_in(username="dora", password=PASSWORD, origin=ORIGIN)


def in_parallel(count, call):
    start = threading.Barrier(count)

    def run():
        start.wait(60)
        return closing_connection(call)

    with ThreadPoolExecutor(count) as pool:
        futures = [pool.submit(run) for _ in range(count)]
    return [future.result() for future in futures]


def closing_connection(call):
    try:
        return call()
    finally:
        connection.close()
