"""An older row that was put back decides nothing. The sums find a head that was put back together with its row."""

import pytest

from accounts.origin import Origin
from accounts.service_accounts.services.tokens import issue_token
from accounts.users.services.invitations import check_invitation, invite_user
from audit.models import AuditAlarm, AuditTree
from audit.sequencing.alarms import AlarmKind
from audit.sequencing.state import State, protected_models
from audit.sequencing.state_beginning import begin_state_once
from audit.sequencing.state_heads import renew_heads
from audit.services.resolving import resolve_alarm
from audit.verification.database.state import watch_state
from kernel import runtime
from kernel.errors import DomainError
from kernel.http.problems import status_of
from kernel.trust.models import StateHead
from keys.models import KeyGrant
from tests.accounts.test_totp import enrol, sign_in
from tests.audit.verification.states import alarms, create_some, found, ok, watch_all
from tests.factories import GrantFactory, KeyFactory, PolicyFactory
from tests.personas import ApiClient, make_persona, make_service_account
from tests.tampering.altering import execute, query
from tests.tampering.writing import sequence
from tests.waiting import wait_until

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]

OLDER = "UPDATE state_heads SET contents = 'x' WHERE id LIKE %s"
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
    return (response.status, response.code if response.status >= 400 else "") if response else (200, "")


def uses_of_rows(admin):
    """What decides by rows of each table."""
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

    def refresh():
        return anyone.post("/auth/refresh", {"refresh_token": otto.refresh_token})

    def invited():
        check_invitation(code=issued.url.split("/")[-2])

    def exchange():
        secret = rotated["client_secret"]
        issue_token(client_id=str(app.user.id), client_secret=secret, scopes=(), origin=ORIGIN)

    return {
        "users": [lambda: sign_in(otto), authenticate, invited],
        "token_families": [authenticate],
        "token_signing_keys": [authenticate],
        "refresh_tokens": [refresh],
        "totp_devices": [lambda: sign_in(nina, authenticator.code())],
        "recovery_codes": [lambda: sign_in(nina, codes[0])],
        "invitations": [invited],
        "client_secrets": [exchange],
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


def test_a_changed_head_alone_raises_an_alarm_whose_resolution_renews_it(admin):
    create_some(admin, "second")
    sequence()
    execute(OLDER, ["webhooks:%"])
    text = "the rows of webhooks are those that the application wrote"
    assert found() == [text]
    watch_all()
    assert alarms() == [("state_altered", text)]
    [alarm] = AuditAlarm.objects.filter(kind=AlarmKind.STATE_ALTERED)
    resolved = resolve_alarm(principal=admin.principal, alarm_id=alarm.id, reason="a test")
    assert (resolved.accepted, found()) == ("", [])


def test_a_lower_epoch_raises_an_alarm(admin):
    watch_state()
    [(epoch,)] = query("SELECT epoch FROM security_epoch")
    execute("UPDATE security_epoch SET epoch = epoch - 1")
    watch_state()
    watch_state()
    assert alarms() == [("state_altered", str(epoch - 1))]
    [alarm] = AuditAlarm.objects.filter(kind=AlarmKind.STATE_ALTERED)
    assert resolve_alarm(principal=admin.principal, alarm_id=alarm.id, reason="a test").accepted == ""


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
