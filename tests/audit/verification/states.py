"""Create rows of the state, and read what is found and raised about them."""

from audit.models import AuditAlarm
from audit.sequencing.alarms import AlarmKind
from audit.sequencing.state import protected_models
from audit.verification.database.state import check_state, watch_state
from tests.factories import SYSTEM, PolicyFactory
from tests.personas import with_token

ACTOR = SYSTEM.actor


def found():
    """The findings, without the rows that they name."""
    return [without_names(finding.text) for finding in check_state()]


def without_names(text):
    return text.partition("; state_heads differs for ")[0]


def alarms():
    kinds = (AlarmKind.STATE_ALTERED, AlarmKind.HEADS_ALTERED, AlarmKind.STATE_UNKNOWN)
    rows = AuditAlarm.objects.filter(kind__in=kinds, resolved_at=None)
    return [(alarm.kind, without_names(alarm.found)) for alarm in rows]


def watch_all():
    for _ in protected_models():
        watch_state()


def create_some(admin, name):
    """A row of each table that requests insert."""
    api = admin.api
    key = ok(api.post("/api/v1/keys", {"name": name, "algorithm": "aes-256", "tags": ["a"]}))["id"]
    ok(api.post(f"/api/v1/keys/{key}/grants", grant(admin)))
    account = ok(api.post("/api/v1/service-accounts", {"name": name, "role": "developer"}))
    with_token(admin)
    PolicyFactory(name=name)
    ok(api.post("/api/v1/users", {"username": f"u-{name}", "role": "auditor"}))
    ok(api.post("/api/v1/webhooks", {"name": name, "url": "https://8.8.8.8/hook", "topics": ["audit.alarm"]}))
    ok(api.post("/api/v1/audit/log-targets", {"name": name, "url": "tls://8.8.8.8:6514"}))
    ok(api.get("/api/v1/keys/import-parameters"))
    return key, account["id"]


def grant(admin):
    return {
        "principal_type": "user",
        "principal_id": str(admin.user.id),
        "operations": ["encrypt"],
    }


def ok(response):
    assert response.status in {200, 201, 204}, response.raw.content
    return response.json
