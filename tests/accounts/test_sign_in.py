import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.hashers import make_password
from django.db import connection

from accounts import actions, hashers
from accounts.login_attempts import WINDOW
from accounts.models import LoginAttempt, TokenFamily, User
from kernel.runtime import ProcessState
from tests.factories import UserFactory
from tests.log_entries import log_rows
from tests.personas import PASSWORD, ApiClient


@pytest.fixture
def api():
    return ApiClient()


@pytest.fixture
def dora(db):
    return UserFactory(username="dora", role="developer", email="dora@example.org")


def sign_in(api, username="dora", password=PASSWORD, **more):
    return api.post("/auth/login", {"username": username, "password": password, **more})


def test_a_sign_in_returns_the_fields_of_the_specification(api, dora):
    response = sign_in(api)
    assert response.status == 200
    assert set(response.json) == {"access_token", "refresh_token", "token_type", "expires_in", "user"}
    assert response.json["token_type"] == "bearer"
    assert response.json["expires_in"] == 1800
    assert response.json["refresh_token"].startswith("ccr_")
    assert response.headers["Cache-Control"] == "no-store"
    user = response.json["user"]
    assert (user["id"], user["username"], user["email"]) == (str(dora.id), "dora", "dora@example.org")
    assert user["role"] == "developer"
    assert "crypto.encrypt" in user["permissions"]
    assert "keys.revoke" not in user["permissions"]


def test_the_case_of_the_name_does_not_matter(api, dora):
    assert sign_in(api, username="DoRa").status == 200


def test_a_sign_in_is_recorded_with_its_user(api, dora):
    sign_in(api)
    entry = log_rows().get(action=actions.SESSION_OPENED)
    assert (entry.user_id, entry.actor_name, entry.auth_method) == (dora.id, "dora", "password")
    assert entry.object_id == str(TokenFamily.objects.get().id)
    assert entry.outcome == "ok"


def test_me_shows_the_user_the_method_and_the_end_of_the_token(api, dora):
    api.token = sign_in(api).json["access_token"]
    me = api.get("/auth/me").json
    assert (me["username"], me["auth_method"]) == ("dora", "password")
    assert me["auth_time"] < me["token_expires_at"]
    assert me["token_expires_at"].endswith("Z")


def test_me_needs_a_token(api, db):
    response = api.get("/auth/me")
    assert (response.status, response.code) == (401, "authentication_failed")
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_wrong_password_an_unknown_name_and_a_disabled_account_get_the_same_response(api, dora):
    disabled = UserFactory(username="dis", is_active=False)
    responses = [
        sign_in(api, password="not the password"),
        sign_in(api, username="nobody"),
        sign_in(api, username=disabled.username),
        sign_in(api, username="x" * 500),
        sign_in(api, password="p" * 900),
    ]
    assert {response.status for response in responses} == {401}
    bodies = [{k: v for k, v in response.json.items() if k != "request_id"} for response in responses]
    assert all(body == bodies[0] for body in bodies)
    assert bodies[0]["code"] == "authentication_failed"


@pytest.mark.parametrize("username", ["dora", "nobody", "unusable"])
def test_a_refused_sign_in_costs_a_hash_for_every_name(api, dora, username):
    UserFactory(username="unusable", password=make_password(None))
    sign_in(api, username="warm-up")
    a_hash = min(cpu_seconds(lambda: make_password("some other password")) for _ in range(3))
    a_refusal = cpu_seconds(lambda: sign_in(api, username=username, password="not the password"))
    assert a_hash / 2 < a_refusal


def cpu_seconds(call):
    before = time.process_time()
    call()
    return time.process_time() - before


@pytest.mark.parametrize("username", ["dora", "nobody"])
def test_five_failures_close_an_account_whether_it_exists_or_not(api, dora, username):
    failures = [sign_in(api, username=username, password=f"wrong password {n}") for n in range(5)]
    assert [response.status for response in failures] == [401] * 5
    response = sign_in(api, username=username)
    assert (response.status, response.code) == (429, "throttled")
    assert 0 < int(response.headers["Retry-After"]) <= 15 * 60


def test_a_closed_account_opens_after_fifteen_minutes(api, dora):
    for n in range(6):
        sign_in(api, password=f"wrong password {n}")
    row = LoginAttempt.objects.get()
    for name in ("first_at", "last_at"):
        setattr(row, name, getattr(row, name) - WINDOW)
    row.save()
    assert sign_in(api).status == 200


