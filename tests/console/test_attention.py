"""``GET /api/v1/attention`` lists what Home shows, within the caller's view."""

from datetime import timedelta

import pytest

from accounts.users.operations import USER_OPERATIONS
from audit.models import AuditExport, LogTarget, UsageRollup
from console.home.denied_acts import ACTS
from console.home.services import PAGES
from console.jobs.kinds import JOB_KINDS
from kernel.clock import database_now, process_now
from kernel.jobs import registry
from keys.deletion.services import schedule_deletion
from keys.models import Key
from keys.pages.operations import KEY_OPERATIONS
from keys.pages.version_operations import VERSION_OPERATIONS
from keys.policies.operations import POLICY_OPERATIONS
from keys.states.services import disable_key
from tests.browsing import signed_in
from tests.console.conftest import alerts_on_home
from tests.endpoints import make_alarm

pytestmark = [
    pytest.mark.sqlite,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("backed_up"),
]
DAY = timedelta(days=1)


def attention(persona):
    response = persona.api.get("/api/v1/attention")
    assert response.status == 200
    return response.json


@pytest.fixture
def troubled(admin, make_key, use):
    """Keys ``idle`` (disabled, but requested), ``late`` (overdue) and ``soon`` (expiring), a failed job and an alarm."""
    now = process_now()
    idle, late = make_key(admin, "idle"), make_key(admin, "late", rotation_period_days=90)
    make_key(admin, "soon", expires_at=now + 3 * DAY)
    disable_key(principal=admin.principal, key_id=idle.id, reason="a rehearsal")
    use(idle, outcome="denied", ago=timedelta(hours=5))
    use(idle, outcome="denied")
    Key.objects.filter(pk=late.pk).update(next_rotation_at=now - DAY)
    AuditExport.objects.create(
        kind="audit_export",
        format="jsonl",
        status="failed",
        error_code="internal",
        finished_at=database_now(),
    )
    failing = {
        "failing_since": now - timedelta(minutes=6),
        "last_error": "The receiver did not respond in time.",
    }
    LogTarget(name="siem", url="https://siem.example.org/", created_at=now, **failing).save_with_mac()
    make_alarm()
    return {key.name: key for key in Key.objects.all()}


def test_each_condition_has_its_severity_its_object_its_beginning_and_a_page(troubled, admin):
    body = attention(admin)
    found = {each["kind"]: each for each in body["results"]}
    assert [(each["kind"], each["severity"]) for each in body["results"]] == [
        ("audit_alarm", "critical"),
        ("key_denied", "critical"),
        ("log_target_late", "warning"),
        ("key_rotation_overdue", "warning"),
        ("key_expiring", "warning"),
        ("job_failed", "warning"),
        ("second_factor_missing", "warning"),
    ]
    assert body["counts"] == dict.fromkeys(found, 1)
    late = found["key_rotation_overdue"]
    assert late["object"] == {"type": "key", "id": str(troubled["late"].id), "name": "late"}
    assert late["since"] == f"{troubled['late'].next_rotation_at.isoformat()}".replace("+00:00", "Z")
    begun = UsageRollup.objects.earliest("hour").hour
    assert found["key_denied"]["since"] == f"{begun:%Y-%m-%dT%H:%M:%SZ}"
    # The key did not exist 30 days before its expiry.
    created = troubled["soon"].created_at.isoformat().replace("+00:00", "Z")
    assert found["key_expiring"]["since"] == created
    assert found["second_factor_missing"]["since"] is None
    assert "object=idle" in found["key_denied"]["action_url"]
    assert found["audit_alarm"]["object"]["name"] == "Entry altered"
    assert found["log_target_late"]["object"]["name"] == "siem"
    assert found["log_target_late"]["action_url"] == "/audit/log-targets/"
    job = AuditExport.objects.get()
    assert found["job_failed"]["object"] == {"type": "audit_export", "id": str(job.id), "name": ""}


