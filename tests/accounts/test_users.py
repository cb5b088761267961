import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.hashers import verify_password
from django.db import IntegrityError, connection, transaction

from accounts import actions, login_attempts
from accounts.errors import LastAdmin, NameTaken
from accounts.models import LoginAttempt, User
from accounts.origin import Origin
from accounts.principals import Principal
from accounts.sign_in import services as sign_in
from accounts.users.services import creation, editing
from audit.models import AuditTrail
from kernel.errors import Denied, Invalid, NotFound, RecentAuthRequired, Throttled, Unauthenticated
from kernel.trust.row_mac import IntegrityFailed
from tests.factories import UserFactory
from tests.log_entries import log_rows
from tests.personas import PASSWORD, ApiClient, make_persona

OURSELVES = Principal.system("test", "command")
ORIGIN = Origin(client_ip="", user_agent="", request_id="")
GOOD = "a long enough password"


def create(username="nora", **more):
    return creation.create_user(
        **{"principal": OURSELVES, "username": username, "password": GOOD, "role": "developer"} | more
    )


def test_a_created_user_can_sign_in_and_is_on_record(db):
    user = create("Nora", email="Nora@Example.ORG")
    assert (user.username, user.email, user.role) == ("nora", "nora@example.org", "developer")
    assert sign_in.sign_in(username="nora", password=GOOD, origin=ORIGIN).user == user
    entry = log_rows().get(action=actions.USER_CREATED)
    assert (entry.object_id, entry.actor_type) == (str(user.id), "system")
    change = AuditTrail.objects.get(table_name="users")
    assert change.new_values["role"] == "developer"
    assert "password" not in change.new_values


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"username": ""}, "username"),
        ({"username": "a b"}, "username"),
        ({"username": "ümlaut"}, "username"),
        ({"username": "x" * 65}, "username"),
        ({"username": ".hidden"}, "username"),
        ({"username": "new\nline"}, "username"),
        ({"username": "trailing\n"}, "username"),
        ({"email": "no address"}, "email"),
        ({"email": "x" * 250 + "@example.org"}, "email"),
        ({"role": "root"}, "role"),
        ({"password": "x" * 11}, "password"),
        ({"password": "x" * 129}, "password"),
        ({"password": "administrator"}, "password"),
        ({"password": "1234567890123"}, "password"),
    ],
)
def test_an_invalid_new_user_is_refused_with_the_name_of_the_field(db, given, field):
    with pytest.raises(Invalid) as refusal:
        create(**given)
    assert set(refusal.value.fields) == {field}
    assert not User.objects.exists()


@pytest.mark.parametrize(
    "password", ["twelve chars", "éàüöß" + "correct" * 17 + "ñçõ!", "summer rain in winter"]
)
def test_any_uncommon_password_of_12_to_128_characters_is_accepted(db, password):
    assert verify_password(password, create(password=password).password)[0]


def test_names_and_addresses_are_unique_in_any_case(db):
    create("nora", email="nora@example.org")
    with pytest.raises(NameTaken) as refusal:
        create("NORA")
    assert set(refusal.value.fields) == {"username"}
    with pytest.raises(NameTaken) as refusal:
        create("other", email="NORA@example.org")
    assert set(refusal.value.fields) == {"email"}
    create("third")
    create("fourth", email="")