def test_an_attempt_at_a_locked_account_does_not_prolong_the_lock(api, dora):
    for n in range(5):
        sign_in(api, password=f"wrong password {n}")
    closed_since = LoginAttempt.objects.get().last_at
    sign_in(api)
    assert LoginAttempt.objects.get().last_at == closed_since


def test_successes_never_count_and_forgive_earlier_failures(api, dora):
    for _ in range(2):
        for n in range(4):
            assert sign_in(api, password=f"wrong password {n}").status == 401
        assert sign_in(api).status == 200
    for _ in range(7):
        assert sign_in(api).status == 200
    assert LoginAttempt.objects.get().failures == 0


def test_old_attempts_on_invented_names_do_not_pile_up(api, db):
    sign_in(api, username="ghost-1")
    LoginAttempt.objects.update(last_at=LoginAttempt.objects.get().last_at - 2 * WINDOW)
    sign_in(api, username="ghost-2")
    assert LoginAttempt.objects.count() == 1


def test_the_record_of_a_failed_sign_in_names_accounts_but_never_what_was_typed_instead(api, dora):
    sign_in(api, password="not the password")
    sign_in(api, username="hunter2-typed-into-the-wrong-field")
    entries = log_rows().filter(action=actions.SESSION_OPENED, outcome="denied").order_by("id")
    assert "dora" in [entry.actor_name for entry in entries]
    assert "hunter2" not in "".join(map(str, log_rows().values_list()))
    assert "hunter2" not in "".join(map(str, LoginAttempt.objects.values_list()))


def test_each_address_has_its_budget(api, db, settings):
    settings.CC_THROTTLE_AUTH = "3/day"
    statuses = [api.post("/auth/refresh", {"refresh_token": "ccr_x"}).status for _ in range(5)]
    assert statuses == [401, 401, 401, 429, 429]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"username": "dora"}, "password"),
        ({"password": "x"}, "username"),
        ({"username": 5, "password": "x"}, "username"),
        ({"username": "dora", "password": ["x"]}, "password"),
        ({"username": "dora", "password": "x", "colour": "red"}, "colour"),
        ({"username": "a\x00b", "password": "x"}, "username"),
        ({"username": "dora", "password": "x" * 2000}, "password"),
    ],
)
def test_a_malformed_sign_in_names_the_field(api, db, body, field):
    response = api.post("/auth/login", body)
    assert (response.status, response.code) == (400, "invalid_request")
    assert set(response.json["errors"]) == {field}


def test_a_stale_token_in_the_header_does_not_prevent_a_sign_in(dora):
    assert sign_in(ApiClient("nonsense")).status == 200


def test_a_role_altered_in_the_database_refuses_the_sign_in(api, dora):
    User.objects.filter(pk=dora.pk).update(role="admin")
    response = sign_in(api)
    assert (response.status, response.code) == (503, "integrity_failed")


def test_a_second_factor_is_asked_for_only_after_the_right_password(api, dora):
    dora.requires_second_factor = True
    dora.save_with_mac()
    assert sign_in(api, password="not the password").code == "authentication_failed"
    response = sign_in(api)
    assert (response.status, response.code) == (401, "otp_required")
    assert not TokenFamily.objects.exists()


def test_the_right_password_alone_does_not_forgive_where_a_second_factor_is_due(api, dora):
    dora.requires_second_factor = True
    dora.save_with_mac()
    statuses = [sign_in(api).status for _ in range(6)]
    assert statuses == [401] * 5 + [429]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("username", ["dora", "nobody"])
def test_32_guesses_at_once_are_no_more_than_five(username, monkeypatch):
    # No guess is refused for lack of capacity, so all of them count.
    monkeypatch.setattr(hashers, "_entrances", ProcessState(lambda: threading.BoundedSemaphore(32)))
    monkeypatch.setattr(hashers, "SECONDS_TO_WAIT", 60)
    UserFactory(username="dora")

    def guess(number):
        try:
            return sign_in(ApiClient(), username=username, password=f"wrong password {number}").status
        finally:
            connection.close()

    with ThreadPoolExecutor(32) as pool:
        statuses = list(pool.map(guess, range(32)))
    assert (statuses.count(401), statuses.count(429)) == (5, 27)
    assert LoginAttempt.objects.get().failures == 5
