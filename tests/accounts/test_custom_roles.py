"""Roles that an installation defines: their rights apply at once, and no one gets more than the editor has."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection, transaction

from accounts.custom_roles import services
from accounts.errors import LastAdmin, NameTaken, RoleInUse
from accounts.holders import list_holders
from accounts.models import Role
from accounts.models.roles import list_rights, rights_of
from accounts.roles import Rights
from accounts.service_accounts.services.accounts import create_service_account, update_service_account
from accounts.tokens.access_tokens import confirm_rights
from accounts.users.services import editing
from accounts.users.services.creation import create_user
from accounts.users.services.invitations import invite_user
from kernel.errors import Denied, Invalid, NotFound, RecentAuthRequired
from kernel.freshness.stamps import StaleDecision
from kernel.outbox.models import Notification
from kernel.trust.row_mac import IntegrityFailed
from keys.access.services import GrantRequest, grant_tag
from tests.factories import SYSTEM, KeyFactory, ServiceAccountFactory, UserFactory
from tests.personas import make_persona, make_service_account

pytestmark = pytest.mark.django_db
READING = ["keys.read", "users.read"]
TO_READERS = GrantRequest(principal_type="role", principal_id="reader", operations=["encrypt"])


def make_role(principal=SYSTEM, name="reader", permissions=READING, **fields):
    fields = {"requires_second_factor": False} | fields
    return services.create_role(principal=principal, name=name, permissions=permissions, **fields)


def change(name="reader", principal=SYSTEM, **changes):
    return services.update_role(principal=principal, name=name, changes=changes)


def statuses(persona):
    return [persona.api.get(f"/api/v1/{name}").status for name in ("users", "webhooks")]


def test_a_permission_covers_own_objects_unless_it_has_one_reach_or_is_chosen():
    role = make_role(permissions=["keys.read", "crypto.encrypt", "keys.rotate"], on_all=["keys.read"])
    assert role.rights == rights_of("reader")
    assert role.rights.permissions == {"keys.read", "crypto.encrypt", "keys.rotate"}
    assert role.rights.on_all == {"keys.read", "keys.rotate"}
    assert list_rights()[-1] == role.rights
    assert rights_of("gone") == Rights("gone")


@pytest.mark.parametrize("make", [make_persona, make_service_account])
def test_changed_rights_apply_to_open_sessions_and_tokens_at_once(make):
    make_role()
    holder = make("rita", "reader")
    assert statuses(holder) == [200, 403]
    change(permissions=["keys.read"])
    assert statuses(holder) == [403, 403]
    change(permissions=["keys.read", "users.read"])
    assert statuses(holder) == [200, 403]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("make", [make_persona, make_service_account])
def test_a_known_token_loses_the_use_of_keys_at_once(make):
    make_role(permissions=["crypto.encrypt", "keys.read"], on_all=["crypto.encrypt", "keys.read"])
    holder, key = make("rita", "reader"), KeyFactory()
    message = {"key_id": str(key.id), "algorithm": "aes-256-gcm", "data": "aGk="}
    assert [holder.api.post("/api/v1/encrypt", message).status for _ in range(2)] == [200, 200]
    change(on_all=["keys.read"])
    refused = holder.api.post("/api/v1/encrypt", message)
    assert (refused.status, refused.json["rule"]) == (403, "no-grant")


def test_a_session_gains_a_permission_at_once_and_a_token_keeps_its_scopes():
    make_role()
    person, application = make_persona("rita", "reader"), make_service_account("app", "reader")
    change(permissions=[*READING, "webhooks.manage"])
    assert (statuses(person), statuses(application)) == ([200, 200], [200, 403])


def test_a_change_that_began_with_rights_that_are_gone_does_not_commit():
    make_role()
    principal = make_persona("rita", "reader").principal
    confirm_rights(principal)
    change(permissions=[*READING, "system.read"])
    confirm_rights(principal)
    change(permissions=["keys.read", "system.read"])
    with pytest.raises(StaleDecision):
        confirm_rights(principal)


def test_no_editor_makes_or_changes_a_role_with_more_rights_than_theirs(admin):
    editor = make_persona("uma", "user_manager").principal
    make_role(editor, "helpers", ["users.read", "crypto.encrypt"])
    with pytest.raises(Denied, match=r"crypto\.encrypt"):
        change("helpers", editor, on_all=["crypto.encrypt"])
    with pytest.raises(Denied, match=r"system\.read"):
        make_role(editor, "watchers", ["system.read"])
    make_role(admin.principal, "watchers", ["system.read"])
    for refused in (
        lambda: change("watchers", editor, permissions=["users.read"]),
        lambda: services.delete_role(principal=editor, name="watchers"),
        lambda: editing.set_role(principal=editor, user_id=UserFactory().id, role="watchers"),
    ):
        with pytest.raises(Denied, match="watchers"):
            refused()


@pytest.mark.parametrize("role", ["operator", "developer", "auditor", "key_manager"])
def test_roles_are_edited_with_users_manage_and_a_recent_sign_in(role):
    make_role()
    principal, editor = make_persona("olga", role).principal, make_persona("uma", "user_manager").principal
    for act in (
        lambda who: make_role(who, "another", ["users.read"]),
        lambda who: change(principal=who, description="d"),
        lambda who: services.delete_role(principal=who, name="reader"),
    ):
        with pytest.raises(Denied):
            act(principal)
        old = editor.auth_time - timedelta(minutes=11)
        with pytest.raises(RecentAuthRequired):
            act(replace(editor, auth_time=old))


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("name", {"name": "admin"}),
        ("name", {"name": "system"}),
        ("name", {"name": "Reader"}),
        ("name", {"name": "r" * 21}),
        ("permissions", {"permissions": []}),
        ("permissions", {"permissions": ["keys.everything"]}),
        ("on_all", {"on_all": ["crypto.sign"]}),
        ("on_all", {"on_all": ["users.read"]}),
        ("description", {"description": "x" * 1001}),
    ],
)
def test_an_invalid_field_is_named(field, fields):
    with pytest.raises(Invalid) as refusal:
        make_role(**fields)
    assert list(refusal.value.fields) == [field]
    assert not Role.objects.exists()


def test_names_and_the_number_of_roles_are_limited(monkeypatch):
    make_role(name="r" * 20)
    with pytest.raises(NameTaken):
        make_role(name="r" * 20)
    monkeypatch.setattr(services, "MAX_ROLES", 2)
    make_role()
    with pytest.raises(Invalid, match="There can be 2 roles"):
        make_role(name="third")
    with pytest.raises(Invalid, match="built-in"):
        change("admin", description="d")
    with pytest.raises(NotFound):
        change("gone", description="d")


def test_a_role_in_use_cannot_be_deleted():
    make_role(permissions=["crypto.encrypt"])
    user = UserFactory(username="rita", role="reader")
    create_service_account(principal=SYSTEM, name="app", role="reader")
    grant_tag(principal=SYSTEM, tag="shop", request=TO_READERS)
    with pytest.raises(RoleInUse) as refusal:
        services.delete_role(principal=SYSTEM, name="reader")
    assert refusal.value.extra == {"uses": 3}
    make_role(name="unused")
    services.delete_role(principal=SYSTEM, name="unused")
    assert list(Role.objects.values_list("pk", flat=True)) == ["reader"]
    assert user.rights.permissions == {"crypto.encrypt"}


def waits_for_the_epoch():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return cursor.fetchone()[0]


GIVING = {
    "set_role": lambda user, _: editing.set_role(principal=SYSTEM, user_id=user.id, role="reader"),
    "create_user": lambda *_: create_user(principal=SYSTEM, username="new", password=None, role="reader"),
    "invite_user": lambda *_: invite_user(principal=SYSTEM, username="new", role="reader"),
    "create_account": lambda *_: create_service_account(principal=SYSTEM, name="new", role="reader"),
    "update_account": lambda _, account: update_service_account(
        principal=SYSTEM, account_id=account.id, changes={"role": "reader"}
    ),
    "grant_tag": lambda *_: grant_tag(principal=SYSTEM, tag="shop", request=TO_READERS),
}


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("giving", GIVING)
def test_no_one_gets_a_role_that_is_deleted_meanwhile(giving):
    make_role(permissions=["crypto.encrypt"])
    existing = UserFactory(username="rita", role="auditor"), ServiceAccountFactory(name="app")

    def give():
        try:
            GIVING[giving](*existing)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            services.delete_role(principal=SYSTEM, name="reader")
            given = pool.submit(give)
            while not (waits_for_the_epoch() or given.done()):
                time.sleep(0.01)
        with pytest.raises(Invalid):
            given.result()


def test_the_rights_of_many_holders_cost_one_statement(django_assert_num_queries):
    make_role()
    for number in range(3):
        UserFactory(username=f"r{number}", role="reader")
    with django_assert_num_queries(3):  # users, service accounts, roles
        assert {each.rights.permissions for each in list_holders(())} == {frozenset(READING)}


def test_the_last_administrator_keeps_a_role_that_manages_users():
    make_role(name="staff", permissions=["users.manage", "users.read"])
    UserFactory(username="sam", role="staff")
    editing.disable_user(principal=SYSTEM, user_id=UserFactory(username="sue", role="staff").id)
    with pytest.raises(LastAdmin):
        change("staff", permissions=["users.read"])
    with pytest.raises(LastAdmin):
        editing.set_role(principal=SYSTEM, user_id=editing.find_user("sam").id, role="auditor")
    UserFactory(username="ada", role="admin")
    change("staff", permissions=["users.read"])


def test_a_role_requires_a_second_factor_of_people_unless_it_says_otherwise():
    make_role(requires_second_factor=True)
    person, application = make_persona("rita", "reader"), make_service_account("app", "reader")
    assert person.user.must_enrol
    assert person.api.get("/api/v1/users").json["code"] == "second_factor_required"
    assert statuses(application) == [200, 403]
    change(requires_second_factor=False)
    assert statuses(person) == [200, 403]


@pytest.mark.parametrize(
    "altered",
    [
        {"permissions": [*READING, "webhooks.manage"]},
        {"on_all": READING[:1]},
        {"requires_second_factor": True},
    ],
    ids=["permissions", "on_all", "requires_second_factor"],
)
def test_an_altered_role_gives_nothing(altered):
    make_role()
    Role.objects.update(**altered)
    for read in (lambda: rights_of("reader"), list_rights):
        with pytest.raises(IntegrityFailed):
            read()


def test_an_editor_may_take_permissions_from_their_own_role():
    make_role(name="staff", permissions=["users.manage", "users.read", "policies.read"])
    principal = make_persona("rita", "staff").principal
    change("staff", principal, permissions=["users.manage", "users.read"])
    with pytest.raises(LastAdmin):
        change("staff", principal, permissions=["users.read"])


def test_a_role_that_gets_to_manage_users_announces_its_holders():
    make_role()
    UserFactory(username="rita", role="reader")
    change(permissions=[*READING, "users.manage"])
    change(permissions=[*READING, "users.manage", "policies.read"])
    [notice] = Notification.objects.filter(topic="user.admin_added")
    assert notice.object_name == "rita"
