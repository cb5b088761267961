"""An older row that was put back decides nothing. The sums find a head that was put back together with its row."""

import pytest
from django.db import connection, transaction
from django.test import Client

from accounts.models import User
from accounts.origin import Origin
from accounts.service_accounts.services.tokens import issue_token
from accounts.tokens import verified_tokens
from accounts.users.services.invitations import check_invitation, invite_user
from audit.models import AuditAlarm, AuditTree
from audit.sequencing.alarms import AlarmKind
from audit.sequencing.state import State, protected_models
from audit.sequencing.state_beginning import begin_state_once
from audit.sequencing.state_heads import renew_heads
from audit.services.resolving import resolve_alarm
from audit.verification.database.epochs import watch_epochs
from kernel import runtime
from kernel.clock import process_now
from kernel.errors import DomainError
from kernel.freshness.models import EntityEpoch
from kernel.http.problems import status_of
from kernel.trust.models import StateHead
from kernel.trust.row_heads import current_rows
from kernel.trust.row_mac import IntegrityFailed
from kernel.trust.row_state import delete_rows
from keys.models import KeyGrant, KeyVersion
from keys.transport.services.exporting import export_key
from notifications.models import Webhook
from tests.accounts.test_totp import enrol, sign_in
from tests.audit.verification.states import alarms, create_some, found, ok, watch_all
from tests.factories import SYSTEM, GrantFactory, KeyFactory, PolicyFactory
from tests.personas import ApiClient, Response, make_persona, make_service_account
from tests.tampering.altering import execute
from tests.tampering.writing import sequence
from tests.waiting import wait_until

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]

OLDER = "UPDATE state_heads SET digest = 'x' WHERE id LIKE %s"
ORIGIN = Origin(client_ip="192.0.2.7", user_agent="tests", request_id="r1")
GONE = "DELETE FROM state_heads WHERE id LIKE %s"


@pytest.mark.parametrize("statement", [OLDER, GONE])
def test_a_row_without_its_own_head_decides_nothing(admin, statement):
    uses = uses_of_rows(admin)
    for model in protected_models():
        for use in uses.pop(model.MAC_LABEL, []):
            execute(statement, [f"{model.MAC_LABEL}:%"])
            runtime.fresh()
            assert outcome(use) == (503, "integrity_failed"), model
            renew_heads(model)
            runtime.fresh()
            assert outcome(use)[0] in {200, 201}, model
    assert uses == {}


def outcome(use):
    try:
        response = use()
    except DomainError as error:
        return status_of(error), error.code
    if isinstance(response, Response):
        return response.status, response.code if response.status >= 400 else ""
    return 200 if response is None else response.status_code, "integrity_failed"


def uses_of_rows(admin):
    """Requests that decide by rows of each table."""
    key = KeyFactory(policy_id=PolicyFactory(name="third").id)
    app = make_service_account("app", "developer")
    nina, otto = make_persona("nina", "developer"), make_persona("otto", "developer")
    GrantFactory(key=key, to=app.user)
    authenticator, [*codes] = enrol(nina)
    issued = invite_user(principal=admin.principal, username="paul", role="developer")
    anyone = ApiClient()
    rotated = ok(
        admin.api.post(f"/api/v1/service-accounts/{app.user.id}/rotate-secret", {"overlap_hours": 1})
    )

    def encrypt():
        return app.api.post(
            "/api/v1/encrypt", {"algorithm": "aes-256-gcm", "key_id": str(key.id), "data": "YQ=="}
        )

    def authenticate():
        return otto.api.get("/api/v1/keys")

    refresh_tokens = [otto.refresh_token]

    def refresh():
        response = anyone.post("/auth/refresh", {"refresh_token": refresh_tokens[-1]})
        refresh_tokens.append(response.json.get("refresh_token", refresh_tokens[-1]))
        return response

    browser = Client()
    browser.force_login(otto.user)

    def page():
        return browser.get("/keys/")

    def invited():
        check_invitation(code=issued.url.split("/")[-2])

    def exchange():
        secret = rotated["client_secret"]
        issue_token(client_id=str(app.user.id), client_secret=secret, scopes=(), origin=ORIGIN)

    return {
        "users": [lambda: sign_in(otto), authenticate, invited, refresh, page],
        "token_families": [authenticate],
        "token_signing_keys": [authenticate],
        "refresh_tokens": [refresh],
        "totp_devices": [lambda: sign_in(nina, authenticator.code())],
        "recovery_codes": [lambda: sign_in(nina, codes[0])],
        "invitations": [invited],
        "client_secrets": [exchange],
        "key_import_parameters": [lambda: admin.api.get("/api/v1/keys/import-parameters")],
        "service_tokens": [encrypt],
        "service_accounts": [encrypt, exchange],
        "encryption_keys": [encrypt],
        "key_versions": [encrypt],
        "key_grants": [encrypt],
        "encryption_policies": [encrypt],
    }


def test_an_older_row_that_a_request_meets_raises_an_alarm_at_once(admin):
    key = KeyFactory()
    app = make_service_account("app", "developer")
    GrantFactory(key=key, to=app.user)
    sequence()
    execute("CREATE TABLE kept AS SELECT * FROM key_grants")
    ok(admin.api.delete(f"/api/v1/keys/{key.id}/grants/{KeyGrant.objects.get(key=key).id}"))
    execute("DELETE FROM key_grants")
    execute("INSERT INTO key_grants SELECT * FROM kept")
    execute("DROP TABLE kept")
    response = app.api.post(
        "/api/v1/encrypt", {"algorithm": "aes-256-gcm", "key_id": str(key.id), "data": "YQ=="}
    )
    assert (response.status, response.code) == (503, "integrity_failed")
    wait_until(alarms)
    assert alarms() == [("state_altered", "key_grants has 1 row more than the application wrote")]