def test_the_database_itself_refuses_other_spellings(db):
    create("nora")
    for change in ({"username": "NORA"}, {"email": "A@b.c"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            User.objects.update(**change)


@pytest.mark.parametrize("persona", ["operator", "developer", "auditor"])
def test_only_an_admin_manages_users(request, persona, stranger):
    principal = request.getfixturevalue(persona).principal
    other = stranger.user.id
    for refused in (
        lambda: create(principal=principal),
        lambda: editing.set_password(principal=principal, user_id=other, password=GOOD),
        lambda: editing.set_role(principal=principal, user_id=other, role="admin"),
        lambda: editing.disable_user(principal=principal, user_id=other),
        lambda: editing.enable_user(principal=principal, user_id=other),
        lambda: editing.sign_out_everywhere(principal=principal, user_id=other),
        lambda: editing.unlock_user(principal=principal, user_id=other),
    ):
        with pytest.raises(Denied):
            refused()
    assert stranger.api.get("/auth/me").status == 200


def test_an_admin_changes_a_role_and_the_trail_shows_both(admin, developer):
    editing.set_role(principal=admin.principal, user_id=developer.user.id, role="operator")
    change = AuditTrail.objects.get(table_name="users", action="update")
    assert (change.old_values["role"], change.new_values["role"]) == ("developer", "operator")
    assert change.changed_by == admin.user.id
    entry = log_rows().get(action=actions.USER_ROLE_CHANGED)
    assert (entry.user_id, entry.object_id) == (admin.user.id, str(developer.user.id))
    assert User.objects.get(pk=developer.user.pk).check_mac().role == "operator"


def test_a_role_change_needs_a_recent_sign_in(admin, developer):
    stale = replace(admin.principal, auth_time=admin.principal.auth_time - timedelta(minutes=11))
    with pytest.raises(RecentAuthRequired):
        editing.set_role(principal=stale, user_id=developer.user.id, role="operator")


def test_a_change_to_what_already_is_does_nothing(admin, developer):
    version = developer.user.subject_version
    editing.set_role(principal=admin.principal, user_id=developer.user.id, role="developer")
    editing.enable_user(principal=admin.principal, user_id=developer.user.id)
    assert User.objects.get(pk=developer.user.pk).subject_version == version
    assert developer.api.get("/auth/me").status == 200


def test_a_disabled_user_is_out_until_enabled(admin, developer):
    editing.disable_user(principal=admin.principal, user_id=developer.user.id)
    with pytest.raises(Unauthenticated):
        sign_in.sign_in(username="dora", password=PASSWORD, origin=ORIGIN)
    editing.disable_user(principal=admin.principal, user_id=developer.user.id)
    editing.enable_user(principal=admin.principal, user_id=developer.user.id)
    assert developer.api.get("/auth/me").status == 401
    assert sign_in.sign_in(username="dora", password=PASSWORD, origin=ORIGIN).access_token


def test_the_last_active_admin_stays(admin):
    UserFactory(username="gone", role="admin", is_active=False)
    for refused in (
        lambda: editing.disable_user(principal=OURSELVES, user_id=admin.user.id),
        lambda: editing.set_role(principal=OURSELVES, user_id=admin.user.id, role="auditor"),
    ):
        with pytest.raises(LastAdmin):
            refused()
    editing.set_role(principal=OURSELVES, user_id=admin.user.id, role="admin")
    second = UserFactory(username="second", role="admin")
    editing.disable_user(principal=OURSELVES, user_id=admin.user.id)
    with pytest.raises(LastAdmin):
        editing.set_role(principal=OURSELVES, user_id=second.id, role="operator")


@pytest.mark.django_db(transaction=True)
def test_one_of_two_admins_stays_active_when_both_are_disabled_at_once():
    admins = [make_persona(name, "admin") for name in ("ada", "bea")]
    start = threading.Barrier(2)

    def disable(admin):
        start.wait(60)
        try:
            editing.disable_user(principal=OURSELVES, user_id=admin.user.id)
        except LastAdmin:
            return "refused"
        finally:
            connection.close()
        return "done"

    with ThreadPoolExecutor(2) as pool:
        results = [pool.submit(disable, admin) for admin in admins]
    assert sorted(result.result() for result in results) == ["done", "refused"]
    assert User.objects.filter(role="admin", is_active=True).count() == 1


def test_set_password_lets_the_new_one_in_and_the_old_one_out(admin, developer):
    editing.set_password(principal=admin.principal, user_id=developer.user.id, password=GOOD)
    with pytest.raises(Unauthenticated):
        sign_in.sign_in(username="dora", password=PASSWORD, origin=ORIGIN)
    assert sign_in.sign_in(username="dora", password=GOOD, origin=ORIGIN).access_token
    with pytest.raises(Invalid):
        editing.set_password(principal=admin.principal, user_id=developer.user.id, password="short")


def test_one_changes_ones_own_password_and_every_session_ends(developer):
    response = developer.api.post("/auth/password", {"current": PASSWORD, "new": GOOD})
    assert (response.status, response.json) == (204, None)
    assert developer.api.get("/auth/me").status == 401
    assert sign_in.sign_in(username="dora", password=GOOD, origin=ORIGIN).access_token
    assert log_rows().filter(action=actions.PASSWORD_CHANGED, user_id=developer.user.id).exists()


def test_a_wrong_present_password_is_named_and_counted(developer):
    for _ in range(5):
        response = developer.api.post("/auth/password", {"current": "not the password", "new": GOOD})
        assert response.status == 400
        assert set(response.json["errors"]) == {"current"}
    response = developer.api.post("/auth/password", {"current": PASSWORD, "new": GOOD})
    assert (response.status, response.code) == (429, "throttled")
    with pytest.raises(Throttled):
        sign_in.sign_in(username="dora", password=PASSWORD, origin=ORIGIN)


def test_a_bad_new_password_is_named(developer):
    response = developer.api.post("/auth/password", {"current": PASSWORD, "new": "short"})
    assert set(response.json["errors"]) == {"new"}
    assert not LoginAttempt.objects.exists()


def test_the_unchanged_password_is_refused(developer):
    response = developer.api.post("/auth/password", {"current": PASSWORD, "new": PASSWORD})
    assert (response.status, response.json["errors"]) == (
        400,
        {"new": ["The new password must differ from the current password."]},
    )
    assert developer.api.get("/auth/me").status == 200


def test_no_one_changes_a_password_without_a_token(db):
    assert ApiClient().post("/auth/password", {"current": PASSWORD, "new": GOOD}).status == 401


def test_the_application_has_no_password_to_change(db):
    with pytest.raises(Denied):
        editing.change_password(principal=OURSELVES, current=PASSWORD, new=GOOD)


def test_one_signs_oneself_out_everywhere(developer):
    editing.sign_out_everywhere(principal=developer.principal, user_id=developer.user.id)
    assert developer.api.get("/auth/me").status == 401


def test_unlocking_opens_a_closed_account_second_factor_included(developer):
    for counter, subject in (
        (login_attempts.PASSWORD, "dora"),
        (login_attempts.TOTP, str(developer.user.id)),
    ):
        for _ in range(5):
            login_attempts.count(counter, subject)
    with pytest.raises(Throttled):
        sign_in.sign_in(username="dora", password=PASSWORD, origin=ORIGIN)
    editing.unlock_user(principal=OURSELVES, user_id=developer.user.id)
    assert set(LoginAttempt.objects.values_list("failures", flat=True)) == {0}
    assert sign_in.sign_in(username="dora", password=PASSWORD, origin=ORIGIN).access_token
    assert log_rows().filter(action=actions.USER_UNLOCKED).count() == 1


def test_an_unknown_user_is_not_found(db):
    with pytest.raises(NotFound):
        editing.find_user("nobody")
    with pytest.raises(NotFound):
        editing.disable_user(principal=OURSELVES, user_id=uuid4())


def test_a_row_altered_by_hand_is_not_written_over(developer):
    User.objects.filter(pk=developer.user.pk).update(role="auditor")
    with pytest.raises(IntegrityFailed):
        editing.set_role(principal=OURSELVES, user_id=developer.user.id, role="admin")
    with pytest.raises(IntegrityFailed):
        editing.set_password(principal=OURSELVES, user_id=developer.user.id, password=GOOD)


@pytest.mark.parametrize(
    ("role", "seen", "unseen"),
    [
        ("admin", ["accounts", "audit", "keys", "crypto_ops", "ciphercanary"], ["sessions"]),
        ("auditor", ["accounts", "audit", "keys", "crypto_ops", "ciphercanary"], ["sessions"]),
        ("operator", ["audit", "keys", "crypto_ops", "ciphercanary"], ["accounts"]),
        ("developer", [], ["accounts", "audit", "keys", "crypto_ops", "ciphercanary"]),
    ],
)
def test_the_admin_site_shows_what_the_role_may_read_and_lets_no_one_write(role, seen, unseen):
    user = User(username="x", role=role)
    assert user.is_staff is bool(seen)
    for app in seen:
        assert user.has_module_perms(app)
        assert user.has_perm(f"{app}.view_anything")
    for app in unseen:
        assert not user.has_module_perms(app)
        assert not user.has_perm(f"{app}.view_anything")
    for act in ("add", "change", "delete"):
        assert not any(user.has_perm(f"{app}.{act}_anything") for app in seen + unseen)


def test_a_disabled_admin_sees_nothing():
    assert not User(username="x", role="admin", is_active=False).is_staff


def test_a_browser_session_ends_with_the_subject_version_and_with_the_password(db):
    user = UserFactory()
    hashes = [user.get_session_auth_hash()]
    user.subject_version += 1
    hashes.append(user.get_session_auth_hash())
    user.password = "another"
    hashes.append(user.get_session_auth_hash())
    assert len(set(hashes)) == 3


@pytest.mark.postgresql
def test_the_search_can_use_its_index(db):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")  # an empty table is cheapest read whole
    plan = User.objects.search("dora").order_by().explain()
    assert plan.count("Bitmap Index Scan on idx_users_fts") == 2  # one for each column