def test_a_scheduled_deletion_is_an_alert_if_it_is_near_or_the_key_is_requested(admin, make_key, use):
    keys = {name: make_key(admin, name) for name in ("calm", "near", "needed")}
    for key in keys.values():
        schedule_deletion(
            principal=admin.principal, key_id=key.id, reason="a rehearsal", confirm_name=key.name
        )
    near = Key.objects.get(name="near")
    near.deletion_at = process_now() + timedelta(hours=71)
    near.save_with_mac()
    use(keys["needed"], outcome="denied")
    body = attention(admin)
    found = {each["kind"]: each for each in body["results"] if each["kind"].startswith("key_")}
    assert {kind: each["object"]["name"] for kind, each in found.items()} == {
        "key_deletion_denied": "needed",
        "key_deletion_ahead": "near",
    }
    assert found["key_deletion_ahead"]["action_url"] == "/keys/near/cancel-deletion"
    assert "object=needed" in found["key_deletion_denied"]["action_url"]
    browser = signed_in(admin)
    for finding, name in (("deletion_ahead", "near"), ("deletion_denied", "needed")):
        listed = browser.get(f"/keys/?finding={finding}").content.decode()
        assert [each for each in keys if f'href="/keys/{each}/"' in listed] == [name]


def test_denied_attempts_to_change_keys_or_access_are_alerts(admin, auditor, developer, make_key):
    make_key(admin, "production")
    denied = developer.api.post("/api/v1/keys/name:production/revoke", {"reason": "a try"})
    assert (denied.status, denied.json["rule"]) == (403, "role:developer")
    developer.api.get("/api/v1/users")  # denied as well, but it would change nothing
    [alert] = [each for each in attention(auditor)["results"] if each["kind"] == "act_denied"]
    assert alert["object"] == {"type": "key", "id": "name:production", "name": "production"}
    assert signed_in(auditor).get(alert["action_url"]).status_code == 200
    assert f"The action “Revoke key” on production was denied to {developer.user.username}." in [
        each.text for each in alerts_on_home(signed_in(auditor))
    ]
    assert "act_denied" not in attention(developer)["counts"]
    page = f"/users/{auditor.user.id}/disable"
    assert signed_in(developer).get(page).status_code == 403
    home = signed_in(auditor).get("/home/").content.decode()
    assert "In total, 2 attempts to change keys, access or accounts were denied in the last 24 hours." in home
    assert "See all requests without permission</a>" in home


def test_each_operation_on_a_key_policy_or_user_is_such_an_attempt():
    tables = (KEY_OPERATIONS, VERSION_OPERATIONS, POLICY_OPERATIONS, USER_OPERATIONS)
    assert {operation.action for table in tables for operation in table.values()} <= set(ACTS)


def test_a_failed_job_of_each_kind_is_linked_to_its_page():
    pages = {kind: PAGES.get(kind, "job") for kind in registry.kinds()}
    assert pages == {kind: JOB_KINDS[kind].url_name for kind in registry.kinds()}


def test_it_is_the_list_of_home(troubled, auditor):
    listed, browser = [each["action_url"] for each in attention(auditor)["results"]], signed_in(auditor)
    assert listed == [alert.action_url for alert in alerts_on_home(browser)]
    assert {browser.get(url).status_code for url in listed} == {200}


def test_a_developer_gets_only_their_own_keys_and_jobs(troubled, developer, make_key):
    own = make_key(developer, "his")
    Key.objects.filter(pk=own.pk).update(expires_at=process_now() + DAY)
    body = attention(developer)
    assert [(each["kind"], each["object"]["name"]) for each in body["results"]] == [
        ("key_expiring", "his"),
        ("second_factor_missing", developer.user.username),
    ]
    assert body["counts"] == {"key_expiring": 1, "second_factor_missing": 1}


def test_the_results_of_a_kind_are_limited_and_counted(admin, make_key, monkeypatch):
    monkeypatch.setattr("console.home.api.ALERT_LIMIT", 2)
    for number in range(3):
        key = make_key(admin, f"late-{number}", rotation_period_days=90)
        Key.objects.filter(pk=key.pk).update(next_rotation_at=process_now() - DAY * (number + 1))
    body = attention(admin)
    late = [each["object"]["name"] for each in body["results"] if each["kind"] == "key_rotation_overdue"]
    assert (late, body["counts"]["key_rotation_overdue"]) == (["late-2", "late-1"], 3)