def test_changed_heads_alone_raise_an_alarm_whose_resolution_renews_them(admin):
    create_some(admin, "second")
    sequence()
    execute(OLDER, ["webhooks:%"])
    execute("INSERT INTO state_heads (id, digest) VALUES ('webhooks:resolve it, please', 'x')")
    assert found() == ["the rows of webhooks are those that the application wrote"]
    watch_all()
    watch_all()
    assert [kind for kind, _ in alarms()] == ["heads_altered"]
    [alarm] = AuditAlarm.objects.filter(kind=AlarmKind.HEADS_ALTERED)
    assert alarm.found.endswith(", an invalid key")
    resolved = resolve_alarm(principal=admin.principal, alarm_id=alarm.id, reason="a test")
    assert (resolved.acceptance, resolved.accepted, found()) == ("", "", [])


@pytest.mark.parametrize(
    "statement", ["UPDATE security_epoch SET epoch = epoch - 1", "UPDATE entity_epochs SET epoch = 1"]
)
def test_a_lower_epoch_raises_an_alarm(admin, statement):
    watch_epochs()
    assert alarms() == []
    execute(statement)
    for _ in range(3):
        watch_epochs()
    [(kind, _)] = alarms()
    assert kind == "heads_altered"


def test_an_older_row_can_neither_be_saved_nor_locked(admin):
    webhook, user = Webhook.objects.first(), User.objects.get(username="mira")
    execute(OLDER, ["webhooks:%"])
    with pytest.raises(IntegrityFailed), transaction.atomic():
        webhook.save_with_mac()
    with transaction.atomic():
        delete_rows(Webhook.objects.all())
    assert StateHead.objects.filter(id__startswith="webhooks:").exists()  # it names the row
    execute(OLDER, ["users:%"])
    with pytest.raises(IntegrityFailed), transaction.atomic():
        User.objects.lock(user.id)


@pytest.mark.parametrize("table", ["encryption_keys", "key_versions", "encryption_policies"])
def test_no_key_is_exported_by_an_older_row(admin, table):
    policy = PolicyFactory(name="third", exportable=True)
    key = KeyFactory(policy_id=policy.id, exportable=True)
    execute(OLDER, [f"{table}:%"])
    with pytest.raises(IntegrityFailed):
        export_key(principal=SYSTEM, key_id=key.id, reason="a test", is_private_connection=True)


def test_heads_begin_once(admin):
    tree = AuditTree.objects.get()
    sums = State.of(tree).sums
    del sums.tables["state_heads"]  # of an earlier version, which had no heads
    AuditTree.objects.update(sums=sums.seal(tree.size, bytes(tree.root)))
    StateHead.objects.all().delete()
    assert found() == []
    begin_state_once()
    heads = StateHead.objects.count()
    assert (heads > 0, found()) == (True, [])
    StateHead.objects.all().delete()
    begin_state_once()
    assert StateHead.objects.count() == 0
    assert len(found()) > 5


def test_a_forged_row_with_the_key_of_a_genuine_one_decides_nothing(admin):
    """For Python, both have the same primary key. For the database, they have different ones, or are in different tables."""
    key, friend, stranger = (
        KeyFactory(),
        make_persona("friend", "developer"),
        make_persona("stranger", "developer"),
    )
    GrantFactory(key=key, to=friend.principal)
    names = [field.column for field in KeyGrant._meta.concrete_fields]
    forged = dict.fromkeys(names) | {
        "principal_id": f"'{stranger.user.id}'",
        "expires_at": "'2999-01-01 00:00:00+00'",
    }
    target = "key_grants"
    if connection.vendor == "sqlite":
        forged["id"] = "upper(id)"
    else:
        target = "forged_grants"
        execute("CREATE TABLE forged_grants () INHERITS (key_grants)")
    values = ", ".join(value or f'"{name}"' for name, value in forged.items())
    execute(f"INSERT INTO {target} ({', '.join(names)}) SELECT {values} FROM key_grants")  # noqa: S608 - constants
    runtime.fresh()
    body = {"key_id": str(key.id), "algorithm": "aes-256-gcm", "data": "aGk="}
    try:
        assert stranger.api.post("/api/v1/encrypt", body).status in {404, 503}
        assert friend.api.post("/api/v1/encrypt", body).code == "integrity_failed"
    finally:
        if connection.vendor != "sqlite":
            execute("DROP TABLE forged_grants")


def test_rows_that_refer_to_one_row_share_it_once_it_is_checked(admin):
    key = KeyFactory()
    ok(admin.api.post(f"/api/v1/keys/{key.id}/rotate", {"reason": "a test"}))
    first, second = current_rows(KeyVersion.objects.filter(key=key).select_related("key"), "key")
    assert first.key is second.key


def test_a_process_does_not_go_on_with_cached_rows_whose_epochs_were_put_back(admin):
    """A stamp has an age. At the commit of an operation, data with an old one is read again."""
    victim = make_persona("victim", "developer")
    key = KeyFactory(principal=victim.principal)
    body = {"key_id": str(key.id), "algorithm": "aes-256-gcm", "data": "aGk="}
    ok(victim.api.post("/api/v1/encrypt", body))
    epochs = EntityEpoch.objects.in_bulk()
    ok(admin.api.patch(f"/api/v1/users/{victim.user.id}", {"is_active": False}))
    EntityEpoch.objects.all().delete()
    EntityEpoch.objects.bulk_create(epochs.values())
    assert victim.api.post("/api/v1/encrypt", body).status == 200, "the epochs do not show the change"
    known = verified_tokens.find(victim.api.token, process_now())
    known.stamp.not_after = 0.0
    assert victim.api.post("/api/v1/encrypt", body).status == 401
